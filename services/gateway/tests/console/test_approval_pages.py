"""A send above the school's limit: its preview says so, it waits on its page, and another person decides there."""

import re
from uuid import uuid4

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = "/console/notifications/new"
FORM = {"title": "Demo", "body": "A <i>text</i>", "audience": "school", "roles": "guardian", "channels": "push"}
CHANNEL = {"people": 30, "deliveries": 30, "held": 0, "languages": {"en": 30}, "suppressed": {}}
PREVIEW = {"people": 30, "channels": {"push": CHANNEL}, "unreachable": 0, "unreachable_people": []}
SENT = "SELECT count(*) FROM schedule_intent WHERE school_id = %s"


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    school = await gateway.add_school()
    await gateway.ask("PATCH", f"/v1/schools/{school}", json={"approval_above": 20})
    return school


async def request(browser):
    """Send the form after its preview; the page to which it leads."""
    key = re.search(r'name="key" value="([^"]+)"', (await browser.get(NEW)).text)[1]
    seen = await browser.post(NEW, **FORM, key=key, step="preview")
    assert "More than 20 people: another person of the school has to approve it" in seen.text
    digest = re.search(r'name="previewed" value="([^"]+)"', seen.text)[1]
    return (await browser.post(NEW, **FORM, key=key, previewed=digest, step="send")).headers["location"]


async def test_a_large_send_waits_on_its_page_until_another_person_approves(gateway, owners, signed_in, school):
    owners(notifier_POST=(200, PREVIEW))
    asker = await gateway.add_person(school, "staff")
    async with signed_in(school, "staff", asker) as browser:
        place = await request(browser)
        assert re.fullmatch(r"/console/approvals/[0-9a-f-]{36}", place)
        page = (await browser.get(place)).text
        assert "Nothing was sent yet" in page
        assert "Approve and send" not in page
        assert (await browser.post(f"{place}/approve")).status_code == 403
    async with signed_in(school, "school_admin", uuid4()) as browser:
        assert "Ada Demo" in (await browser.get("/console/approvals", state="waiting")).text
        assert "A &lt;i&gt;text&lt;/i&gt;" in (await browser.get(place)).text
        assert await gateway.one(SENT, (school,)) == 0
        assert (await browser.post(f"{place}/approve")).headers["location"] == place
        assert re.search(r'href="/console/notifications/[0-9a-f-]{36}"', (await browser.get(place)).text)
        # a second press sends nothing twice
        assert "It is too late for this" in (await browser.post(f"{place}/approve")).text
    assert await gateway.one(SENT, (school,)) == 1


async def test_a_large_send_is_refused_with_a_reason_that_its_requester_sees(gateway, owners, signed_in, school):
    owners(notifier_POST=(200, PREVIEW))
    asker = uuid4()
    async with signed_in(school, "teacher", asker) as browser:
        place = await request(browser)
    async with signed_in(school, "staff", uuid4()) as browser:
        await browser.post(f"{place}/refuse", reason="The wrong <day>")
    async with signed_in(school, "teacher", asker) as browser:
        assert "The wrong &lt;day&gt;" in (await browser.get(place)).text
    assert await gateway.one(SENT, (school,)) == 0
