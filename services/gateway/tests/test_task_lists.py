"""Tasks are found by what they are, when they began and what they say."""

import datetime as dt
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.tasks import task_search

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSERT = """
INSERT INTO task (task_id, school_id, kind, state, error, created_by, created_at, changed_at, result)
VALUES (%(id)s, %(school)s, %(kind)s, %(state)s, %(error)s, %(person)s, %(at)s, %(at)s, '{"accepted": 3}')
"""
NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def people():
    return [uuid4() for _ in range(2)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def school(gateway, people):
    """A school with six tasks, one an hour; their ids say nothing of their order."""
    school = await gateway.add_school()
    states = ["succeeded", "failed", "cancelled", "running", "queued", "succeeded"]
    async with gateway.service.transactions.begin() as tx:
        for hour, state in enumerate(states):
            values = {"id": uuid4(), "school": school, "kind": "send" if hour % 2 else "report", "state": state}
            error = "The Mailbox is full" if state == "failed" else None
            more = {"error": error, "person": people[hour % 2], "at": NOON + dt.timedelta(hours=hour)}
            await tx.execute(INSERT, values | more)
    return school


async def listed(gateway, school, role="platform_admin", **params):
    more = {"school": str(school)} if role == "platform_admin" else {}
    return await gateway.ask("GET", "/v1/tasks", role, None if more else school, params=more | params)


def hours(answer):
    assert answer.status_code == 200, answer.text
    times = [dt.datetime.fromisoformat(each["created_at"]) for each in answer.json()["items"]]
    return [int((at - NOON).total_seconds() // 3600) for at in times]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"state": "succeeded"}, [5, 0]),
        ({"active": True}, [4, 3]),
        ({"active": False}, [5, 2, 1, 0]),
        ({"kind": "send"}, [5, 3, 1]),
        ({"from": "2026-09-01T14:00:00Z", "until": "2026-09-01T16:00:00Z"}, [3, 2]),
        ({"text": "MAILBOX"}, [1]),
        ({"text": "accepted"}, [5, 4, 3, 2, 1, 0]),
        ({"text": "nowhere"}, []),
        ({"kind": "send", "active": True}, [3]),
    ],
)
async def test_tasks_are_found_by_all_that_is_given_the_newest_first(gateway, school, wanted, found):
    assert hours(await listed(gateway, school, **wanted)) == found
    assert hours(await listed(gateway, school, "staff", **wanted)) == found


async def test_pages_go_on_where_the_last_one_ended_and_a_search_says_how_far_it_looked(gateway, school, people):
    first = await listed(gateway, school, limit=2, person=str(people[1]))
    assert hours(first) == [5, 3]
    assert hours(await listed(gateway, school, limit=2, person=str(people[1]), after=first.json()["next"])) == [1]
    searched = (await listed(gateway, school, text="report", limit=1)).json()
    assert (len(searched["items"]), searched["searched"]) == (1, 2)
    rest = await listed(gateway, school, text="report", after=searched["next"])
    assert (hours(rest), rest.json()["searched"], rest.json()["next"]) == ([2, 0], 4, None)


@pytest.mark.parametrize(("at_once", "pages"), [(3, [[4], [2, 0]]), (4, [[4, 2], [0]]), (6, [[4, 2, 0]])])
async def test_a_text_is_looked_for_in_so_many_tasks_at_a_time(gateway, school, monkeypatch, at_once, pages):
    monkeypatch.setattr(task_search, "SEARCHED", at_once)
    found, searched, after = [], 0, {}
    while after != {"after": None}:
        answer = await listed(gateway, school, text="report", **after)
        found.append(hours(answer))
        searched += answer.json()["searched"]
        after = {"after": answer.json()["next"]}
    assert (found, searched) == (pages, 6)


async def test_an_exact_id_always_finds_its_task_but_not_for_another_school(gateway, school):
    task = (await listed(gateway, school)).json()["items"][-1]
    found = (await listed(gateway, school, text=task["id"], state="running")).json()
    assert [each["id"] for each in found["items"]] == [task["id"]]
    assert dt.datetime.fromisoformat(found["items"][0]["result_until"]) == NOON + dt.timedelta(days=30)
    other = await gateway.add_school()
    assert (await listed(gateway, other, "staff", text=task["id"])).json()["items"] == []
    assert (await listed(gateway, other, text=task["id"])).json()["items"] == []


@pytest.mark.parametrize("wrong", [{"from": "yesterday"}, {"state": "done"}, {"limit": 0}, {"text": " "}, {"after": 7}])
async def test_a_filter_that_cannot_be_is_refused(gateway, school, wrong):
    answer = await listed(gateway, school, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
