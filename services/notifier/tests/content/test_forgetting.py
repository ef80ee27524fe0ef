"""Erased people leave no plain text behind: neither where they were told, nor what was told about them."""

import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from notifier import handlers
from shared.events import PersonChanged

TABLES = ("notification", "rendering", "delivery", "inbox_item", "suppression", "group_address", "contact", "device",
          "person", "preference")  # fmt: skip
VARIABLES = {"student": "Canary", "day": "2026-11-25", "period": "", "status": "absent", "reason": "canary flu"}


async def found(desk, canary):
    """The tables in which a text stands."""
    seen = []
    for table in TABLES:
        query = f"SELECT count(*) AS n FROM {table} AS t WHERE t::text ILIKE %s AND t::text LIKE %s"
        narrow = f"%{desk.school}%" if table not in ("contact", "device", "person", "preference") else "%"
        if (await desk.house.rows(query, (f"%{canary}%", narrow)))[0]["n"]:
            seen.append(table)
    return seen


async def erase(desk, person, **said):
    said = said or {"erased_at": dt.datetime.now(dt.UTC)}
    desk.house.version += 1
    await desk.house.project(PersonChanged(person_id=person, active=False, version=desk.house.version, **said))
    await handlers.forget(desk.house.service.transactions)


async def about(desk, student, guardian, **changes):
    told = {"students": (student,)} if not changes.get("correction") else {"told": "absence:1"}
    return await desk.plan(
        told, template="absence", variables=VARIABLES, origin="absence:1", **({"origin_version": 1} | changes)
    )


async def test_promise_14_an_erased_guardian_is_found_nowhere(desk):
    canary = f"canary{uuid7().hex}"
    guardian = await desk.person(mails=(f"{canary}@example.org",), tokens=(canary,), given_name=canary)
    sent = await desk.plan({"people": (guardian,)}, group_id=uuid7())
    await desk.house.execute(
        "INSERT INTO suppression (school_id, channel, target, reason, active) VALUES (%s, 'mail', %s, 'bounced', true)",
        (desk.school, f"{canary}@example.org"),
    )
    await desk.house.work()
    assert set(await found(desk, canary)) >= {"delivery", "suppression", "contact", "device", "person"}
    await erase(desk, guardian)
    assert await found(desk, canary) == []
    # and what became of it is still known
    assert set((await desk.told(sent)).values()) <= {"accepted", "bounced"}


async def test_promise_14_what_was_told_about_an_erased_student_is_found_nowhere(desk):
    guardian = await desk.person()
    student = await desk.student(guardian)
    first = await about(desk, student, guardian)
    await desk.house.work()
    second = await about(desk, student, guardian, origin_version=2, correction=True)
    await desk.house.work()
    assert await found(desk, "canary") == ["notification", "rendering"]
    await erase(desk, student)
    assert await found(desk, "canary") == []
    assert await desk.people(first) == await desk.people(second) == {guardian}


async def test_what_is_pending_about_an_erased_student_is_not_sent(desk):
    guardian = await desk.person()
    student = await desk.student(guardian)
    sent = await about(desk, student, guardian)
    await desk.house.execute("UPDATE delivery SET state = 'held' WHERE channel = 'mail'")
    await erase(desk, student)
    assert await desk.state(sent) == "completed"
    await desk.house.work()
    assert desk.house.mail.sent == desk.house.push.sent == []
    assert {state for (_, channel), state in (await desk.told(sent)).items() if channel != "inbox"} == {"cancelled"}


async def test_what_is_open_for_an_erased_guardian_ends_first(desk):
    canary = f"canary{uuid7().hex}"
    guardian = await desk.person(mails=(f"{canary}@example.org",), push=False)
    await desk.plan({"people": (guardian,)}, channels=("mail",))
    await erase(desk, guardian)
    assert await found(desk, canary) == ["delivery"]
    await desk.house.work()
    await handlers.forget(desk.house.service.transactions)
    assert await found(desk, canary) == []
    assert desk.house.mail.sent == []


async def written_to(desk):
    """A guardian who was written to, and a statement of the address that is kept of it."""
    guardian = await desk.person()
    sent = await desk.plan({"people": (guardian,)}, channels=("mail",))
    await desk.house.work()

    async def kept():
        (row,) = await desk.house.rows("SELECT address FROM delivery WHERE notification_id = %s", (sent,))
        return row["address"] == f"{guardian}@example.org"

    assert await kept()
    return guardian, kept


# The last is blank, and its event says that nobody was erased.
@pytest.mark.parametrize(
    "state", [{"active": True}, {"active": False, "given_name": "Ada"}, {"active": False, "erased_at": None}]
)
async def test_a_person_who_is_inactive_or_nameless_and_was_not_erased_is_not_forgotten(desk, state):
    guardian, kept = await written_to(desk)
    desk.house.version += 1
    await desk.house.project(PersonChanged(person_id=guardian, version=desk.house.version, **state))
    await handlers.forget(desk.house.service.transactions)
    assert await kept()


async def test_promise_13_an_erasure_that_the_log_holds_from_before_is_understood(desk):
    """Its event is blank, and has no field that says why."""
    guardian, kept = await written_to(desk)
    await erase(desk, guardian, given_name="", family_name="")
    assert not await kept()


async def test_promise_13_an_erasure_that_the_version_before_wrote_is_understood(desk):
    # given: its row, without the column
    guardian, kept = await written_to(desk)
    blank = "UPDATE person SET active = false, given_name = '', family_name = '', erased = NULL WHERE person_id = %s"
    for statement in (blank, "DELETE FROM contact WHERE person_id = %s", "DELETE FROM device WHERE person_id = %s"):
        await desk.house.execute(statement, (guardian,))
    # when
    await handlers.forget(desk.house.service.transactions)
    # then
    assert not await kept()
