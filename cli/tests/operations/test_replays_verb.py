"""`schoolconnect replay`, `react`, `resync` and `log`: what is asked of the gateway, and what is shown."""

import argparse
import json

import httpx
import pytest

from cli.operations import event_log, replays
from shared.errors import Refused

UNTIL = "2026-11-30T08:00:00Z"
STREAM = {"events": 7, "types": {"grade.recorded": 7}, "from_time": UNTIL, "to_time": UNTIL}
DRY = {"dry_run": True, "handler": "reports.remember_facts", "events": 7, "streams": {"school.log.records": STREAM}}
NONE = DRY | {"events": 0, "streams": {}}
VERBS = {"replay": replays.add_replay, "react": replays.add_react, "resync": replays.add_resync}


def task(state="succeeded", error=None, **result):
    return {"id": "t", "state": state, "progress": {"done": 1, "total": 1}, "result": result, "error": error}


class Asked:
    """A gateway that answers from a list of tasks, and what it was asked."""

    def __init__(self, *tasks, status=202, answer=None):
        self.tasks, self.posts = list(tasks), []
        self.status, self.answer = status, answer or {"task_id": "t", "until": UNTIL}

    def __call__(self, request):
        if request.method == "POST":
            self.posts.append((request.url.path, json.loads(request.content)))
            return httpx.Response(self.status, json=self.answer)
        return httpx.Response(200, json=self.tasks.pop(0))


def run(gateway, verb, *arguments, answer=True):
    parser = argparse.ArgumentParser()
    VERBS[verb](parser)
    with httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(gateway)) as client:
        return replays.run(parser.parse_args(arguments), client, lambda _: answer)


def test_a_replay_shows_a_dry_run_and_asks_first(capsys):
    gateway = Asked(task(**DRY), task(changed={"grade_fact": 2, "remark_fact": 0}, failed=0))
    assert run(gateway, "replay", "reports") == 0
    assert gateway.posts == [
        ("/v1/replays", {"service": "reports", "dry_run": True}),
        ("/v1/replays", {"service": "reports"}),
    ]
    shown = capsys.readouterr().out
    assert "7  grade.recorded" in shown
    assert "grade_fact: 2 rows corrected" in shown
    assert "remark_fact: already correct" in shown


@pytest.mark.parametrize(("dry", "answer"), [(DRY, False), (NONE, True)])
def test_nothing_is_done_without_a_yes_or_without_an_event(dry, answer, capsys):
    gateway = Asked(task(**dry))
    assert run(gateway, "replay", "reports", "--since", "2026-09-01", answer=answer) == 1
    assert [body["dry_run"] for _, body in gateway.posts] == [True]
    assert gateway.posts[0][1]["since"] == "2026-09-01T00:00:00+00:00"
    assert "nothing was done" in capsys.readouterr().err


def test_a_reaction_is_given_what_its_dry_run_saw():
    gateway = Asked(task(**DRY), task(given=7))
    assert run(gateway, "react", "gateway", "grade.recorded", "--event", "e1", "--yes") == 0
    path, body = gateway.posts[1]
    assert path == "/v1/replays/reactions"
    assert (body["until"], body["count"], body["events"]) == (UNTIL, 7, ["e1"])


def test_a_resync_and_a_dry_run_are_one_request():
    gateway = Asked(task(published=3))
    assert run(gateway, "resync") == 0
    assert gateway.posts == [("/v1/replays/resyncs", {"service": "gateway", "state": "directory"})]
    gateway = Asked(task(**DRY))
    assert run(gateway, "replay", "reports", "--dry-run") == 0
    assert len(gateway.posts) == 1


def test_a_replay_that_failed_has_an_exit_code_of_its_own(capsys):
    assert run(Asked(task("failed", "the log begins too late")), "replay", "reports", "--yes") == 3
    assert "the log begins too late" in capsys.readouterr().err


def test_a_refusal_of_the_gateway_is_printed_with_its_reasons():
    errors = [{"loc": ["body", "projection"], "code": "unknown", "message": "choose one of remember_facts"}]
    gateway = Asked(status=422, answer={"detail": "Fields are invalid.", "errors": errors})
    with pytest.raises(Refused, match="projection: choose one of remember_facts"):
        run(gateway, "replay", "reports", "--projection", "x", "--yes")


EVENT = {"id": "e", "time": UNTIL, "type": "grade.recorded", "source": "gateway", "subject": "s"}


@pytest.mark.parametrize(
    ("arguments", "path", "answer", "shown"),
    [
        (
            ("list", "--type", "grade.recorded"),
            "/v1/log",
            {"items": [EVENT], "next": "1_2_3_4", "complete": True},
            "1_2_3_4",
        ),
        (
            ("tree", "e"),
            "/v1/log/e/tree",
            {"tree": EVENT | {"indirect": False, "children": []}, "complete": True},
            "grade.recorded",
        ),
        (
            ("streams",),
            "/v1/log/streams",
            {
                "streams": [
                    {"stream": "school.log.work", "events": 0, "first_time": None, "last_time": None, "lost": True}
                ],
                "projections": [{"service": "reports", "projection": "remember_facts", "rebuild": "after_resync"}],
            },
            "reports.remember_facts: rebuild after resync",
        ),
    ],
)
def test_the_log_is_shown(arguments, path, answer, shown, capsys):
    asked = []

    def gateway(request):
        asked.append(request.url.path)
        return httpx.Response(200, json=answer)

    parser = argparse.ArgumentParser()
    event_log.add(parser)
    with httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(gateway)) as client:
        assert event_log.run(parser.parse_args(arguments), client) == 0
    assert asked == [path]
    assert shown in capsys.readouterr().out
