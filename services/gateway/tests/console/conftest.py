"""Browsers of people who are signed in to the console, without a browser."""

from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

PASSWORD = "a long demo password"
OURS = {"Sec-Fetch-Site": "same-origin"}


class Browser:
    """Keeps its cookies, and says that its forms come from a page of the console."""

    def __init__(self, client):
        self.client = client

    async def get(self, path, **query):
        return await self.client.get(path, params=query or None)

    async def post(self, path, headers=OURS, **fields):
        return await self.client.post(path, data=fields, headers=headers)


async def make_account(gateway, school, role):
    """A person with a role, who can sign in: their id and name."""
    name = f"user-{uuid4().hex[:8]}"
    if role == "platform_admin":
        asked = await gateway.ask("POST", "/v1/administrators", json={"given_name": "Ada", "family_name": "Demo"})
        person = asked.json()["person_id"]
    else:
        person = await gateway.add_person(school, role)
        asked = await gateway.ask("POST", f"/v1/people/{person}/invitations")
    accepted = {"token": asked.json()["token"], "name": name, "password": PASSWORD}
    assert (await gateway.client.post("/v1/invitations/accept", json=accepted)).status_code == 204
    return person, {"name": name, "password": PASSWORD}


@pytest.fixture
def account(gateway):
    """Makes accounts: the person's id, and name and password as the form sends them."""

    async def made(school, role):
        return await make_account(gateway, school, role)

    return made


@pytest.fixture
def browse(gateway):
    """Opens browsers: `async with browse() as browser`."""

    @asynccontextmanager
    async def opened():
        transport = httpx.ASGITransport(gateway.client._transport.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=30) as client:
            yield Browser(client)

    return opened


@pytest.fixture
def signed_in(gateway, browse):
    """Opens browsers of people with a role: `async with signed_in(school, role) as browser`.

    Their cookie is one that an operator has signed, because each real sign-in takes a password's hash.
    """

    @asynccontextmanager
    async def opened(school, role, person=None):
        bound = None if role == "platform_admin" else school
        token = gateway.token(role, bound, person or uuid4(), use="console")
        async with browse() as browser:
            browser.client.cookies.set("console-8000", token)
            yield browser

    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()
