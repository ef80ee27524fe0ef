"""Style and script of the console: served to anyone, kept by browsers."""

import re

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_a_page_loads_is_there_and_may_be_kept(browse):
    async with browse() as browser:
        page = await browser.get("/console/sign-in")
        addresses = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text)
        assert len(addresses) == 3
        for address in addresses:
            answer = await browser.get(address)
            assert answer.status_code == 200, address
            assert "immutable" in answer.headers["cache-control"]
