"""The notifier's own permits: something may go on. They carry ids; the rows decide."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.transactions.outbox import WorkPermit

LANES = ("push.urgent", "push.bulk", "mail.urgent", "mail.bulk")
DIGESTS = ("push.digest", "mail.digest")
PLANNING = ("planning",)


class PlanPermit(WorkPermit):
    """A notification that waited for the directory may be planned."""

    name: ClassVar[str] = "notifier.plan"
    notification_id: UUID

    @property
    def subject(self) -> str:
        return str(self.notification_id)


class SendPermit(WorkPermit):
    """The next deliveries of a notification on one channel may be sent.

    Several at once, so that the small sends among them are not kept waiting: the line decides whose turn it is.
    """

    name: ClassVar[str] = "notifier.send"
    concurrency: ClassVar[int] = 8
    notification_id: UUID
    channel: Literal["push", "mail"]

    @property
    def subject(self) -> str:
        return f"{self.notification_id}:{self.channel}"


class DigestPermit(WorkPermit):
    """The next morning digests of a school on one channel may be sent."""

    name: ClassVar[str] = "notifier.digest"
    school_id: UUID
    channel: Literal["push", "mail"]

    @property
    def subject(self) -> str:
        return f"{self.school_id}:{self.channel}"
