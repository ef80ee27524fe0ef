"""What operators order in a browser: a queue is paused and resumed, and a replay starts after its dry run."""

import pytest
from playwright.async_api import expect

from tests.console.browsing import visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(2400)]  # the first test plays the demo

QUEUE = "gateway.device.invalidated"
WITHIN = 60_000


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
