"""What the states of schedules and the outcomes of their runs are called on pages."""

from gateway.console.texts import N_

STATES = {
    "accepted": N_("accepted"),
    "active": N_("active"),
    "paused": N_("paused"),
    "done": N_("done"),
    "expired": N_("expired"),
    "cancelled": N_("cancelled"),
}
TONES = {"accepted": "busy", "active": "good", "paused": "warn", "expired": "bad"}
OUTCOMES = {
    "ran": N_("sent"),
    "caught_up": N_("sent later"),
    "missed": N_("missed"),
    "expired": N_("too late, not sent"),
    "moved": N_("moved with the calendar"),
    "inactive": N_("not sent: the school is closed"),
}
CATCH_UPS = {
    "skip": N_("A missed run is left out."),
    "once": N_("After an outage the newest missed run is made up for."),
    "all": N_("After an outage every missed run is made up for."),
}
