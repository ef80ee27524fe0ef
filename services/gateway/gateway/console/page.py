"""A page for its reader: in their language, in the zone of their school, with the navigation of their role."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from gateway.console.navigation import sections_of
from gateway.console.query import Filter
from gateway.console.templating import Templates
from gateway.console.texts import COOKIE, chosen_language
from gateway.http.dependencies import Rows, school_of
from gateway.problems import Problem
from gateway.security.caller import Caller, CurrentCaller
from shared.http.provided import Provided

Rendering = Annotated[Templates, Depends(Provided(Templates))]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Select what the head of a page says of its reader and their school.
SELECT_READER = """
SELECT s.name AS school, s.timezone, concat_ws(' ', p.given_name, p.family_name) AS reader
FROM (SELECT) once LEFT JOIN school s ON s.school_id = %(school)s LEFT JOIN person p ON p.person_id = %(person)s
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Writes a page for one request. `school` is None while an administrator of the group has named none."""

    templates: Templates
    path: str
    language: str
    caller: Caller | None = None
    school: UUID | None = None
    named_school: str | None = None
    school_name: str | None = None
    reader: str | None = None
    zone: str = "UTC"

    def html(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page of a template."""
        sections = sections_of(self.caller) if self.caller else []
        shown = {"page": self, "zone": self.zone, "sections": sections, "path": self.path} | values
        return HTMLResponse(self.templates.render(self.language, template, shown), status, HEADERS)

    def list_html(
        self, template: str, asked: Mapping[str, Any], after: Any, next_after: Any, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a page of a list, with its filter and the links to its first and its next page."""
        first = self.href(self.path, **asked) if after else None
        following = self.href(self.path, **asked, after=next_after) if next_after else None
        return self.html(template, status, asked=asked, first=first, next=following, **values)

    def reading(self, about: str, back: str, back_label: str) -> HTMLResponse:
        """Return the frame of a page whose content is read from the log: a second request brings it."""
        address = self.href(self.path, read=1)
        return self.html("reading.html", about=about, back=self.href(back), back_label=back_label, address=address)

    def text(self, text: str) -> str:
        """Return a text in the reader's language."""
        return self.templates.gettext(self.language, text)

    def moment(self, given: str) -> str:
        """Return an instant of a rule as the reader's clock shows it."""
        return dt.datetime.fromisoformat(given).astimezone(self.tz).strftime("%Y-%m-%d %H:%M")

    def href(self, path: str, **query: Any) -> str:
        """Return an address of the console that keeps the chosen school."""
        asked = {"school": self.named_school} | query
        given = {name: value for name, value in asked.items() if value not in (None, "", False)}
        return path + (f"?{urlencode(given, doseq=True)}" if given else "")

    def in_zone(self, zone: str) -> "Page":
        """Return the page with its times in another zone."""
        return replace(self, zone=zone)

    @property
    def tz(self) -> ZoneInfo:
        """The zone of the times that forms name."""
        return ZoneInfo(self.zone)


def language_of(request: Request) -> str:
    """Return the language of a request."""
    return chosen_language(request.cookies.get(COOKIE), request.headers.get("accept-language", ""))


async def public_page(request: Request, templates: Rendering) -> Page:
    """Return the page of a request without a session."""
    return Page(templates, request.url.path, language_of(request))


async def reader_page(
    request: Request, templates: Rendering, caller: CurrentCaller, rows: Rows, school: Filter = None
) -> Page:
    """Return the page of a request with a session; 404 for a school that is not the caller's."""
    where = caller.school if school is None else await school_of(rows, caller, school)
    # One round trip: every page asks this.
    [found] = await rows.run_alone(SELECT_READER, {"school": where, "person": caller.person})
    if where is not None and found["school"] is None and caller.everywhere:
        raise Problem(404, "unknown_school")
    return Page(
        templates,
        request.url.path,
        language_of(request),
        caller,
        where,
        school if caller.everywhere else None,
        found["school"],
        found["reader"] or None,
        found["timezone"] or "UTC",
    )


PublicPage = Annotated[Page, Depends(public_page)]
ReaderPage = Annotated[Page, Depends(reader_page)]
