"""A new notification from the console: nothing is sent without its preview, and a double click sends once."""

import json
import re
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = "/console/notifications/new"
CHANNEL = {"people": 3, "deliveries": 3, "held": 0, "languages": {"en": 3}, "suppressed": {"no_address": 1}}
PREVIEW = {"people": 3, "channels": {"push": CHANNEL}, "unreachable": 1, "unreachable_people": []}
FORM = {"title": "Demo", "body": "A <i>text</i>", "audience": "school", "roles": "guardian", "channels": "push"}
SENT = "SELECT count(*) FROM intent WHERE school_id = %s"


def hidden(page):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text.split("<main")[1]))


async def test_a_notification_is_sent_once_and_only_as_it_was_previewed(gateway, owners, signed_in, school):
    owners(notifier_POST=(200, PREVIEW))
    async with signed_in(school, "staff") as browser:
        key = hidden(await browser.get(NEW))
        unseen = await browser.post(NEW, **FORM, **key, step="send")
        assert "It means 3 people" in unseen.text
        assert "A &lt;i&gt;text&lt;/i&gt;" in unseen.text
        seen = hidden(unseen)
        other = await browser.post(NEW, **FORM | {"body": "Another"}, **seen, step="send")
        assert "This differs from what you previewed" in other.text
        assert await gateway.one(SENT, (school,)) == 0
        first = await browser.post(NEW, **FORM, **seen, step="send")
        assert re.fullmatch(r"/console/notifications/[0-9a-f-]{36}", first.headers["location"])
        second = await browser.post(NEW, **FORM, **seen, step="send")
        assert second.headers["location"] == "/console/notifications?sent=twice"
    assert await gateway.one(SENT, (school,)) == 1


async def test_a_wrong_field_comes_back_with_all_that_was_typed(owners, signed_in, school):
    owners(notifier_POST=(200, PREVIEW))
    async with signed_in(school, "staff") as browser:
        page = await browser.post(
            NEW, **FORM | {"audience": "grade", "grade": "", "channels": "letter"}, step="preview"
        )
        assert page.status_code == 422
        assert 'value="Demo"' in page.text
        assert "A &lt;i&gt;text&lt;/i&gt;" in page.text


async def test_an_administrator_of_the_group_names_the_school(gateway, owners, signed_in, school):
    owners(notifier_GET=(200, {"items": [], "next": None}))
    async with signed_in(school, "platform_admin") as browser:
        for path in (NEW, "/console/notifications"):
            asked = await browser.get(path)
            assert (asked.status_code, asked.headers["location"].partition("?")[0]) == (303, "/console/schools"), path
            named = await browser.get(path, school=str(school))
            assert f"/console/tasks?school={school}" in named.text, path
        assert (await browser.get(NEW, school=str(uuid4()))).status_code == 404


async def test_classes_and_people_are_found_and_marked_and_none_is_left_out_by_mistake(
    gateway, owners, signed_in, school
):
    scripted = owners(notifier_POST=(200, PREVIEW))
    robots, choir = uuid7(), uuid7()
    async with gateway.service.transactions.begin() as tx:
        for class_id, title in ((robots, "Robots <club>"), (choir, "Choir")):
            query = "INSERT INTO school_class (class_id, school_id, title, source) VALUES (%s, %s, %s, '')"
            await tx.execute(query, (class_id, school, title))
    person = await gateway.add_person(school)
    async with signed_in(school, "staff") as browser:
        found = await browser.post(NEW, **FORM | {"search": "ROBOTS", "audience": "classes"}, step="find")
        assert "Robots &lt;club&gt;" in found.text
        assert "Choir" not in found.text
        assert str(person) in (await browser.post(NEW, **FORM, search=f"person-{person}", step="find")).text
        marked = FORM | {"audience": "classes", "classes": str(robots)}
        page = await browser.post(NEW, **marked, step="preview")
        assert "It means 3 people" in page.text
        assert f'value="{robots}" checked' in page.text
        assert scripted.bodies[-1]["audience"]["classes"] == [str(robots)]
        for audience in ("school", "people"):
            wrong = await browser.post(NEW, **marked | {"audience": audience}, step="preview")
            assert (wrong.status_code, "that this audience leaves out" in wrong.text) == (422, True), audience
        nothing = await browser.post(NEW, **FORM | {"audience": "people"}, step="preview")
        assert (nothing.status_code, "Find and mark at least one." in nothing.text) == (422, True)


