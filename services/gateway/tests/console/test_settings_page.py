"""The settings of a school: its administrator changes them, and what cannot be stored stays in the form."""

import re
from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "/console/settings"
FORM = {
    "approval_above": "٣٠٠",  # digits of any script
    "announces": ["absence", "report"],
    "mute_details": "yes",
    "digest_at": "06:45",
    "quiet_starts": "21:00",
    "quiet_ends": "06:30",
    "letterhead": "A made-up street 1",
    "color": "#1f5fa8",
}
LOOK = (FORM["letterhead"], FORM["color"])
STORED = """
SELECT approval_above, announces, mute_details, digest_at::text, quiet_starts::text, letterhead, color
FROM school WHERE school_id = %s
"""


def version(page):
    return re.search(r'name="version" value="(\d+)"', page)[1]


async def stored(gateway, school):
    (row,) = await gateway.rows(STORED, (school,))
    return tuple(row.values())


async def test_an_administrator_sets_from_how_many_people_on_a_second_person_approves(gateway, signed_in):
    school, other = await gateway.add_school(), await gateway.add_school()
    before = await stored(gateway, other)
    async with signed_in(school, "school_admin") as browser:
        first = version((await browser.get(PAGE)).text)
        saved = await browser.post(PAGE, **FORM, version=first)
        assert saved.headers["location"] == f"{PAGE}?saved=yes"
        page = (await browser.get(PAGE)).text
        assert 'name="approval_above" type="text" value="300"' in page
        assert await stored(gateway, school) == (300, ["absence", "report"], True, "06:45:00", "21:00:00", *LOOK)
        # a form from before that says so, and keeps what was typed
        late = await browser.post(PAGE, **FORM | {"approval_above": "7"}, version=first)
        assert (late.status_code, "This has changed since you opened it" in late.text) == (412, True)
        assert 'name="approval_above" type="text" value="7"' in late.text
        # a thousand is one however its digits are grouped
        for grouped in ("1.000", "1,000", "1 000"):
            again = version((await browser.get(PAGE)).text)
            assert (await browser.post(PAGE, **FORM | {"approval_above": grouped}, version=again)).status_code == 303
            assert (await stored(gateway, school))[0] == 1_000
        page = (await browser.get(PAGE)).text
        # empty fields take settings away
        assert (await browser.post(PAGE, digest_at="07:00", version=version(page))).status_code == 303
        assert await stored(gateway, school) == (None, [], False, "07:00:00", None, "", None)
    assert await stored(gateway, other) == before


@pytest.mark.parametrize(
    ("typed", "field", "status"),
    [
        ({"approval_above": "0"}, "approval_above", 422),
        ({"approval_above": "many <b>"}, "approval_above", 422),
        ({"approval_above": "2.5"}, "approval_above", 422),
        ({"approval_above": "1000001"}, "approval_above", 422),
        ({"quiet_ends": ""}, "quiet", 422),
        ({"quiet_ends": "25:00"}, "quiet", 422),
        ({"digest_at": ""}, "digest_at", 422),
        ({"color": "blue"}, "color", 422),
        ({"letterhead": "x" * 201}, "letterhead", 422),
        ({"announces": ["gossip"]}, None, 422),
        ({"version": ""}, None, 422),
    ],
)
async def test_what_no_school_can_have_is_an_error_beside_its_field(gateway, signed_in, school, typed, field, status):
    before = await stored(gateway, school)
    async with signed_in(school, "school_admin", uuid4()) as browser:
        page = await browser.post(PAGE, **FORM | {"version": "1"} | typed)
    assert page.status_code == status, page.text
    if field:
        assert re.findall(r'<p class="error" id="(\w+)-error"', page.text) == [field]
        assert "<b>" not in page.text.split("<main")[1]
    assert await stored(gateway, school) == before
