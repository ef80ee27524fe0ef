"""From a request at the gateway to what the providers received, whoever dies on the way."""

import asyncio
import io
import json
import uuid
import zipfile
from contextlib import closing

import aio_pika
import psycopg

from cli.demo import school
from cli.demo.client import Message
from shared.messaging.connection import connected
from shared.messaging.stream_reader import last_offset
from shared.testing.fixtures import eventually

STATES = "SELECT channel, state, count(*) AS n FROM notifier.delivery WHERE notification_id = %s GROUP BY 1, 2"
FINAL = {"accepted", "failed", "suppressed", "cancelled", "expired", "unknown", "read"}
FLUSH = 50
PUSH_IN_FLIGHT = 200
MAIL_CONNECTIONS = 8


def message(api, which=0, audience=None, **changes):
    where = api.school(school.SCHOOLS[which].sourced_id)
    content = {"school": where, "type": "general", "title": "Hello", "body": "A made-up text."}
    return Message(**(content | {"audience": audience or {"school": True}} | changes))


async def completed(system, notification, within=120):
    async def look():
        found = system.rows("SELECT state FROM notifier.notification WHERE notification_id = %s", notification)
        return found[0]["state"] if found else None

    await eventually(look, lambda state: state == "completed", within=within)


def counts(system, notification):
    found = {}
    for row in system.rows(STATES, notification):
        found.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return found


async def test_a_grade_is_announced_and_the_providers_agree(system):
    # given
    await system.idle()
    before = system.stats("fcm")["sent"], system.stats("smtp")["sent"]
    with closing(system.api()) as api:
        # when
        notification = api.send(message(api, audience={"grade": "07"}), str(uuid.uuid4()))
        await completed(system, notification)
        seen = api.notification(notification)
    # then
    told = counts(system, notification)
    assert seen.state == "completed"
    assert seen.counts == told
    assert sum(n for states in told.values() for n in states.values()) == seen.planned > 100
    assert system.stats("fcm")["sent"] - before[0] == told["push"]["accepted"]
    assert system.stats("smtp")["sent"] - before[1] == told["mail"]["accepted"]


async def test_promise_01_and_02_the_notifier_is_killed_in_the_middle_of_a_bulk(system):
    # given: providers slow enough that a kill meets calls in flight
    system.faults("fcm", latency_ms=60)
    system.faults("smtp", latency_ms=15)
    before = {name: system.stats(name)["duplicates"] for name in ("fcm", "smtp")}
    with closing(system.api()) as api:
        everybody = message(api, 1, {"school": True, "roles": ["guardian", "student"]})
        # when
        notification = api.send(everybody, str(uuid.uuid4()))

        async def accepted():
            told = counts(system, notification)
            return min(told.get(channel, {}).get("accepted", 0) for channel in ("push", "mail"))

        kills = 2
        for nth in range(1, kills + 1):
            await eventually(accepted, lambda n, least=100 * nth: n > least, within=60)
            system.kill("notifier")
            await system.start("notifier")
    await completed(system, notification, within=110)
    system.faults("fcm", latency_ms=0)
    system.faults("smtp", latency_ms=0)
    # then: one row per person, channel and address, all final, repeats bounded
    rows = system.rows(
        "SELECT count(*) AS n, count(DISTINCT (person_id, channel, address, round)) AS distinct_rows,"
        " count(DISTINCT person_id) AS people FROM notifier.delivery WHERE notification_id = %s",
        notification,
    )[0]
    assert rows["people"] > 2000
    assert rows["n"] == rows["distinct_rows"]
    told = counts(system, notification)
    assert {state for states in told.values() for state in states} <= FINAL
    assert told["push"].get("failed", 0) == told["mail"].get("failed", 0) == 0
    repeats = {name: system.stats(name)["duplicates"] - before[name] for name in before}
    assert repeats["fcm"] <= kills * (PUSH_IN_FLIGHT + FLUSH), repeats
    assert repeats["smtp"] <= kills * (MAIL_CONNECTIONS + FLUSH), repeats


