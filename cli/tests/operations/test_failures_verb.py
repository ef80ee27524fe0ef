"""The verbs of failures ask the gateway for what was seen, and for no more."""

import argparse
import json

import httpx
import pytest

from cli.operations import failures
from shared.errors import Refused

SEEN = "2026-11-30T07:00:00Z"
GROUP = {
    "service": "files",
    "handler": "file.uploaded",
    "queue": "files.file.uploaded",
    "fingerprint": "f" * 16,
    "count": 3,
    "first_failed": SEEN,
    "last_failed": SEEN,
    "sample": {"error": "Reject: the file is empty"},
}


AWAY = object()


def task(state, **result):
    error = "correct its cause first" if state == "failed" else None
    return {"state": state, "progress": {"done": 0, "total": 3}, "result": result, "error": error}


class Asked:
    """A gateway that answers from a list of tasks, and what it was asked."""

    def __init__(self, *tasks, count=3):
        self.tasks, self.count, self.posts = list(tasks), count, []

    def __call__(self, request):
        if request.method == "POST":
            self.posts.append((request.url.path, json.loads(request.content)))
            return httpx.Response(202, json={"task_id": "t", "state": "accepted", "count": 3, "discarded": 3})
        if request.url.path == "/v1/failure-groups":
            items = [GROUP] if self.count else []
            return httpx.Response(200, json={"seen_until": SEEN, "count": self.count, "items": items})
        found = self.tasks.pop(0)
        if found is AWAY:
            raise httpx.ConnectError("away")
        return httpx.Response(200, json=found)


def run(gateway, *arguments, answer=True):
    parser = argparse.ArgumentParser()
    failures.add(parser)
    with httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(gateway)) as client:
        return failures.run(parser.parse_args(arguments), client, lambda _: answer)


def test_the_list_has_a_line_for_each_fault(capsys):
    assert run(Asked(), "list") == 0
    shown = capsys.readouterr().out
    assert "files      file.uploaded" in shown
    assert "Reject: the file is empty" in shown
    assert "3 open failures" in shown


@pytest.mark.parametrize(("end", "code"), [(task("succeeded", retried=3), 0), (task("failed", failed_again=1), 3)])
def test_a_retry_acts_on_what_was_seen_and_its_exit_code_is_its_end(end, code):
    gateway = Asked(task("running"), AWAY, end)  # a gateway that is replaced meanwhile is asked again
    assert run(gateway, "retry", "--queue", GROUP["queue"]) == code
    wanted = {"queue": GROUP["queue"], "everything": False, "seen_until": SEEN, "count": 3}
    assert gateway.posts == [("/v1/failures/retry", wanted)]


def test_a_discard_sends_its_reason():
    gateway = Asked()
    assert run(gateway, "discard", "--everything", "--reason", "a test") == 0
    ((path, body),) = gateway.posts
    assert (path, body["reason"], body["everything"]) == ("/v1/failures/discard", "a test", True)


@pytest.mark.parametrize(
    ("count", "arguments", "says"),
    [(3, ("retry",), "--everything"), (0, ("retry", "--everything"), "no open failure matches")],
)
def test_nothing_is_asked_for_without_a_filter_or_without_a_failure(count, arguments, says):
    gateway = Asked(count=count)
    with pytest.raises(Refused, match=says):
        run(gateway, *arguments)
    assert gateway.posts == []


def test_a_no_does_nothing():
    gateway = Asked()
    assert run(gateway, "retry", "--everything", answer=False) == 1
    assert gateway.posts == []


def test_a_refusal_of_the_gateway_is_printed():
    def refuse(_):
        return httpx.Response(409, json={"code": "drifted", "detail": "You have seen 3, but 4 failures are open now."})

    with pytest.raises(Refused, match="4 failures are open now"):
        run(refuse, "list")
