"""Erased people leave no plain text behind: neither their addresses nor texts about them."""

import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from notifier import handlers
from shared.events import PersonChanged

TABLES = ("notification", "rendering", "delivery", "inbox_item", "suppression", "group_address", "contact", "device",
          "person", "preference")  # fmt: skip
VARIABLES = {"student": "Canary", "day": "2026-11-25", "period": "", "status": "absent", "reason": "canary flu"}


async def found(client, canary):
    """The tables in which a text stands."""
    seen = []
    for table in TABLES:
        query = f"SELECT count(*) AS n FROM {table} AS t WHERE t::text ILIKE %s AND t::text LIKE %s"
        narrow = f"%{client.school}%" if table not in ("contact", "device", "person", "preference") else "%"
        if (await client.harness.rows(query, (f"%{canary}%", narrow)))[0]["n"]:
            seen.append(table)
    return seen


async def erase(client, person, **said):
    said = said or {"erased_at": dt.datetime.now(dt.UTC)}
    client.harness.version += 1
    await client.harness.apply_events(
        PersonChanged(person_id=person, active=False, version=client.harness.version, **said)
    )
    await handlers.erase(client.harness.service.transactions)


async def about(client, student, guardian, **changes):
    told = {"students": (student,)} if not changes.get("correction") else {"told": "absence:1"}
    return await client.plan(
        told, template="absence", variables=VARIABLES, origin="absence:1", **({"origin_version": 1} | changes)
    )


async def test_promise_14_an_erased_guardian_is_found_nowhere(client):
    canary = f"canary{uuid7().hex}"
    guardian = await client.add_person(mails=(f"{canary}@example.org",), tokens=(canary,), given_name=canary)
    sent = await client.plan({"people": (guardian,)}, group_id=uuid7())
    await client.harness.execute(
        "INSERT INTO suppression (school_id, channel, target, reason, active) VALUES (%s, 'mail', %s, 'bounced', true)",
        (client.school, f"{canary}@example.org"),
    )
    await client.harness.run_permits()
    assert set(await found(client, canary)) >= {"delivery", "suppression", "contact", "device", "person"}
    await erase(client, guardian)
    assert await found(client, canary) == []
    # and what became of it is still known
    assert set((await client.deliveries(sent)).values()) <= {"accepted", "bounced"}


async def test_promise_14_notifications_about_an_erased_student_are_found_nowhere(client):
    guardian = await client.add_person()
    student = await client.add_student(guardian)
    first = await about(client, student, guardian)
    await client.harness.run_permits()
    second = await about(client, student, guardian, origin_version=2, correction=True)
    await client.harness.run_permits()
    assert await found(client, "canary") == ["notification", "rendering"]
    await erase(client, student)
    assert await found(client, "canary") == []
    assert await client.recipients(first) == await client.recipients(second) == {guardian}


async def test_pending_deliveries_about_an_erased_student_are_not_sent(client):
    guardian = await client.add_person()
    student = await client.add_student(guardian)
    sent = await about(client, student, guardian)
    await client.harness.execute("UPDATE delivery SET state = 'held' WHERE channel = 'mail'")
    await erase(client, student)
    assert await client.state(sent) == "completed"
    await client.harness.run_permits()
    assert client.harness.mail.sent == client.harness.push.sent == []
    assert {state for (_, channel), state in (await client.deliveries(sent)).items() if channel != "inbox"} == {
        "cancelled"
    }


async def test_open_deliveries_of_an_erased_guardian_end_first(client):
    canary = f"canary{uuid7().hex}"
    guardian = await client.add_person(mails=(f"{canary}@example.org",), push=False)
    await client.plan({"people": (guardian,)}, channels=("mail",))
    await erase(client, guardian)
    assert await found(client, canary) == ["delivery"]
    await client.harness.run_permits()
    await handlers.erase(client.harness.service.transactions)
    assert await found(client, canary) == []
    assert client.harness.mail.sent == []


async def guardian_with_mail(client):
    """Return a guardian who received a mail, and a check whether the address is still kept."""
    guardian = await client.add_person()
    sent = await client.plan({"people": (guardian,)}, channels=("mail",))
    await client.harness.run_permits()

    async def kept():
        (row,) = await client.harness.rows("SELECT address FROM delivery WHERE notification_id = %s", (sent,))
        return row["address"] == f"{guardian}@example.org"

    assert await kept()
    return guardian, kept


# The last is blank, but its event says that the person was not erased.
@pytest.mark.parametrize(
    "state", [{"active": True}, {"active": False, "given_name": "Ada"}, {"active": False, "erased_at": None}]
)
async def test_a_person_who_is_inactive_or_nameless_but_not_erased_is_kept(client, state):
    guardian, kept = await guardian_with_mail(client)
    client.harness.version += 1
    await client.harness.apply_events(PersonChanged(person_id=guardian, version=client.harness.version, **state))
    await handlers.erase(client.harness.service.transactions)
    assert await kept()


async def test_promise_13_an_erasure_that_the_log_holds_from_before_is_understood(client):
    """Its event is blank and lacks the field."""
    guardian, kept = await guardian_with_mail(client)
    await erase(client, guardian, given_name="", family_name="")
    assert not await kept()


async def test_promise_13_an_erasure_that_the_version_before_wrote_is_understood(client):
    # given: its row, without the column
    guardian, kept = await guardian_with_mail(client)
    blank = "UPDATE person SET active = false, given_name = '', family_name = '', erased = NULL WHERE person_id = %s"
    for statement in (blank, "DELETE FROM contact WHERE person_id = %s", "DELETE FROM device WHERE person_id = %s"):
        await client.harness.execute(statement, (guardian,))
    # when
    await handlers.erase(client.harness.service.transactions)
    # then
    assert not await kept()
