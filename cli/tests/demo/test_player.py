import io
import itertools

import httpx
import pytest
from rich.console import Console

from cli.demo.client import Bearer, DemoFailed, Message, Sent, problem, seconds, task_id
from cli.demo.player import wait
from cli.demo.progress import Screen
from cli.demo.reconcile import balance


def _clock(step):
    ticks = itertools.count(0, step)
    return lambda: float(next(ticks))


def test_wait_ends_when_done_and_reports_each_look():
    states, seen, pauses = iter(["a", "b", "done"]), [], []
    result = wait(
        *(lambda: next(states), lambda state: state == "done", seen.append),
        within=100,
        what="it",
        now=_clock(1),
        pause=pauses.append,
    )
    assert result == "done"
    assert seen == ["a", "b", "done"]
    assert len(pauses) == 2


def test_wait_is_bounded():
    looks = []
    with pytest.raises(DemoFailed, match="the import did not finish within 10 s"):
        wait(
            *(lambda: "never", lambda _: False, looks.append),
            within=10,
            what="the import",
            now=_clock(4),
            pause=lambda _: None,
        )
    assert len(looks) == 3


def test_a_message_is_the_body_of_the_request():
    message = Message("school-1", "general", "Title", "Body", {"grade": "07"})
    assert message.content() == {
        "school": "school-1",
        "type": "general",
        "title": "Title",
        "body": "Body",
        "audience": {"grade": "07"},
        "channels": ["push", "mail", "inbox"],
    }


def test_a_401_gets_one_new_token():
    tokens = iter(["first", "second", "third"])
    request = httpx.Request("GET", "http://gateway.example.org/")
    flow = Bearer(lambda: next(tokens)).auth_flow(request)
    assert next(flow).headers["authorization"] == "Bearer first"
    assert flow.send(httpx.Response(401)).headers["authorization"] == "Bearer second"
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(401))


def test_the_task_id_is_read_from_location():
    request = httpx.Request("POST", "http://gateway.example.org/v1/imports/oneroster")
    told = httpx.Response(202, headers={"location": "/v1/tasks/t-1"}, request=request)
    assert task_id(told) == "t-1"
    with pytest.raises(DemoFailed):
        task_id(httpx.Response(202, request=request))


def test_problems_are_shown_by_code_and_detail():
    told = httpx.Response(
        422,
        json={"code": "unknown_school", "detail": "No such school."},
        headers={"content-type": "application/problem+json"},
    )
    assert problem(told) == "unknown_school No such school."
    assert problem(httpx.Response(502, text="<html>")) == "Bad Gateway"


@pytest.mark.parametrize(("header", "pause"), [(None, 1), ("3", 3), ("Tue, 24 Nov 2026 00:00:00 GMT", 1)])
def test_retry_after_is_read_in_seconds(header, pause):
    assert seconds(header) == pause


def test_without_a_terminal_there_are_plain_lines_and_a_table():
    text = io.StringIO()
    screen = Screen(Console(file=text, width=120))
    with screen.step("Import 7 people") as report:
        report(0.5)
    sent = Sent("n", "completed", 5, {"push": {"accepted": 2, "failed": 1}, "mail": {"accepted": 2}})
    screen.table(balance([sent], {"push": 0, "mail": 0}, {"push": 2, "mail": 1}))
    lines = text.getvalue()
    assert "Import 7 people …" in lines
    assert "\x1b" not in lines
    assert "agrees" in lines
    assert "DIFFERS" in lines


def test_a_terminal_shows_progress_bars():
    text = io.StringIO()
    screen = Screen(Console(file=text, width=120, force_terminal=True))
    with screen.step("Import 7 people") as report:
        report(0.5)
    assert "\x1b" in text.getvalue()
