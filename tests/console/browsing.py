"""A person's browser: Debian's Chromium through Playwright. It notes each error and each request that leaves."""

import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright, expect

PROGRAM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
HERE = "127.0.0.1"
SCHEMES = ("light", "dark")
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
REFUSED = "the server responded with a status of 422"
"""What Chromium says of the answer to a form with a wrong field."""
LONGEST = 30_000.0
"""Milliseconds that a page may take: the machine is shared."""
expect.set_options(timeout=LONGEST)


@asynccontextmanager
async def chromium():
    """Run Debian's Chromium; where it cannot be installed, skip."""
    if PROGRAM is None:
        pytest.skip("Debian's package chromium is not installed, and could not be")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visitor:
    """One browser profile with its tabs. `problems` must be empty in the end."""

    context: object
    url: str
    problems: list[str] = field(default_factory=list)
    axe: Axe = field(default_factory=Axe)

    def __post_init__(self):
        self.context.set_default_timeout(LONGEST)
        self.context.on("request", self._requested)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.problems.append(f"script: {error.error}"))

    def _requested(self, request):
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname != HERE:
            self.problems.append(f"a request left: {request.url}")

    def _said(self, message):
        if message.type in ("error", "warning") and REFUSED not in message.text:
            self.problems.append(f"{message.type} on {message.page and message.page.url}: {message.text}")

    async def tab(self, path="/console"):
        """Open a tab."""
        page = await self.context.new_page()
        await page.goto(self.url + path)
        return page

    async def sign_in(self, page, name, password):
        """Fill the form of a sign-in page."""
        await page.fill("#name", name)
        await page.fill("#password", password)
        await page.click("main button")
        await page.wait_for_selector("text=Sign out")

    async def check(self, page, *schemes):
        """Check a page with axe, in light and in dark."""
        for scheme in schemes or SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = await self.axe.run(page)
            self.problems += [
                f"axe {each['id']} ({scheme}) on {page.url}: {each['nodes'][0]['html'][:200]}"
                for each in found.response["violations"]
            ]


@asynccontextmanager
async def visitor(browser, url, **options):
    """A person at a browser in English, on a wide screen unless `options` say otherwise; fails with what went wrong."""
    settings = {"locale": "en-GB", "viewport": WIDE, "reduced_motion": "reduce"} | options
    context = await browser.new_context(**settings)
    try:
        found = Visitor(context, url)
        yield found
        assert found.problems == []
    finally:
        await context.close()
