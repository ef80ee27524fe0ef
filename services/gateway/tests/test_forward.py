"""Decisions reach their owner with who asks and If-Match; what it says comes back with a stable code."""

from typing import Annotated
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from gateway.http.service_client import ServiceClients
from gateway.problems import CODES, Problem
from gateway.security.caller import Caller
from shared.http.preconditions import DecisionRefused, IfMatch, RequiredMatch, check_version, etag
from shared.http.tokens import Claims
from shared.testing.fixtures import write_keys

VERSION = 7
CALLER = Caller(uuid4(), "school_admin", uuid4())


class Change(BaseModel):
    title: str


def owner(verify_key):
    """A service with one thing of version 7."""
    app = FastAPI()

    @app.patch("/thing")
    async def change(change: Change, version: RequiredMatch, authorization: Annotated[str, Header()]):
        check_version(version, VERSION)
        claims = Claims.verify(authorization.removeprefix("Bearer "), verify_key, "internal")
        return JSONResponse(
            {"title": change.title, "by": str(claims.person), "school": str(claims.school)},
            headers={"ETag": etag(VERSION + 1), "X-Internal": "secret"},
        )

    @app.post("/thing/cancel")
    async def cancel(version: IfMatch):
        check_version(version, VERSION)
        raise DecisionRefused(409, "too_late", "It has been sent.", state="completed")

    @app.delete("/thing")
    async def remove():
        return Response(status_code=204)

    @app.post("/odd/{status}")
    async def odd(status: int):
        raise HTTPException(status, {"code": "made_up", "message": "secret"} if status == 409 else "secret")

    return app


@pytest.fixture
async def owners(tmp_path):
    write_keys(tmp_path)
    found = ServiceClients(
        {"owner": "http://owner", "gone": "http://127.0.0.1:1"}, (tmp_path / "signing.pem").read_bytes()
    )
    app = owner((tmp_path / "verify.pem").read_bytes())
    found._clients["owner"] = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://owner")
    yield found
    await found.close()


async def decide(owners, method, path, body=None, name="owner", **more):
    return await owners.send_command(name, method, path, CALLER, CALLER.school, body, **more)


async def test_a_decision_is_handed_on_with_its_etag_and_nothing_internal(owners):
    answer = await decide(owners, "PATCH", "/thing", {"title": "Closed"}, if_match='"7"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"8"')
    assert b'"title":"Closed"' in answer.body
    assert str(CALLER.person).encode() in answer.body
    assert "x-internal" not in answer.headers
    assert (await decide(owners, "DELETE", "/thing")).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "if_match", "status", "code"),
    [
        ("PATCH", "/thing", {"title": "x"}, '"6"', 412, "stale"),
        ("PATCH", "/thing", {"title": "x"}, "nonsense", 412, "stale"),
        ("PATCH", "/thing", {"title": "x"}, None, 428, "precondition_needed"),
        ("PATCH", "/thing", {"title": 7}, '"7"', 422, "invalid"),
        ("POST", "/thing/cancel", None, None, 409, "too_late"),
        ("POST", "/odd/404", None, None, 404, "not_found"),
        ("POST", "/odd/409", None, None, 409, "conflict"),
        ("POST", "/odd/401", None, None, 503, "unavailable"),
        ("POST", "/odd/500", None, None, 503, "unavailable"),
    ],
)
async def test_a_refusal_is_a_problem_with_a_stable_code(owners, method, path, body, if_match, status, code):
    with pytest.raises(Problem) as caught:
        await decide(owners, method, path, body, if_match=if_match)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert code in CODES
    assert "input" not in str(caught.value.more)


async def test_facts_of_a_refusal_come_along(owners):
    with pytest.raises(Problem) as caught:
        await decide(owners, "POST", "/thing/cancel")
    assert (caught.value.detail, caught.value.more) == ("It has been sent.", {"state": "completed"})


async def test_an_owner_that_is_away_is_503_with_a_time_to_come_back(owners):
    with pytest.raises(Problem) as caught:
        await decide(owners, "POST", "/thing/cancel", name="gone")
    answer = caught.value.response()
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
