"""The shortest way through the console in a real browser; every page is in tests/console."""

from contextlib import closing

import pytest
from playwright.async_api import expect

from cli.demo import school
from tests.console.browsing import chromium, visitor

NAME, PASSWORD = "console.smoke", "a long made-up password"
pytestmark = pytest.mark.timeout(300)  # the demo school is imported first


@pytest.fixture(scope="module")
def group(scheduled):
    """The system with its scheduler, and an administrator of the group who can sign in."""
    with closing(scheduled.api()) as api:
        api.accept(api.administrator("Smoke", "Journey"), NAME, PASSWORD)
    return scheduled


async def test_a_person_signs_in_sends_with_a_preview_undoes_it_and_signs_out(group):
    place = school.SCHOOLS[0].sourced_id
    async with chromium() as browser, visitor(browser, group.url) as person:
        # given a link to a page, which leads to the sign-in and back
        page = await person.tab(f"/console/notifications/new?school={place}")
        await person.check(page)
        await person.sign_in(page, NAME, PASSWORD)
        assert await page.inner_text("h1") == "New notification"
        # when a message is typed, previewed and sent
        await page.fill("#title", "A made-up excursion")
        await page.fill("#body", "To the made-up museum.")
        await page.click("text=Preview")
        await page.wait_for_selector("#preview")
        await person.check(page)
        await page.click("button:text-is('Send')")
        # then it can be undone, and nothing is sent
        await page.click("text=Stop or undo")
        await page.click("main form button")
        await page.wait_for_selector("text=A stop was requested")
        await page.click("nav >> text=Overview")
        assert await page.inner_text("h1") == "Overview"
        await expect(page.locator("#live")).to_have_attribute("data-state", "on")
        await person.check(page)
        await page.click("text=Sign out")
        await page.wait_for_selector("#password")