async def test_no_recipient_is_missed_while_the_projection_lags(system):
    # given: a notifier that is away while the directory changes
    system.kill("notifier")
    newcomer = f"newcomer-{uuid.uuid4().hex[:8]}"
    with closing(system.api()) as api:
        where = school.SCHOOLS[0].sourced_id
        await system.finished(api.import_roster(delta(newcomer, where), newcomer))
        # when: the send names somebody whom the notifier has never heard of
        person = api.person(newcomer)
        notification = api.send(message(api, audience={"people": [person]}, channels=("mail", "inbox")), newcomer)
        await system.start("notifier")
        await completed(system, notification)
    # then
    assert counts(system, notification) == {"mail": {"accepted": 1}, "inbox": {"accepted": 1}}


async def test_no_recipient_is_missed_while_the_projection_is_paused_and_resumed(system):
    newcomer = f"paused-{uuid.uuid4().hex[:8]}"
    where = school.SCHOOLS[0].sourced_id
    with closing(system.api()) as api, psycopg.connect(system.backing.admin_url) as pausing:
        # given: a notifier whose projection can commit nothing, while it takes requests as ever
        pausing.execute("LOCK TABLE notifier.log_offset IN EXCLUSIVE MODE")
        await system.finished(api.import_roster(delta(newcomer, where), newcomer))
        person = api.person(newcomer)
        # when: a whole school is told right after the import
        notification = api.send(message(api, channels=("inbox",)), newcomer)

        async def taken():
            found = system.rows("SELECT state FROM notifier.notification WHERE notification_id = %s", notification)
            return [each["state"] for each in found]

        await eventually(taken, lambda seen: seen == ["waiting"], within=30)
        await asyncio.sleep(2)  # twice what a sweep takes: it plans nothing yet
        assert await taken() == ["waiting"]
        assert counts(system, notification) == {}
        # and the projection goes on
        pausing.rollback()
        await completed(system, notification)
    # then: the newcomer is among those told, with everybody else
    told = system.rows("SELECT person_id FROM notifier.delivery WHERE notification_id = %s", notification)
    assert person in {str(each["person_id"]) for each in told}
    assert len(told) > 1_000


async def test_a_canary_is_found_in_no_plaintext_of_logs_and_queues(system):
    # given
    canary = f"Canary{uuid.uuid4().hex}"
    with closing(system.api()) as api:
        # when
        notification = api.send(message(api, audience={"grade": "03"}, title=canary, body=canary), canary)
        await completed(system, notification)
    # then
    assert canary not in system.logs()
    bodies = await read_log(system.backing.amqp_url, "school.log.work")
    assert any(notification in body for body in bodies)
    assert not [body for body in bodies if canary in body]


async def read_log(url, stream):
    async with connected(url, "end") as connection:
        end = await last_offset(connection, stream)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(100)
        queue = await channel.get_queue(stream, ensure=False)
        bodies, done = [], asyncio.Event()

        async def keep(incoming):
            bodies.append(incoming.body.decode() + json.dumps(dict(incoming.headers), default=str))
            await incoming.ack()
            if incoming.headers["x-stream-offset"] >= end:
                done.set()

        await queue.consume(keep, arguments={"x-stream-offset": "first"})
        await asyncio.wait_for(done.wait(), 20)
        return bodies


def delta(newcomer, where):
    names = ("academicSessions", "classes", "courses", "enrollments", "orgs")
    lines = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.1"]
    lines += [f"file.{name},absent" for name in names] + ["file.users,delta"]
    header = (
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,"
        "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
    )
    row = (
        f"{newcomer},active,2026-01-01T00:00:00.000Z,true,{where},guardian,{newcomer},,New,Demo-Comer,,,"
        f"{newcomer}@example.org,,,,,"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.csv", "\n".join(lines) + "\n")
        archive.writestr("users.csv", f"{header}\n{row}\n")
    return out.getvalue()
