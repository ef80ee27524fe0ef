"""The notifier's own permits: some work may go on. They carry ids only; the rows decide what there is to do."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.transactions.outbox import WorkPermit

Haste = Literal["safety", "urgent", "bulk"]

SEND_LANES = ("push.safety", "push.urgent", "push.bulk", "mail.safety", "mail.urgent", "mail.bulk")
DIGEST_LANES = ("push.digest", "mail.digest")
PLANNING_LANES = ("planning.safety", "planning")


def send_lane(channel: str, haste: Haste) -> str:
    """Return the lane of permits to send on a channel."""
    return f"{channel}.{haste}"


def planning_lane(kind: str) -> str:
    """Return the lane of permits to plan notifications of a kind."""
    return PLANNING_LANES[kind != "safety"]


def digest_lane(channel: str) -> str:
    """Return the lane of permits to send a channel's digests."""
    return f"{channel}.digest"


class PlanPermit(WorkPermit):
    """A notification that waited for the directory may be planned."""

    name: ClassVar[str] = "notifier.plan"
    notification_id: UUID

    @property
    def subject(self) -> str:
        return str(self.notification_id)


class SendPermit(WorkPermit):
    """The next deliveries of a notification on one channel may be sent.

    A worker takes several permits at once, so that small sends do not wait for big ones: the provider's limiter
    decides which delivery goes next.
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
