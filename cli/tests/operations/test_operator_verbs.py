"""Verbs of operators ask the gateway one question each, and show its answer as a table or as JSON."""

import argparse
import json

import httpx
import pytest

from cli.operations import operator_verbs
from shared.errors import Refused

TASK = {
    "id": "t1",
    "kind": "report",
    "state": "failed",
    "progress": {"done": 1, "total": 3},
    "created_at": "2026-11-30T07:00:00Z",
    "error": "the mailbox is full",
}
STEP = {"at": "2026-11-30T07:00:00Z", "service": "files", "type": "file.uploaded", "state": None, "seconds": 0.5}
ANSWERS = {
    "/v1/tasks": {"items": [TASK], "next": "t1", "searched": 2000},
    "/v1/tasks/t1/timeline": {"steps": [STEP | {"failures": [{"queue": "files.work.read"}]}], "notes": ["so far"]},
    "/v1/queues": {
        "broker": False,
        "items": [{"name": "files.work.read", "ready": None, "unacknowledged": 2, "consumers": None, "paused": True}],
    },
    "/v1/people/p1/export": {"person_id": "p1", "schools": [], "cut": ["account.sessions"]},
    "/v1/workers": {"items": [{"worker": "files@here:1", "state": "live", "facts": {"draining": True, "handled": 7}}]},
}


def run(add, *arguments, status=200):
    asked = []

    def gateway(request):
        asked.append((request.method, str(request.url), json.loads(request.content) if request.content else None))
        answer = ANSWERS.get(request.url.path, {"order": "pause"})
        return httpx.Response(status, json=answer if status < 400 else {"detail": "there is no such queue"})

    parser = argparse.ArgumentParser()
    add(parser)
    with httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(gateway)) as client:
        assert operator_verbs.run(parser.parse_args(arguments), client) == 0
    return asked


@pytest.mark.parametrize(
    ("add", "words", "asked", "shown"),
    [
        (operator_verbs.add_tasks, ("list", "--text", "full", "--active"), "/v1/tasks?text=full&active=true", "1/3"),
        (operator_verbs.add_tasks, ("list",), "/v1/tasks", "looked at 2000 tasks; more with --after t1"),
        (operator_verbs.add_tasks, ("timeline", "t1"), "/v1/tasks/t1/timeline", "files.work.read"),
        (operator_verbs.add_tasks, ("timeline", "t1"), "/v1/tasks/t1/timeline", "note: so far"),
        (operator_verbs.add_queues, ("list",), "/v1/queues", "the broker is unavailable"),
        (operator_verbs.add_workers, ("list", "--state", "live"), "/v1/workers?state=live", "True"),
    ],
)
def test_what_is_asked_is_shown_as_a_table_or_as_json(add, words, asked, shown, capsys):
    assert run(add, *words) == [("GET", f"http://gateway{asked}", None)]
    assert shown in capsys.readouterr().out
    run(add, *words, "--json")
    assert json.loads(capsys.readouterr().out) == ANSWERS[asked.partition("?")[0]]


@pytest.mark.parametrize(
    ("add", "words", "path"),
    [
        (operator_verbs.add_queues, ("pause", "files.work.read"), "/v1/queues/files.work.read/pause"),
        (operator_verbs.add_queues, ("resume", "a/b"), "/v1/queues/a%2Fb/resume"),
        (operator_verbs.add_workers, ("drain", "files@here:1"), "/v1/workers/files%40here%3A1/drain"),
    ],
)
def test_an_order_goes_with_its_reason(add, words, path):
    assert run(add, *words, "--reason", "move") == [("POST", f"http://gateway{path}", {"reason": "move"})]


def test_a_refusal_of_the_gateway_is_printed():
    with pytest.raises(Refused, match="there is no such queue"):
        run(operator_verbs.add_queues, "list", status=404)


def test_an_export_of_a_person_is_saved_for_its_owner_only(tmp_path, capsys):
    target = tmp_path / "person.json"
    asked = run(operator_verbs.add_people, "export", "p1", "--school", "demo", "--out", str(target))
    assert asked == [("POST", "http://gateway/v1/people/p1/export?school=demo", None)]
    assert json.loads(target.read_text())["person_id"] == "p1"
    assert target.stat().st_mode & 0o077 == 0
    assert "account.sessions" in capsys.readouterr().err
