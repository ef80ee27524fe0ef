"""The kind of route that the console has: a cookie in place of a token, and pages in place of JSON."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from gateway import problems
from gateway.console.cookie import SessionCookie
from gateway.console.file_form_fields import address_with_fields
from gateway.console.page import Page, language_of
from gateway.console.return_path import asked_for, sign_in_path
from gateway.console.same_origin import SAFE, check_origin
from gateway.console.templating import Templates
from gateway.files.upload_route import FILE_BODY_LIMIT
from gateway.http.guarded_route import BODY_LIMIT, GuardedRoute
from gateway.problems import Problem
from gateway.roster_import.body_limit import ROSTER_BODY_LIMIT
from gateway.security.access_control import Access
from gateway.security.admission import Door
from gateway.settings import Settings
from shared.http.provided import Provided
from shared.http.tokens import Use

SCHOOLS = "/console/schools"
"""Where an administrator of the group chooses the school of a page."""
TEMPLATES = Provided(Templates)
SETTINGS = Provided(Settings)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ConsoleDoor:
    """Takes the session of the cookie; answers with pages. Without a session it leads to the sign-in and back."""

    def credential(self, request: Request, access: Access) -> tuple[str, Use]:  # noqa: ARG002  # the API's door asks it
        """Return the token of the cookie."""
        token = SessionCookie.of(SETTINGS.by(request.app)).read(request)
        if token is None:
            raise Problem(401, "unauthenticated")
        return token, "console"

    async def answer(self, request: Request, problem: Exception) -> Response:
        """Return an error as a page."""
        if isinstance(problem, Problem) and problem.code == "unauthenticated":
            return await _signed_out(request)
        if isinstance(problem, Problem) and problem.code == "school_needed" and request.method in SAFE:
            return RedirectResponse(f"{SCHOOLS}?{urlencode({'to': request.url.path})}", 303)
        refusal = problems.answer(problem, request.headers.get("content-type", ""))
        facts = json.loads(bytes(refusal.body))
        page = _bare_page(request)
        shown = page.html("error.html", refusal.status_code, problem=facts, back=_page_before(request))
        if "retry-after" in refusal.headers:
            shown.headers["Retry-After"] = refusal.headers["retry-after"]
        return shown


class ConsoleRoute(GuardedRoute):
    """A page, or what its form does."""

    door: ClassVar[Door] = ConsoleDoor()

    def get_route_handler(self) -> Handler:
        """Check where a change comes from before its session: a foreign page must not even have its text shown."""
        admitted = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                check_origin(request, SETTINGS.by(request.app).origin)
            except Problem as problem:
                return await self.door.answer(request, problem)
            return await admitted(request)

        return handle


class ConsoleUploadRoute(ConsoleRoute):
    """A page whose form has a file: its body may be as large as one."""

    limits_body = False
    form_limit: ClassVar[Provided[Any]] = FILE_BODY_LIMIT

    def get_admitted_handler(self) -> Handler:
        """Limit the body of an admitted request before it is read."""
        handler = super().get_admitted_handler()

        async def handle(request: Request) -> Response:
            return await handler(self.form_limit.by(request.app).applied(request))

        return handle


class ConsoleImportRoute(ConsoleUploadRoute):
    """A page whose form has a roster."""

    form_limit = ROSTER_BODY_LIMIT


async def _signed_out(request: Request) -> Response:
    cookie = SessionCookie.of(SETTINGS.by(request.app))
    ended = cookie.read(request) is not None
    if request.method in SAFE:
        answer: Response = RedirectResponse(sign_in_path(asked_for(request), ended=ended), 303)
    elif _has_file(request):
        answer = RedirectResponse(sign_in_path(await address_with_fields(request), ended=ended), 303)
    else:
        answer = await _kept(request)
    if ended:
        cookie.clear(answer)
    return answer


def _has_file(request: Request) -> bool:
    """Return whether a form has a file: a page cannot keep one."""
    return request.headers.get("content-type", "").startswith("multipart/")


async def _kept(request: Request) -> Response:
    """Return a page that holds what was typed: nothing was sent, and only the person's own press sends it."""
    try:
        form = await BODY_LIMIT.by(request.app).applied(request).form(max_files=0)
    except Exception as problem:  # noqa: BLE001  # a body that cannot be read has no text to keep
        return _bare_page(request).html("error.html", 400, problem=_facts(problem), back=None)
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return _bare_page(request).html("expired.html", 401, fields=fields, action=asked_for(request))


def _facts(problem: Exception) -> Any:
    return json.loads(bytes(problems.answer(problem).body))


def _bare_page(request: Request) -> Page:
    """Return a page without a reader: an error may come before the reader is known, or from the database itself."""
    return Page(TEMPLATES.by(request.app), request.url.path, language_of(request))


def _page_before(request: Request) -> str | None:
    """Return the page of a form that was refused, as its browser names it."""
    return None if request.method in SAFE else request.url.path
