"""A store of blobs, a school, and a student of it."""

import pytest
import pytest_asyncio

from services.gateway.tests.files.uploads import add_student
from shared.storage.locations import open_store


@pytest.fixture
def store(backing):
    return open_store(backing.environment("gateway")["STORAGE_URL"])


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


@pytest_asyncio.fixture(loop_scope="module")
async def student(gateway, school):
    return await add_student(gateway, school)
