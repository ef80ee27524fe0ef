"""Forms that no page of the console has made: each field of each form with nonsense is answered, never with a 500."""

import re
from uuid import uuid4

import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from gateway.console.routers import ROUTERS
from services.gateway.tests.console.conftest import OURS

pytestmark = pytest.mark.asyncio(loop_scope="module")


def fields_of(route):
    """The fields of a form, also of one that is read as a model."""
    names = []
    for field in route.dependant.body_params:
        model = getattr(field.field_info.annotation, "model_fields", None)
        names += model or [field.alias]
    return tuple(names)


FORMS = [
    (route.path, fields_of(route))
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "POST" in route.methods and route.dependant.body_params
]
NONSENSE = ("x", "-1", "9" * 40, "2026-13-45", "\x00")
PLAUSIBLE = {"count": "1", "typed": "1", "kind": "other", "key": "demo-key"}
assert len(FORMS) > 10


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


def concrete(path):
    known = {"action": "retry", "order": "pause"}
    return re.sub(r"{(\w+)}", lambda found: known.get(found[1]) or str(uuid4()), path)


@pytest.mark.parametrize(("path", "fields"), FORMS, ids=[path for path, _ in FORMS])
async def test_a_forged_field_is_no_error_of_the_server(signed_in, school, path, fields):
    files = {"file": ("a.txt", b"made up")} if "file" in fields else None
    likely = {name: PLAUSIBLE.get(name, "") for name in fields if name != "file"}
    async with signed_in(school, "platform_admin") as browser:
        for name in likely:
            for nonsense in NONSENSE:
                for form in ({name: nonsense}, likely | {name: nonsense}):
                    address = f"{concrete(path)}?school={school}"
                    answer = await browser.client.post(address, data=form, files=files, headers=OURS)
                    assert answer.status_code != 500, (form, answer.text)
