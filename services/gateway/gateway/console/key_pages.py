"""API keys of programs: which there are, a new one, and the end of one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.accounts import api_key_routes
from gateway.accounts.dependencies import ApiKeys
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.query import PAGE_ROWS, Filter, FlagFilter, IdFilter
from gateway.http.dependencies import Configured, Rows
from gateway.problems import readable
from gateway.security.access_control import ADMINS, SCOPES, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller, require_fresh

router = APIRouter(prefix="/console/keys", include_in_schema=False, route_class=ConsoleRoute)

NameField = Annotated[str, Form(max_length=200)]


@router.get("", dependencies=[allow(ADMINS)])
async def keys(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    school: Filter = None,
    usable: FlagFilter = None,
    after: IdFilter = None,
) -> Response:
    """List keys, the newest first."""
    found = await api_key_routes.list_keys(
        caller, rows, school, usable=usable is not None, after=after, limit=PAGE_ROWS
    )
    return page.list_html("keys.html", {"usable": usable}, after, found.next, keys=found.items)


@router.get("/new", dependencies=[allow(ADMINS)])
async def ask_new(page: ReaderPage, caller: CurrentCaller, settings: Configured) -> Response:
    """Ask for the name and the scopes of a new key; a sign-in must be of the last minutes."""
    require_fresh(caller, settings.fresh_minutes)
    return _form(page)


@router.post("/new", dependencies=[allow(ADMINS)])
async def add(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    settings: Configured,
    school: Filter = None,
    name: NameField = "",
    scopes: Annotated[list[str] | None, Form(max_length=100)] = None,
) -> Response:
    """Make a key; its secret is on this page only."""
    chosen = scopes or []
    try:
        body = api_key_routes.KeyIn.model_validate({"name": name, "scopes": chosen} | _role(page))
    except ValidationError as problem:
        errors = {each["loc"][0]: each["message"] for each in readable(problem.errors())}
        return _form(page, 422, name, chosen, errors)
    made = await api_key_routes.add_key(body, caller, rows, audited, settings, Response(), school)
    return page.html("key_made.html", key=made)


@router.get("/{key_id}/revoke", dependencies=[allow(ADMINS)])
async def ask_revoke(key_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows) -> Response:
    """Ask before a key ends."""
    return page.html("key_revoke.html", key=await api_key_routes.read_key(key_id, caller, rows, Response()))


@router.post("/{key_id}/revoke", dependencies=[allow(ADMINS)])
async def revoke(key_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows, keys: ApiKeys) -> Response:
    """End a key."""
    await api_key_routes.revoke_key(key_id, caller, rows, keys)
    return RedirectResponse(page.href("/console/keys"), 303)


def _role(page: Page) -> dict[str, str]:
    """Return the role of a new key: the group's where no school is chosen."""
    return {"role": "platform_admin" if page.school is None else "staff"}


def _form(
    page: Page,
    status: int = 200,
    name: str = "",
    chosen: list[str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    return page.html("key_new.html", status, name=name, chosen=chosen or [], errors=errors or {}, scopes=SCOPES)
