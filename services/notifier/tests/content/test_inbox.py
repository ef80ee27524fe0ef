"""Inboxes: what is in them, in whose language, what has been read, and who is told that it has."""

import asyncio

from notifier.inbox import inbox


async def told(desk, *people, **changes):
    return await desk.plan({"people": people}, channels=("inbox",), **changes)


async def asked(desk, person, path="", method="GET", **more):
    answer = await desk.ask(method, f"/v1/inbox{path}", person, "guardian", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_inbox_is_listed_by_key_newest_first(desk):
    person, other = await desk.person(), await desk.person()
    sent = [await told(desk, person, title=f"Number {n}") for n in range(5)]
    await told(desk, other)
    first = await asked(desk, person, "?limit=3")
    rest = await asked(desk, person, f"?limit=3&after={first['next']}")
    assert [item["notification_id"] for item in first["items"] + rest["items"]] == [str(each) for each in sent[::-1]]
    assert first["items"][0]["title"] == "Number 4"
    assert (first["unread"], rest["next"]) == (5, None)


async def test_reading_counts_once_and_tells_what_happened(desk):
    person = await desk.person()
    one, two = await told(desk, person), await told(desk, person)
    for _ in range(2):
        assert await asked(desk, person, f"/{one}/read", "POST") == {"unread": 1}
    assert await desk.told(one) == {(person, "inbox"): "read"}
    assert await desk.told(two) == {(person, "inbox"): "accepted"}
    (read,) = await desk.house.emitted("notification.read")
    assert (read["notification_id"], read["person_id"]) == (str(one), str(person))
    changed = [(each["reason"], each["people"]) for each in await desk.house.emitted("inbox.changed")]
    assert changed == [("added", [str(person)])] * 2 + [("read", [str(person)])]
    assert [item["read_at"] is None for item in (await asked(desk, person))["items"]] == [True, False]
    assert len((await asked(desk, person, "?unread=true"))["items"]) == 1


async def test_all_is_read_up_to_what_the_app_has_shown(desk):
    person = await desk.person()
    for _ in range(3):
        await told(desk, person)
    shown = (await asked(desk, person))["items"][0]["item_id"]
    await told(desk, person)
    assert await asked(desk, person, "/read", "POST", json={"up_to": shown}) == {"unread": 1}
    assert await asked(desk, person, "/read", "POST", json={}) == {"unread": 0}
    assert len(await desk.house.emitted("notification.read")) == 4


async def test_reading_at_the_same_time_is_told_once(desk):
    person = await desk.person()
    one = await told(desk, person)
    await asyncio.gather(*(asked(desk, person, f"/{one}/read", "POST") for _ in range(5)))
    assert len(await desk.house.emitted("notification.read")) == 1


async def test_acknowledging_is_reading_and_more(desk):
    person = await desk.person()
    one = await told(desk, person)
    await asked(desk, person, f"/{one}/read", "POST")
    await asked(desk, person, f"/{one}/acknowledge", "POST")
    (item,) = (await asked(desk, person))["items"]
    assert item["acknowledged_at"] >= item["read_at"]
    assert [each["acknowledged"] for each in await desk.house.emitted("notification.read")] == [False, True]


async def test_an_inbox_speaks_its_persons_language(desk):
    people = [await desk.person(language=tag) for tag in ("de", "ar", "tlh")]
    variables = {"report": "Report", "period": ""}
    await told(desk, *people, template="report_ready", variables=variables)
    items = [(await asked(desk, person))["items"][0] for person in people]
    assert [item["language"] for item in items] == ["de", "ar", "en"]
    assert [item["title"] for item in items][::2] == ["Bericht liegt vor: Report", "Report ready: Report"]


async def test_nobody_reads_anothers_or_another_schools_inbox(desk):
    person, other = await desk.person(), await desk.person()
    one = await told(desk, person)
    assert (await desk.ask("POST", f"/v1/inbox/{one}/read", other, "guardian")).status_code == 404
    desk.school = await desk.house.add_school()
    assert (await asked(desk, person))["items"] == []
    assert (await desk.ask("POST", f"/v1/inbox/{one}/read", person, "guardian")).status_code == 404
    assert (await desk.ask("GET", "/v1/inbox", None, "platform_admin")).status_code == 404


async def test_a_big_send_is_told_in_events_of_a_thousand(desk, monkeypatch):
    monkeypatch.setattr(inbox, "PEOPLE_AN_EVENT", 2)
    people = [await desk.person() for _ in range(5)]
    await told(desk, *people)
    sizes = [len(each["people"]) for each in await desk.house.emitted("inbox.changed")]
    assert sizes == [2, 2, 1]
