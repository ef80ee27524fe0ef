"""A new notification from the console: nothing is sent without its preview, and a double click sends once."""

import re
from uuid import uuid4

import pytest

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
