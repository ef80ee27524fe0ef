"""What operators order in a browser: a queue pauses and resumes, a replay starts, a failed message is edited."""

import datetime as dt
import json
import uuid

import pytest
from playwright.async_api import expect

from cli.demo.school import SCHOOLS
from shared.events import DeviceInvalidated, Envelope
from tests.console.browsing import visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(2400)]  # the first test plays the demo

QUEUE = "gateway.device.invalidated"
WITHIN = 60_000
# A message that failed for good; a device that is not known ends without an effect.
ADD_FAILURE = """
INSERT INTO gateway.failure (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed,
                             last_failed, headers, body)
SELECT school_id, %s, %s, 'device.invalidated', 'ValueError: a made-up fault', 'edited', 5, now(), now(), %s, %s
FROM gateway.school WHERE sourced_id = %s RETURNING failure_id
"""


async def test_a_queue_is_paused_and_resumed_and_a_replay_starts_after_its_dry_run(school_day, people, browser):
    account = people["platform_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab("/console/queues")
        await person.sign_in(page, account.name, account.password)
        for order in ("pause", "resume"):
            await page.click(f'a[href*="/{QUEUE}/{order}"]')
            await page.fill("#reason", "A made-up reason")
            await page.click("main form button")
            await page.wait_for_url("**/console/queues")
        await page.goto(f"{school_day.url}/console/replays")
        await page.select_option("#target", "scheduler/remember_schools")
        await page.get_by_role("button", name="Dry run").click()
        start = page.get_by_role("button", name="Start the replay")
        await expect(start).to_be_visible(timeout=WITHIN)
        await person.check(page)
        await start.click()
        await expect(page.locator("dl .badge").first).to_have_text("succeeded", timeout=WITHIN)


async def test_a_failed_message_is_edited_compared_and_handled(school_day, people, browser):
    fact = DeviceInvalidated(
        school_id=uuid.uuid4(), person_id=uuid.uuid4(), token_sha256="0" * 64, attempted_at=dt.datetime.now(dt.UTC)
    )
    envelope = Envelope.of(fact, "test")
    values = (str(envelope.id), QUEUE, envelope.json(), fact.model_dump_json().encode(), SCHOOLS[0].sourced_id)
    (row,) = school_day.rows(ADD_FAILURE, *values)
    account = people["platform_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab(f"/console/failures/{row['failure_id']}")
        await person.sign_in(page, account.name, account.password)
        await page.get_by_role("link", name="Edit and try again").click()
        fields = json.loads(await page.input_value("#event"))
        await page.fill("#event", json.dumps(fields | {"attempted_at": "soon"}))
        await page.fill("#reason", "A made-up reason")
        await page.get_by_role("button", name="Compare").click()
        await expect(page.locator("#event-error")).to_contain_text("attempted_at")
        await person.check(page)
        await page.fill("#event", json.dumps(fields | {"token_sha256": "1" * 64}))
        await page.get_by_role("button", name="Compare").click()
        await expect(page.locator("#diff")).to_be_visible()
        await person.check(page)
        await page.get_by_role("button", name="Send it again").click()
        await page.wait_for_url(f"**/console/failures/{row['failure_id']}")
        await expect(page.locator("dl")).to_contain_text("token_sha256", timeout=WITHIN)
