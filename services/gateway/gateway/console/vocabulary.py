"""What states, kinds and roles of the system are called on pages."""

from gateway.console.texts import N_

STATES = {
    "accepted": N_("accepted"),
    "queued": N_("queued"),
    "running": N_("running"),
    "retrying": N_("trying again"),
    "succeeded": N_("succeeded"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
    "open": N_("open"),
    "given_back": N_("returned"),
    "resolved": N_("resolved"),
    "discarded": N_("discarded"),
    "live": N_("live"),
    "stale": N_("stale"),
    "gone": N_("gone"),
    "ready": N_("ready"),
    "not ready": N_("not ready"),
    "away": N_("away"),
    "waiting": N_("waiting"),
    "sending": N_("being sent"),
    "completed": N_("sent"),
    "pending": N_("waiting"),
    "held": N_("held until quiet hours end"),
    "read": N_("read"),
    "suppressed": N_("not sent, on purpose"),
    "unknown": N_("without an answer"),
    "expired": N_("expired"),
}
TONES = {
    "succeeded": "good",
    "resolved": "good",
    "live": "good",
    "ready": "good",
    "completed": "good",
    "read": "good",
    "waiting": "busy",
    "sending": "busy",
    "failed": "bad",
    "gone": "bad",
    "away": "bad",
    "not ready": "bad",
    "open": "bad",
    "retrying": "warn",
    "stale": "warn",
    "running": "busy",
    "queued": "busy",
    "accepted": "busy",
    "given_back": "busy",
}
"""The colour of a badge; its word says the same."""
ROLES = {
    "platform_admin": N_("Administrator of the group"),
    "school_admin": N_("School administrator"),
    "staff": N_("Staff"),
    "teacher": N_("Teacher"),
    "guardian": N_("Guardian"),
    "student": N_("Student"),
}
KINDS = {
    "general": N_("General"),
    "academic": N_("Lessons and grades"),
    "behavior": N_("Behaviour"),
    "payment": N_("Payments"),
    "safety": N_("Safety"),
}
CHANNELS = {"push": N_("Push"), "mail": N_("Mail"), "inbox": N_("In the app")}
REASONS = {
    "inactive": N_("the account is not active"),
    "opted_out": N_("does not want this kind on this channel"),
    "unsubscribed": N_("has unsubscribed from this kind"),
    "no_address": N_("has no address for this channel"),
    "same_address": N_("another person with the same address receives it"),
    "bounced": N_("mails to this address came back"),
    "complained": N_("mails were reported as unwanted"),
}
