"""What can go wrong, drawn once. An error says what to do with the work that met it.

SchoolConnectError
├── Retry                 again after a while, attempts are counted
├── Reject                never again: straight to the dead letters
├── NotUnderstood         a message that this code cannot read
│   ├── Malformed         no newer replica will read it either: dead letters at once
│   └── UnknownMajor      a newer replica may know it: retry tiers first
├── InfrastructureDown    database or broker away: hold the message, count nothing
├── Undeliverable         the broker returned or refused a publish: the row stays in the outbox
├── NoSchool              a request reached a tenant's table without naming its school
├── LeaseLost             another worker took over: stop, write nothing
├── TaskCancelled         somebody asked for the task to stop: clean up, end it as cancelled
├── TimeLimit             the work took longer than it may: clean up, end it as failed
├── HistoryMissing        the log starts too late to rebuild from
├── RuleRefused           a schedule's rule is wrong or can never come due; the message says why
└── Refused               the step cannot be done here and now; the message says what to do
"""

from datetime import timedelta


class SchoolConnectError(Exception):
    """Root of everything this project raises on purpose."""


class Retry(SchoolConnectError):
    """The work should be tried again, after `after` if given, else after the next retry tier."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Reject(SchoolConnectError):
    """The work can never succeed as it stands; a person has to look."""


class NotUnderstood(SchoolConnectError):
    """A message that this code cannot read."""


class Malformed(NotUnderstood):
    """The message is not an event of ours: an attribute is missing or the body does not fit the contract."""


class UnknownMajor(NotUnderstood):
    """The message has a type or a major version that this replica does not know yet."""


class InfrastructureDown(SchoolConnectError):
    """The database or the broker cannot be reached; the work itself is not at fault."""


class Undeliverable(SchoolConnectError):
    """The broker did not take the message: returned as unroutable, refused, or not confirmed in time."""


class Unwritable(Undeliverable):
    """No frame can hold the message, or no broker takes one of its size: it will not be published as it is."""


class NoSchool(SchoolConnectError):
    """A request touched a tenant's table without a school; bind one with `Database.request(school_id)`."""


class LeaseLost(SchoolConnectError):
    """The lease on this work belongs to another worker now."""


class TaskCancelled(SchoolConnectError):
    """Somebody asked for the task to stop."""


class TimeLimit(SchoolConnectError):
    """The work took longer than it may."""


class HistoryMissing(SchoolConnectError):
    """The log no longer holds the start of history; ask the owners to `resync` before a rebuild."""


class Refused(SchoolConnectError):
    """The step cannot be done here and now; the message says what to do."""


class RuleRefused(SchoolConnectError):
    """A schedule's rule is wrong, or can never come due; `field` is where, the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
