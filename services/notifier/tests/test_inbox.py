"""Inboxes: their items, languages and read marks, and the events about them."""

import asyncio
from uuid import uuid4

from notifier.inbox import inbox


async def told(client, *people, **changes):
    return await client.plan({"people": people}, channels=("inbox",), **changes)


async def asked(client, person, path="", method="GET", **more):
    answer = await client.call(method, f"/v1/inbox{path}", person, "guardian", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_inbox_is_paged_newest_first(client):
    person, other = await client.add_person(), await client.add_person()
    sent = [await told(client, person, title=f"Number {n}") for n in range(5)]
    await told(client, other)
    first = await asked(client, person, "?limit=3")
    rest = await asked(client, person, f"?limit=3&after={first['next']}")
    assert [item["notification_id"] for item in first["items"] + rest["items"]] == [str(each) for each in sent[::-1]]
    assert first["items"][0]["title"] == "Number 4"
    assert (first["unread"], rest["next"]) == (5, None)


async def test_reading_an_item_is_counted_and_emitted_once(client):
    person = await client.add_person()
    one, two = await told(client, person), await told(client, person)
    for _ in range(2):
        assert await asked(client, person, f"/{one}/read", "POST") == {"unread": 1}
    assert await client.deliveries(one) == {(person, "inbox"): "read"}
    assert await client.deliveries(two) == {(person, "inbox"): "accepted"}
    (read,) = await client.harness.emitted("notification.read")
    assert (read["notification_id"], read["person_id"]) == (str(one), str(person))
    changed = [(each["reason"], each["people"]) for each in await client.harness.emitted("inbox.changed")]
    assert changed == [("added", [str(person)])] * 2 + [("read", [str(person)])]
    assert [item["read_at"] is None for item in (await asked(client, person))["items"]] == [True, False]
    assert len((await asked(client, person, "?unread=true"))["items"]) == 1


async def test_items_are_marked_read_up_to_the_newest_shown(client):
    person = await client.add_person()
    for _ in range(3):
        await told(client, person)
    shown = (await asked(client, person))["items"][0]["item_id"]
    await told(client, person)
    assert await asked(client, person, "/read", "POST", json={"up_to": shown}) == {"unread": 1}
    assert await asked(client, person, "/read", "POST", json={}) == {"unread": 0}
    assert len(await client.harness.emitted("notification.read")) == 4


async def test_concurrent_reads_are_emitted_once(client):
    person = await client.add_person()
    one = await told(client, person)
    await asyncio.gather(*(asked(client, person, f"/{one}/read", "POST") for _ in range(5)))
    assert len(await client.harness.emitted("notification.read")) == 1


async def test_acknowledging_an_item_marks_it_read(client):
    person = await client.add_person()
    one = await told(client, person)
    await asked(client, person, f"/{one}/read", "POST")
    await asked(client, person, f"/{one}/acknowledge", "POST")
    (item,) = (await asked(client, person))["items"]
    assert item["acknowledged_at"] >= item["read_at"]
    assert [each["acknowledged"] for each in await client.harness.emitted("notification.read")] == [False, True]


async def test_inbox_items_are_in_the_persons_language(client):
    people = [await client.add_person(language=tag) for tag in ("de", "ar", "tlh")]
    variables = {"report": "Report", "period": ""}
    await told(client, *people, template="report_ready", variables=variables)
    items = [(await asked(client, person))["items"][0] for person in people]
    assert [item["language"] for item in items] == ["de", "ar", "en"]
    assert [item["title"] for item in items][::2] == ["Bericht liegt vor: Report", "Report ready: Report"]


async def test_an_inbox_is_private_to_its_person_and_school(client):
    person, other = await client.add_person(), await client.add_person()
    one = await told(client, person)
    assert (await client.call("POST", f"/v1/inbox/{one}/read", other, "guardian")).status_code == 404
    client.school = await client.harness.add_school()
    assert (await asked(client, person))["items"] == []
    assert (await client.call("POST", f"/v1/inbox/{one}/read", person, "guardian")).status_code == 404
    assert (await client.call("GET", "/v1/inbox", None, "platform_admin")).status_code == 404


async def test_a_big_send_is_announced_in_events_of_a_thousand_people(client):
    people = [uuid4() for _ in range(inbox.MAX_PEOPLE_PER_EVENT * 2 + 1)]
    async with client.harness.service.transactions.begin() as tx:
        inbox.announce_change(tx, client.school, uuid4(), people, "added")
    sizes = [len(each["people"]) for each in await client.harness.emitted("inbox.changed")]
    assert sizes == [1000, 1000, 1]
