"""What the figures of a roster import are called on pages."""

from gateway.console.texts import N_

COUNTS = {
    "schools": N_("Schools"),
    "calendars": N_("Terms"),
    "classes": N_("Classes"),
    "people": N_("People"),
    "unchanged": N_("People without a change"),
    "enrolments": N_("Enrolments"),
    "students": N_("Students and guardians"),
    "ended": N_("Ended"),
    "rejected": N_("Rows not used"),
    "values_named": N_("Values not used"),
    "administrators": N_("New administrators"),
}