async def test_a_test_goes_to_the_one_who_writes_it_only_and_an_urgent_send_says_so(gateway, owners, signed_in, school):
    owners(notifier_POST=(200, PREVIEW))
    form = FORM | {"urgent": "true", "title": f"Demo {uuid4().hex}"}

    async def sent():
        query = "SELECT data FROM outbox WHERE data LIKE %s"
        return [json.loads(row["data"]) for row in await gateway.rows(query, (f"%{form['title']}%",))]

    person = await gateway.add_person(school, "staff")
    async with signed_in(school, "staff", person) as browser:
        key = hidden(await browser.get(NEW))
        page = await browser.post(NEW, **form, **key, step="test")
        assert page.status_code == 200
        (test,) = await sent()
        assert test["audience"]["people"] == [str(person)]
        assert not test["audience"].get("school")
        seen = hidden(await browser.post(NEW, **form, **key, step="preview"))
        assert (await browser.post(NEW, **form, **seen, step="send")).status_code == 303
    (real,) = [each for each in await sent() if each != test]
    assert (real["payload"]["audience"]["school"], real["payload"]["urgent"]) == (True, True)


async def test_a_repeating_send_is_a_schedule_and_is_of_use_for_some_hours(gateway, owners, signed_in, school):
    owners(notifier_POST=(200, PREVIEW))
    form = FORM | {"when": "2030-01-07T07:30", "repeat": "week", "every": "2", "until": "2030-06-30"}
    form |= {"skip_closed": "true", "useful_hours": "12"}
    async with signed_in(school, "staff") as browser:
        key = hidden(await browser.get(NEW))
        seen = hidden(await browser.post(NEW, **form, **key, step="preview"))
        made = await browser.post(NEW, **form, **seen, step="send")
        assert re.fullmatch(r"/console/schedules/[0-9a-f-]{36}", made.headers["location"]), made.text
        for change in ({"every": "x"}, {"when": ""}, {"repeat": "year"}, {"useful_hours": "many"}):
            wrong = await browser.post(NEW, **form | change, **key, step="preview")
            assert (wrong.status_code, 'class="error"' in wrong.text) == (422, True), change
    schedule = made.headers["location"].rpartition("/")[2]
    asked = json.loads(await gateway.one("SELECT data FROM outbox WHERE data LIKE %s", (f"%{schedule}%",)))
    assert asked["rule"] | {"kind": "calendar", "every": 2, "unit": "week", "until": "2030-06-30"} == asked["rule"]
    assert (asked["rule"]["skip_closed"], asked["payload"]["expires_after_seconds"]) == (True, 12 * 3600)


async def test_a_few_people_receive_it_first_and_the_preview_says_how_many(gateway, owners, signed_in, school):
    drawn = [str(uuid4()) for _ in range(2)]
    owners(
        notifier_POST=(200, PREVIEW | {"people": 9, "drawn": drawn}), notifier_GET=(404, {}), scheduler_GET=(404, {})
    )
    form = FORM | {"canary": "2", "canary_minutes": "20"}
    async with signed_in(school, "staff") as browser:
        key = hidden(await browser.get(NEW))
        page = await browser.post(NEW, **form, **key, step="preview")
        assert "2 people receive it first." in page.text
        assert "The other 7 people receive it 20 minutes later, unless it is stopped." in page.text
        for change in ({"canary": "9"}, {"canary": "two"}, {"canary_minutes": "0"}, {"repeat": "day"}):
            wrong = await browser.post(NEW, **form | change, **key, step="preview")
            assert (wrong.status_code, 'class="error"' in wrong.text) == (422, True), change
        made = await browser.post(NEW, **form, **hidden(page), step="send")
        first = await browser.get(made.headers["location"])
        assert "A few people receive it first." in first.text
        rest = await browser.get(re.search(r'/console/notifications/[0-9a-f-]{36}(?=">All others)', first.text)[0])
        assert "All others receive it after a few people." in rest.text
        assert "and for all others" in (await browser.get(f"{made.headers['location']}/cancel")).text
    assert await gateway.one(SENT, (school,)) == 2


NOTIFICATION = {
    "title": "Demo",
    "kind": "general",
    "state": "completed",
    "urgent": False,
    "requested_at": "2026-11-30T08:00:00+00:00",
    "counts": {"mail": {"accepted": 2, "failed": 1, "suppressed": 1}},
    "reasons": [{"channel": "mail", "state": "suppressed", "reason": "bounced", "count": 1}],
}


