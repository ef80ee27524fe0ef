"""`/v1/templates`: a school's own words; kept, checked and shown by the notifier."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import JSONResponse, Response

from gateway.http.dependencies import InSchool, Services
from gateway.http.service_client import passed_on
from gateway.problems import Problem
from gateway.security.access_control import Known
from shared.http.fields import TemplateName

router = APIRouter(prefix="/v1/templates", tags=["templates"])

Name = Annotated[TemplateName, Path()]
IfMatch = Annotated[str | None, Header(max_length=100)]


@router.get("")
async def templates(caller: Known, owners: Services, school: InSchool) -> Any:
    """Every template that the school can send: its own texts by language, and the built-in ones."""
    return JSONResponse((await owners.get("notifier", "/v1/templates", caller, school)).json())


@router.get("/{name}")
async def template(
    name: Name,
    caller: Known,
    owners: Services,
    school: InSchool,
    version: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """One template, or a version of it as it was; the ETag is what a change sends back as If-Match."""
    params = {} if version is None else {"version": version}
    answer = await owners.get("notifier", f"/v1/templates/{name}", caller, school, params)
    if answer.status_code == 404:  # noqa: PLR2004
        raise Problem(404, "not_found")
    return passed_on(answer)


@router.put("/{name}")
async def save(
    name: Name, body: dict[str, Any], caller: Known, owners: Services, school: InSchool, if_match: IfMatch = None
) -> Response:
    """Save the next version: `{"texts": {"en": {"title": "…", "body": "…"}}, "variables": ["trip"]}`.

    A language may have `html`, `push_title` and `push_body`, too. What is wrong is listed with part and language.
    Without If-Match it is the first version.
    """
    return await owners.decide("notifier", "PUT", f"/v1/templates/{name}", caller, school, body, if_match=if_match)


@router.delete("/{name}")
async def delete(name: Name, caller: Known, owners: Services, school: InSchool, if_match: IfMatch = None) -> Response:
    """Take the school's own texts back; where there are built-in ones, they are in force again."""
    return await owners.decide("notifier", "DELETE", f"/v1/templates/{name}", caller, school, if_match=if_match)


@router.post("/{name}/preview")
async def preview(name: Name, body: dict[str, Any], caller: Known, owners: Services, school: InSchool) -> Response:
    """Show it: `{"language": "ar", "variables": {…}, "draft": {…}}`; made-up variables fill in, nobody is told."""
    return await owners.decide("notifier", "POST", f"/v1/templates/{name}/preview", caller, school, body)
