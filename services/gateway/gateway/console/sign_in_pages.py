"""Signing in to the console and out of it, and the language of its pages."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import StringConstraints

from gateway.accounts import accounts
from gateway.accounts.dependencies import SignInTools, Tools
from gateway.accounts.session_routes import person_by_password
from gateway.accounts.sessions import SessionRequest
from gateway.console.console_route import ConsoleRoute
from gateway.console.cookie import SessionCookie
from gateway.console.navigation import home_of
from gateway.console.page import Page, PublicPage, ReaderPage
from gateway.console.return_path import HOME, SIGN_IN, safe_return
from gateway.console.texts import COOKIE, LANGUAGES, N_
from gateway.http.dependencies import Configured, Rows
from gateway.problems import Problem
from gateway.security import audit
from gateway.security.access_control import EVERYBODY, STAFF, allow, public
from gateway.security.caller import CurrentCaller
from gateway.settings import Settings
from shared.http.tokens import TokenRefused

router = APIRouter(prefix="/console", include_in_schema=False, route_class=ConsoleRoute)

CHOICE = dt.timedelta(minutes=5)
YEAR = 31_536_000
ACTION = "POST /console/sign-in"
WRONG = N_("The name or the password is wrong.")
SLOW = N_("Too many attempts with this name. Wait a few minutes, then try again.")
NOT_STAFF = N_("This console is for staff of a school and for operators. Parents and students use the app.")

NameField = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254), Form()]
PasswordField = Annotated[str, StringConstraints(max_length=200), Form()]
ReturnField = Annotated[str, Form(max_length=2_000)]


@router.get("", dependencies=[allow(EVERYBODY, audience="person")])
async def home(page: ReaderPage, caller: CurrentCaller) -> Response:
    """Go to the caller's first page."""
    return RedirectResponse(page.href(home_of(caller)), 303)


@router.get("/sign-in", dependencies=[public()])
async def ask(page: PublicPage, return_to: str = HOME, ended: str | None = None) -> Response:
    """Ask for name and password."""
    return page.html("sign_in.html", return_to=safe_return(return_to), ended=ended is not None, name="", error=None)


@router.post("/sign-in", dependencies=[public()])
async def sign_in(
    page: PublicPage,
    rows: Rows,
    tools: Tools,
    settings: Configured,
    name: NameField = "",
    password: PasswordField = "",
    return_to: ReturnField = HOME,
) -> Response:
    """Sign in; a person with several roles chooses one on the next page."""
    try:
        person = await person_by_password(name.casefold(), password, None, rows, tools)
    except Problem as problem:
        await audit.note(rows, ACTION, status=problem.status, code=problem.code, subject={"by": "password"})
        error = page.text(SLOW if problem.code == "rate_limited" else WRONG)
        values = {"return_to": safe_return(return_to), "ended": False, "name": name, "error": error}
        return page.html("sign_in.html", problem.status, **values)
    return await _with_role(page, rows, tools, settings, person, safe_return(return_to))


@router.post("/sign-in/role", dependencies=[public()])
async def choose_role(
    page: PublicPage,
    rows: Rows,
    tools: Tools,
    settings: Configured,
    choice: Annotated[str, Form(max_length=4_096)] = "",
    membership: Annotated[str, Form(max_length=100)] = "",
    return_to: ReturnField = HOME,
) -> Response:
    """Open the session in the chosen role; the password was shown a moment before."""
    try:
        person = tools.verifier.verify(choice, "choice").person
    except TokenRefused:
        return RedirectResponse(f"{SIGN_IN}?ended=1", 303)
    assert person is not None
    return await _with_role(page, rows, tools, settings, person, safe_return(return_to), membership)


async def _with_role(
    page: Page,
    rows: Rows,
    tools: SignInTools,
    settings: Settings,
    person: UUID,
    return_to: str,
    chosen: str | None = None,
) -> Response:
    async with rows.begin() as tx:
        places = [each for each in await accounts.memberships(tx, person) if each["role"] in STAFF]
        fitting = [each for each in places if chosen is None or named(each) == chosen]
        if len(fitting) == 1:
            (place,) = fitting
            wish = SessionRequest(place["school_id"], place["role"])
            lasts = dt.timedelta(hours=settings.console_hours)
            token, _ = await tools.sessions.open_console(tx, person, wish, lasts)
    if len(fitting) == 1:
        await audit.note(
            rows,
            ACTION,
            status=200,
            person=person,
            role=place["role"],
            school=place["school_id"],
            subject={"by": "password"},
        )
        answer = RedirectResponse(return_to, 303)
        SessionCookie.of(settings).set(answer, token)
        return answer
    if not places:
        await audit.note(rows, ACTION, status=403, code="forbidden", person=person, subject={"by": "password"})
        values = {"return_to": return_to, "ended": False, "name": "", "error": page.text(NOT_STAFF)}
        return page.html("sign_in.html", 403, **values)
    named_places = [each | {"named": named(each)} for each in places]
    choice = tools.sessions.choice(person, CHOICE)
    return page.html("choose_role.html", places=named_places, choice=choice, return_to=return_to)


def named(place: dict[str, Any]) -> str:
    """Return the name of a membership in the form."""
    return f"{place['role']}:{place['school_id'] or ''}"


@router.post("/sign-out", dependencies=[allow(EVERYBODY, audience="person")])
async def sign_out(caller: CurrentCaller, tools: Tools, settings: Configured) -> Response:
    """End the session, in every tab and on every gateway."""
    if caller.session is not None:
        await tools.sessions.end_session(caller.session)
    answer = RedirectResponse(SIGN_IN, 303)
    SessionCookie.of(settings).clear(answer)
    return answer


@router.post("/language", dependencies=[public()])
async def choose_language(
    settings: Configured, language: Annotated[str, Form(max_length=10)] = "en", return_to: ReturnField = HOME
) -> Response:
    """Keep the language of a browser's pages."""
    answer = RedirectResponse(return_to if return_to == SIGN_IN else safe_return(return_to), 303)
    if language in LANGUAGES:
        answer.set_cookie(
            COOKIE, language, max_age=YEAR, secure=settings.secure_cookies, httponly=True, path="/console"
        )
    return answer


@router.get("/signed-in", dependencies=[allow(EVERYBODY, audience="person")])
async def signed_in(page: ReaderPage) -> Response:
    """Say that a tab may be closed: another one holds what was typed."""
    return page.html("signed_in.html")
