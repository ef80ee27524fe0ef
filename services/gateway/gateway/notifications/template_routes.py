"""`/v1/templates`: a school's own texts; the notifier stores, checks and previews them."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import JSONResponse, Response

from gateway.http.dependencies import InSchool, Services
from gateway.http.guarded_route import GuardedRoute
from gateway.http.service_client import relay_response
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, STAFF, allow
from gateway.security.caller import CurrentCaller
from shared.http.fields import TemplateName

router = APIRouter(prefix="/v1/templates", tags=["templates"], route_class=GuardedRoute)

Name = Annotated[TemplateName, Path()]
IfMatch = Annotated[str | None, Header(max_length=100)]


@router.get("", dependencies=[allow(STAFF, scope="templates:read")])
async def templates(caller: CurrentCaller, owners: Services, school: InSchool) -> Any:
    """List every template that the school can send: its own texts by language, and the built-in ones."""
    return JSONResponse((await owners.get("notifier", "/v1/templates", caller, school)).json())


@router.get("/{name}", dependencies=[allow(STAFF, scope="templates:read")])
async def template(
    name: Name,
    caller: CurrentCaller,
    owners: Services,
    school: InSchool,
    version: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """Return a template, or one of its earlier versions; a change sends its ETag as If-Match."""
    params = {} if version is None else {"version": version}
    answer = await owners.get("notifier", f"/v1/templates/{name}", caller, school, params)
    if answer.status_code == 404:  # noqa: PLR2004
        raise Problem(404, "not_found")
    return relay_response(answer)


@router.put("/{name}", dependencies=[allow(ADMINS, scope="templates:write")])
async def save(
    name: Name,
    body: dict[str, Any],
    caller: CurrentCaller,
    owners: Services,
    school: InSchool,
    if_match: IfMatch = None,
) -> Response:
    """Save the next version: `{"texts": {"en": {"title": "…", "body": "…"}}, "variables": ["trip"]}`.

    A language may have `html`, `push_title` and `push_body`, too. Errors are listed with part and language.
    Without If-Match it is the first version.
    """
    return await owners.send_command(
        "notifier", "PUT", f"/v1/templates/{name}", caller, school, body, if_match=if_match
    )


@router.delete("/{name}", dependencies=[allow(ADMINS, scope="templates:write")])
async def delete(
    name: Name, caller: CurrentCaller, owners: Services, school: InSchool, if_match: IfMatch = None
) -> Response:
    """Delete the school's own texts; built-in ones apply again."""
    return await owners.send_command("notifier", "DELETE", f"/v1/templates/{name}", caller, school, if_match=if_match)


@router.post("/{name}/preview", dependencies=[allow(STAFF, scope="templates:write", audited=False)])
async def preview(
    name: Name, body: dict[str, Any], caller: CurrentCaller, owners: Services, school: InSchool
) -> Response:
    """Preview it: `{"language": "ar", "variables": {…}, "draft": {…}}`; examples fill in, nothing is sent."""
    return await owners.send_command("notifier", "POST", f"/v1/templates/{name}/preview", caller, school, body)
