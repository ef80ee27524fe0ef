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
}
TONES = {
    "succeeded": "good",
    "resolved": "good",
    "live": "good",
    "ready": "good",
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
