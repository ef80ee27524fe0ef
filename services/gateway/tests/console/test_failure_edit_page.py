"""A message that failed for good is edited: compared first, sent by a second press, and nothing typed is lost."""

import datetime as dt
import html
import json
import re
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from shared.events import DeviceInvalidated, Envelope, PersonChanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSERT_FAILURE = """
INSERT INTO failure
    (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed, last_failed, headers, body)
VALUES (%s, %s, 'gateway.device.invalidated', %s, 'ValueError: demo', 'demo', 5, now(), now(), %s, %s)
RETURNING failure_id
"""
FAILURE = "SELECT given_back_at, edited_fields, edit_reason FROM failure WHERE failure_id = %s"


async def fail(gateway, school, fact):
    """The number of a failure of an event."""
    envelope = Envelope.of(fact, "test")
    values = (school, str(envelope.id), envelope.type, Jsonb(envelope.headers()), fact.model_dump_json().encode())
    async with gateway.service.transactions.begin() as tx:
        row = await tx.row(INSERT_FAILURE, values)
    return row["failure_id"]


def invalidated(school):
    return DeviceInvalidated(
        school_id=school, person_id=uuid4(), token_sha256="0" * 64, attempted_at=dt.datetime.now(dt.UTC)
    )


def typed(page):
    return html.unescape(re.search(r'<textarea id="event"[^>]*>(.*?)</textarea>', page, re.DOTALL)[1])


def compared(page):
    return html.unescape(re.search(r'name="compared" value="([^"]*)"', page)[1])


async def test_an_edit_is_compared_and_sent_by_a_second_press(gateway, signed_in, school):
    number = await fail(gateway, school, invalidated(school))
    place = f"/console/failures/{number}"
    async with signed_in(school, "platform_admin", uuid4()) as browser:
        assert f'href="{place}/edit"' in (await browser.get(place)).text
        page = await browser.get(f"{place}/edit")
        fields = json.loads(typed(page.text))
        assert "school_id" not in fields  # an edit moves no message to another school
        edited = json.dumps(fields | {"token_sha256": "1" * 64})
        # when it is compared, then nothing is sent, and the page shows what differs
        shown = await browser.post(f"{place}/edit", event=edited, reason="A made-up reason")
        assert (shown.status_code, typed(shown.text)) == (200, edited)
        assert "0" * 64 in shown.text.split("compared")[1]
        assert (await gateway.rows(FAILURE, (number,)))[0]["given_back_at"] is None
        # another text than the compared one is not sent either
        other = json.dumps(fields | {"token_sha256": "2" * 64})
        asked = {"reason": "A made-up reason", "compared": compared(shown.text), "step": "send"}
        again = await browser.post(f"{place}/edit", event=other, **asked)
        assert "The text has changed since it was compared" in again.text
        assert (await gateway.rows(FAILURE, (number,)))[0]["given_back_at"] is None
        # when the compared one is sent
        sent = await browser.post(f"{place}/edit", event=edited, **asked)
        assert (sent.status_code, sent.headers["location"]) == (303, place)
        assert "token_sha256" in (await browser.get(place)).text
        assert (await browser.post(f"{place}/edit", event=edited, **asked)).status_code == 409
    (row,) = await gateway.rows(FAILURE, (number,))
    assert row["given_back_at"] is not None
    assert (row["edited_fields"], row["edit_reason"]) == (["token_sha256"], "A made-up reason")


@pytest.mark.parametrize(
    ("event", "reason", "field", "says"),
    [
        ('{\n "attempted_at": }', "x", "event", "line 2, column"),
        ("[" * 5_000, "x", "event", "cannot be read"),
        ("[1]", "x", "event", "outer braces"),
        ('{"a": 1}', "x", "event", "attempted_at"),
        (None, "x", "event", "Nothing differs"),
        ({"attempted_at": "soon"}, "x", "event", "attempted_at: "),
        ({"school_id": str(uuid4())}, "x", "event", "another school"),
        ({"nothing": "<b>"}, "x", "event", "no such field"),
        ({f"field{n}": n for n in range(60)}, "x", "event", "50"),
        ({"token_sha256": "1" * 64}, " ", "reason", "Say why"),
    ],
)
async def test_an_invalid_edit_is_refused_beside_the_text_that_stays(
    gateway, signed_in, school, event, reason, field, says
):
    number = await fail(gateway, school, invalidated(school))
    place = f"/console/failures/{number}/edit"
    async with signed_in(school, "platform_admin", uuid4()) as browser:
        before = json.loads(typed((await browser.get(place)).text))
        text = event if isinstance(event, str) else json.dumps(before | (event or {}))
        page = await browser.post(place, event=text, reason=reason)
    assert page.status_code == 422, page.text
    assert typed(page.text) == text
    assert re.findall(r'<p class="error" id="(\w+)-error"', page.text) == [field]
    assert says in html.unescape(re.search(rf'id="{field}-error">(.*?)</p>', page.text, re.DOTALL)[1])
    assert (await gateway.rows(FAILURE, (number,)))[0]["given_back_at"] is None


async def test_personal_fields_are_named_and_not_shown(gateway, signed_in, school):
    fact = PersonChanged(person_id=uuid4(), version=1, given_name="Ada", family_name="Demo", positions={})
    number = await fail(gateway, school, fact)
    async with signed_in(school, "platform_admin", uuid4()) as browser:
        page = (await browser.get(f"/console/failures/{number}/edit")).text
    assert "given_name" not in typed(page)
    assert "Ada" not in page.split("<main")[1]
    assert "family_name, given_name" in page


async def test_only_administrators_of_the_group_edit(gateway, signed_in, school):
    number = await fail(gateway, school, invalidated(school))
    async with signed_in(school, "school_admin", uuid4()) as browser:
        assert "/edit" not in (await browser.get(f"/console/failures/{number}")).text
        assert (await browser.get(f"/console/failures/{number}/edit")).status_code == 403
