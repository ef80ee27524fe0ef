"""Every page of the console, and how a person comes to it: by its address, or by a link of another page."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.console.routers import ROUTERS

ELSEWHERE = {"/console", "/console/live", "/console/{unknown:path}"}
"""Routes that are no page of their own."""


@dataclass(frozen=True)
class Place:
    """A page by the template of its address; `start` is the page that has a link to it, or to the page before it."""

    route: str
    start: str = ""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def name(self):
        """Its name as a file."""
        words = self.route.removeprefix("/console/").replace("{", "").replace("}", "").replace("_", "-")
        return words.replace("/", "-")


def at(route, **query):
    return Place(route, query=tuple(query.items()))


def behind(route, start, **query):
    return Place(route, start, tuple(query.items()))


PLACES = (
    at("/console/signed-in"),
    at("/console/overview"),
    at("/console/schools"),
    at("/console/notifications"),
    behind("/console/notifications/{notification_id}", "/console/notifications"),
    behind("/console/notifications/{notification_id}/why", "/console/notifications"),
    behind("/console/notifications/{notification_id}/resend", "/console/notifications"),
    behind("/console/notifications/{notification_id}/cancel", "/console/notifications"),
    at("/console/notifications/new"),
    at("/console/files"),
    at("/console/files/new"),
    behind("/console/files/{file_id}", "/console/files"),
    behind("/console/files/{file_id}/delete", "/console/files"),
    at("/console/review"),
    at("/console/reports"),
    at("/console/reports/new"),
    behind("/console/reports/{report_id}", "/console/reports"),
    at("/console/schedules"),
    behind("/console/schedules/{schedule_id}", "/console/schedules"),
    behind("/console/schedules/{schedule_id}/run-now", "/console/schedules"),
    behind("/console/schedules/{schedule_id}/delete", "/console/schedules"),
    at("/console/people"),
    at("/console/people/reachability"),
    behind("/console/people/{person_id}", "/console/people"),
    at("/console/imports"),
    behind("/console/imports/{task_id}", "/console/imports"),
    at("/console/tasks"),
    behind("/console/tasks/{task_id}", "/console/tasks"),
    behind("/console/tasks/{task_id}/timeline", "/console/tasks"),
    behind("/console/tasks/{task_id}/cancel", "/console/tasks"),
    at("/console/failures"),
    at("/console/workers"),
    at("/console/queues"),
    behind("/console/queues/{name}/{order}", "/console/queues"),
    at("/console/log"),
    behind("/console/log/{event_id}", "/console/log"),
    at("/console/replays"),
    at("/console/system-schedules"),
    at("/console/keys"),
    at("/console/keys/new"),
    at("/console/audit"),
)

NOT_YET = {
    # They need a state that the demo does not leave behind; the gateway's own tests draw them.
    "/console/failures/group",
    "/console/failures/{failure_id}",
    "/console/failures/confirm/{action}",
    "/console/imports/{task_id}/confirm",
    "/console/keys/{key_id}/revoke",
    "/console/replays/{task_id}",  # test_operations opens it
}
"""Pages that no browser opens in these tests."""

ID = "[^/]*-[^/]*"
PARTS = {"name": "[^/]+", "order": "(pause|resume)"}
"""Parts of an address as expressions; all others are ids."""

SIGN_IN = at("/console/sign-in")


def routes():
    """Every page that the gateway has."""
    found = {route.path for router in ROUTERS for route in router.routes if "GET" in route.methods}
    return found - ELSEWHERE


async def address(page, url, place, school):
    """Return the address of a place for a school."""
    query = dict(place.query) | {"school": school}
    if not place.start:
        return f"{place.route}?{urlencode(query)}"
    await page.goto(f"{url}{place.start}?{urlencode(query)}")
    links = await page.eval_on_selector_all("main a[href]", "links => links.map(link => link.getAttribute('href'))")
    base, _, end = place.route.rpartition("}")
    wanted = re.compile(re.sub(r"{(\w+)", lambda name: PARTS.get(name[1], ID), base).replace("}", ""))
    for link in links:
        path, _, asked = link.partition("?")
        if wanted.fullmatch(path):
            return f"{path}{end}?{asked}"
    raise AssertionError(f"{place.start} has no link to {place.route}: {links}")