async def add_notification(gateway, school):
    notification, task = uuid7(), uuid7()
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(
            "INSERT INTO task (task_id, school_id, kind, state) VALUES (%s, %s, 'notification.send', 'succeeded')",
            (task, school),
        )
        await tx.execute(
            "INSERT INTO intent (notification_id, school_id, task_id) VALUES (%s, %s, %s)",
            (notification, school, task),
        )
    return str(notification), NOTIFICATION | {"notification_id": str(notification), "task_id": str(task)}


async def test_failures_are_shown_by_reason_and_sent_again_once(gateway, owners, signed_in, school):
    notification, shown = await add_notification(gateway, school)
    scripted = owners(notifier_GET=(200, shown), notifier_POST=(202, {}))
    async with signed_in(school, "staff") as browser:
        page = await browser.get(f"/console/notifications/{notification}")
        assert "mails to this address came back" in page.text
        address = f"/console/notifications/{notification}/resend"
        assert f'href="{address}"' in page.text
        form = hidden(await browser.get(address))
        for _ in range(2):
            assert (await browser.post(address, **form, unknown="yes")).status_code == 303
        tasks = {body["task_id"] for body in scripted.bodies if body}
        assert (len(tasks), scripted.bodies[-1]["unknown"]) == (1, True)
        refusal = {"detail": {"code": "conflict", "message": "It is still being sent."}}
        owners(notifier_GET=(200, shown), notifier_POST=(409, refusal))
        refused = await browser.post(address, **hidden(await browser.get(address)))
        assert (refused.status_code, "It is still being sent." in refused.text) == (409, True)


async def test_the_way_to_one_person_is_shown_after_a_search_for_their_name(gateway, owners, signed_in, school):
    notification, shown = await add_notification(gateway, school)
    person = await gateway.add_person(school)
    at = "2026-11-30T08:00:00+00:00"
    timeline = [
        {"at": at, "what": "asked", "text": "it was requested"},
        {"at": at, "what": "suppressed", "text": "mails came back", "reason": "bounced", "channel": "mail"},
        {"at": at, "what": "failed", "text": "the provider <rejects> it", "reason": None, "channel": "push"},
    ]
    why = {"verdict": "not_sent", "because": "", "timeline": timeline}
    owners(notifier_GET=(200, shown | why))
    address = f"/console/notifications/{notification}/why"
    async with signed_in(school, "staff") as browser:
        assert "It did not reach" not in (await browser.get(address)).text
        for asked in ({"name": f"person-{person}"}, {"person": str(person)}):
            page = await browser.get(address, **asked)
            assert "It did not reach the person." in page.text
            assert "mails to this address came back" in page.text
            assert "the provider &lt;rejects&gt; it" in page.text
        assert "No person of this school fits." in (await browser.get(address, name="no such name")).text


async def test_a_template_takes_the_place_of_typed_words_which_stay_in_the_form(gateway, owners, signed_in, school):
    trip = {"name": "trip", "texts": {"en": {}}, "variables": ["place", "school"]}
    reached = PREVIEW | {"language": "en", "direction": "ltr", "title": "A trip", "body": "To <lake>"}
    builtin = {"name": "payment_due", "texts": {}, "variables": []}
    owners(notifier_GET=(200, [builtin, trip]), notifier_POST=(200, reached))
    async with signed_in(school, "staff") as browser:
        offered = (await browser.post(NEW, **FORM, step="template")).text
        assert offered.index('<option value="trip"') < offered.index('<option value="payment_due"')
        chosen = await browser.post(NEW, **FORM, template="trip", step="template")
        assert 'type="hidden" name="title" value="Demo"' in chosen.text
        key = hidden(chosen)["key"]
        asked = FORM | {"template": "trip", "names": "place", "key": key}
        empty = await browser.post(NEW, **asked, values="", step="preview")
        assert (empty.status_code, "Fill this in" in empty.text) == (422, True)
        seen = await browser.post(NEW, **asked, values="The lake", step="preview")
        assert "To &lt;lake&gt;" in seen.text
        digest = hidden(seen)["previewed"]
        sent = await browser.post(NEW, **asked, values="The lake", previewed=digest, step="send")
        assert re.fullmatch(r"/console/notifications/[0-9a-f-]{36}", sent.headers["location"])
    (event,) = await gateway.rows("SELECT data FROM outbox WHERE data LIKE %s", (f"%{school}%",))
    assert '"template":"trip"' in event["data"].replace(": ", ":")
