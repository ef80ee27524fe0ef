"""The tree of this project's errors. The class of an error decides what happens to the work that raised it.

SchoolConnectError
├── Retry                 try again later; attempts are counted
├── Reject                never try again: move the message to the dead letters
│   └── DeliveryLimit     its consumer ended each time: no process should try it again
├── NotUnderstood         this code cannot read the message
│   ├── Malformed         no later version can read it either: move it to the dead letters
│   └── UnknownMajor      a newer replica may read it: retry tiers first, then the dead letters
├── InfrastructureDown    the database, the broker or the store of blobs is unavailable: count no attempt
│   └── StorageUnavailable  the store of blobs cannot be used
│       └── StorageFull     it has no room
├── BlobMissing           there is no blob under a key
├── Undeliverable         the broker returned or refused a message: keep the row in the outbox
│   └── Unwritable        the message is too large for the broker
├── NoSchool              a request used a tenant's table without binding a school
├── LeaseLost             another worker has the task: stop, write nothing
├── TaskCancelled         a cancel was requested: clean up, end the task as cancelled
├── TimeLimit             the work took too long: clean up, end the task as failed
├── HistoryMissing        the log starts too late for a rebuild
├── RuleRefused           the rule of a schedule is wrong or never comes due; the message says why
└── Refused               the operation is not possible now; the message says what to do
"""

import errno
from datetime import timedelta


class SchoolConnectError(Exception):
    """Base class of the errors that this project raises."""


class Retry(SchoolConnectError):
    """The work failed and should be tried again: after `after` if given, else after the next retry tier."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Reject(SchoolConnectError):
    """The work can never succeed. A person has to look at it."""


class DeliveryLimit(Reject):
    """The message was returned to its queue as often as the broker allows: its next return would be its last."""

    def __init__(self, deliveries: int) -> None:
        super().__init__(f"its service ended, or lost its connection, {deliveries} times while it handled this")


class NotUnderstood(SchoolConnectError):
    """This code cannot read the message."""


class Malformed(NotUnderstood):
    """An attribute of the message is missing, or its body does not match the contract."""


class UnknownMajor(NotUnderstood):
    """This replica does not know the type or the major version of the message."""


class InfrastructureDown(SchoolConnectError):
    """The database, the broker or the store of blobs is unavailable. The work did not cause this."""


class StorageUnavailable(InfrastructureDown):
    """The store of blobs cannot be used: it is away, or refuses the credentials. The message says which store."""


class StorageFull(StorageUnavailable):
    """The store of blobs has no room. It must be given some; until then work that stores blobs waits."""


NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says of a disk, a quota or a largest file size that is reached."""


def is_full(problem: BaseException | None) -> bool:
    """Whether an error of the operating system means that there is no space for a file."""
    return isinstance(problem, OSError) and problem.errno in NO_SPACE


NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
"""What the operating system says when a process, or the machine, has no descriptor for another file or socket."""


def is_out_of_descriptors(problem: BaseException | None) -> bool:
    """Whether an error means that no file or socket can be opened now: others must be closed first."""
    if isinstance(problem, BaseExceptionGroup):
        return all(is_out_of_descriptors(each) for each in problem.exceptions)
    return isinstance(problem, OSError) and problem.errno in NO_DESCRIPTORS


class BlobMissing(SchoolConnectError):
    """There is no blob under this key: it was never stored, or it was deleted."""


class Undeliverable(SchoolConnectError):
    """The broker did not accept the message: it was unroutable, refused, or not confirmed in time."""


class Unwritable(Undeliverable):
    """The message is too large for a frame or for the broker. It can never be published unchanged."""


class NoSchool(SchoolConnectError):
    """A request used a tenant's table without a school. Bind one with `UnitOfWorkFactory.request(school_id)`."""


class LeaseLost(SchoolConnectError):
    """Another worker has the lease of this task now."""


class TaskCancelled(SchoolConnectError):
    """A cancel of the task was requested."""


class TimeLimit(SchoolConnectError):
    """The work took longer than its time limit."""


class HistoryMissing(SchoolConnectError):
    """The log no longer has its first events. Run `resync` on the owning service, then rebuild."""


class Refused(SchoolConnectError):
    """The operation is not possible now; the message says what to do."""


class RuleRefused(SchoolConnectError):
    """The rule of a schedule is wrong or never comes due. `field` names the part; the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
