"""The pages of the console, and the roles that each is for."""

from dataclasses import dataclass

from gateway.console.texts import N_
from gateway.security.access_control import ADMINS, PLATFORM, STAFF
from gateway.security.caller import Caller
from shared.events.values import Role

OVERVIEW = "/console/overview"


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the navigation."""

    path: str
    label: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Section:
    """Pages under one heading."""

    label: str
    places: tuple[Place, ...]


SECTIONS = (
    Section(
        N_("School"),
        (
            Place("/console/notifications", N_("Notifications"), STAFF),
            Place("/console/notifications/new", N_("New notification"), STAFF),
            Place("/console/approvals", N_("Approvals"), STAFF),
            Place("/console/files", N_("Files"), STAFF),
            Place("/console/review", N_("Review queue"), STAFF),
            Place("/console/reports", N_("Reports"), STAFF),
            Place("/console/schedules", N_("Schedules"), STAFF),
            Place("/console/people", N_("People"), STAFF),
            Place("/console/settings", N_("School settings"), ADMINS),
        ),
    ),
    Section(
        N_("Operations"),
        (
            Place("/console/schools", N_("Schools"), PLATFORM),
            Place("/console/imports", N_("Roster imports"), PLATFORM),
            Place(OVERVIEW, N_("Overview"), PLATFORM),
            Place("/console/tasks", N_("Tasks"), STAFF),
            Place("/console/failures", N_("Failures"), ADMINS),
            Place("/console/workers", N_("Workers"), PLATFORM),
            Place("/console/queues", N_("Queues"), PLATFORM),
            Place("/console/log", N_("Event log"), PLATFORM),
            Place("/console/replays", N_("Replay"), PLATFORM),
            Place("/console/system-schedules", N_("System schedules"), ADMINS),
            Place("/console/keys", N_("API keys"), ADMINS),
            Place("/console/audit", N_("Audit log"), ADMINS),
        ),
    ),
)


def sections_of(caller: Caller) -> list[Section]:
    """Return the sections that a caller may open, each with its pages."""
    mine = [
        Section(section.label, tuple(place for place in section.places if caller.role in place.roles))
        for section in SECTIONS
    ]
    return [section for section in mine if section.places]


def home_of(caller: Caller) -> str:
    """Return the first page of a caller."""
    return OVERVIEW if caller.everywhere else sections_of(caller)[0].places[0].path
