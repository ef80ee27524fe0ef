"""Style and script of the console: served to anyone, kept by browsers."""

import re

import pytest

from gateway.console.assets import ADDRESSES
from gateway.console.texts import FOLDER

STATIC = FOLDER.parent / "static"

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


@pytest.mark.parametrize("packed", [True, False])
async def test_style_and_script_are_compressed_for_those_who_accept_it_and_pages_never(browse, packed):
    accepted = {"Accept-Encoding": "gzip" if packed else "identity"}
    async with browse() as browser:
        for address in ADDRESSES.values():
            answer = await browser.client.get(address, headers=accepted)
            small = len(answer.content) < 500
            assert answer.headers.get("content-encoding") == ("gzip" if packed and not small else None), address
            assert "immutable" in answer.headers["cache-control"]
        page = await browser.client.get("/console/sign-in", headers=accepted)
        assert (page.status_code, page.headers.get("content-encoding")) == (200, None)


async def test_the_style_knows_start_and_end_and_no_left_and_right():
    style = (STATIC / "console.css").read_text()
    assert re.findall(r"(?<![\w-])(?:[\w-]+-)?(?:left|right)\s*:|:\s*(?:left|right)\s*[;}]", style) == []
    assert "inline-start" in style
