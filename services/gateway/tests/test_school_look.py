"""The look of a school's reports: a line, a colour and a picture that the file service has drawn."""

import json
from uuid import uuid4

import pytest

from shared.storage.keys import blob_key
from shared.storage.locations import open_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = """
SELECT data FROM outbox WHERE routing_key = 'school.changed' AND data::jsonb ->> 'school_id' = %s
ORDER BY position DESC LIMIT 1
"""
READ = {"kind": "other", "state": "processed", "media_type": "image/png"}


async def change(gateway, school, **settings):
    return await gateway.ask("PATCH", f"/v1/schools/{school}", "school_admin", school, uuid4(), json=settings)


async def look(gateway, school):
    (row,) = await gateway.rows(EVENT, (str(school),))
    event = json.loads(row["data"])
    return {name: event[name] for name in ("letterhead", "color", "logo")}


async def store_picture(gateway, school, content):
    file = uuid4()
    store = open_store(gateway.backing.environment("gateway")["STORAGE_URL"])

    async def parts():
        yield content

    await store.put(blob_key("files", school, file, "thumbnail-256.webp"), parts())
    return str(file)


async def test_a_schools_look_is_published_with_a_copy_of_the_picture(gateway, owners):
    school = await gateway.add_school()
    file = await store_picture(gateway, school, b"RIFF")
    owners(files_GET=(200, READ))
    # when
    answer = await change(gateway, school, letterhead=" 1 Example Road ", color="#7a1f3d", logo_file=file)
    # then
    shown = answer.json()
    assert (shown["letterhead"], shown["color"], shown["logo_file"]) == ("1 Example Road", "#7a1f3d", file)
    assert await look(gateway, school) == {"letterhead": "1 Example Road", "color": "#7a1f3d", "logo": "UklGRg=="}
    # when it is removed
    await change(gateway, school, letterhead="", color=None, logo_file=None)
    # then
    assert await look(gateway, school) == {"letterhead": "", "color": None, "logo": None}


@pytest.mark.parametrize(
    ("status", "file"),
    [
        (404, {"detail": "no such file"}),
        (200, READ | {"kind": "transcript"}),
        (200, READ | {"state": "refused"}),
        (200, READ | {"media_type": "application/pdf"}),
        (200, READ),  # its picture is gone
    ],
)
async def test_what_is_no_picture_of_the_school_is_no_logo(gateway, owners, status, file):
    school = await gateway.add_school()
    owners(files_GET=(status, file))
    answer = await change(gateway, school, name="Renamed", logo_file=str(uuid4()))
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "logo_file"])
    assert (await gateway.ask("GET", f"/v1/schools/{school}")).json()["name"] == "Demo"


async def test_a_picture_with_too_many_bytes_is_no_logo(gateway, owners):
    school = await gateway.add_school()
    file = await store_picture(gateway, school, bytes(64 * 1024 + 1))
    owners(files_GET=(200, READ))
    assert (await change(gateway, school, logo_file=file)).status_code == 422


@pytest.mark.parametrize(
    "settings", [{"color": "red"}, {"color": "#12345"}, {"letterhead": None}, {"letterhead": "a\nb"}]
)
async def test_a_look_that_cannot_be_drawn_is_refused(gateway, settings):
    school = await gateway.add_school()
    assert (await change(gateway, school, **settings)).status_code == 422
