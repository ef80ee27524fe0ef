"""What states, kinds and roles are called on pages, and the colours of states."""

from collections.abc import Iterable, Mapping
from typing import get_args

from gateway.console.query import NotificationState
from gateway.console.texts import N_
from gateway.operations.failure_reads import FailureState
from gateway.tasks.reads import WorkerState
from shared.events import TaskState

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
    "school_inactive": N_("the school was not active"),
    "address_gone": N_("the address or device was no longer the person's"),
    "corrected": N_("the record was corrected before it was sent"),
    "cancelled": N_("it was stopped before it was sent"),
    "expired": N_("it had expired"),
    "expired_while_held": N_("it expired in the person's quiet hours"),
    "quiet_hours": N_("it waits for the end of quiet hours"),
    "message_not_built": N_("its message could not be made from the text"),
    "receives_first": N_("left out here: the person is one of the few who received it first"),
    "receives_later": N_("this part is for a few people first; all others receive it later"),
    "no_outcome": N_("the provider was called and no answer is known"),
}
MOMENTS = {
    "asked": N_("It was requested"),
    "received": N_("It arrived where it is sent from"),
    "corrected": N_("Its record was corrected: what waited was stopped"),
    "in_audience": N_("The person is in the audience"),
    "not_in_audience": N_("The person is not in the audience"),
    "escalated": N_("It was not read in time: the person was asked as a further step"),
    "reached": N_("Another person read it: no further person is asked"),
    "called": N_("The provider was called"),
    "answered": N_("The provider answered"),
    "let_go": N_("Quiet hours were over"),
    "held": N_("It is held until quiet hours end"),
    "again": N_("It will be tried again"),
    "failed": N_("It failed"),
    "suppressed": N_("It was not sent, on purpose"),
    "cancelled": N_("It was stopped"),
    "expired": N_("It expired"),
    "in_inbox": N_("It is in the person's inbox"),
    "read": N_("The person read it"),
    "acknowledged": N_("The person acknowledged it"),
    "withdrawn": N_("It was removed from the inbox unread"),
}
"""What happened, on the way from a request to one person."""
VERDICTS = {
    "read": N_("The person has read it."),
    "sent": N_("It was sent to the person."),
    "perhaps": N_("It may have arrived: the provider did not answer."),
    "open": N_("It is not finished yet."),
    "not_sent": N_("It did not reach the person."),
}
FILE_KINDS = {
    "payment_receipt": N_("Receipt of a payment"),
    "transcript": N_("Transcript"),
    "behavior_report": N_("Behaviour report"),
    "other": N_("Other file"),
}
FILE_STATES = {
    "accepted": N_("being read"),
    "stored": N_("being read"),
    "processed": N_("recorded"),
    "refused": N_("refused"),
    "needs_review": N_("needs a review"),
    "confirmed": N_("confirmed"),
    "deleted": N_("deleted"),
    "purging": N_("being purged"),
}
FILE_TONES = {
    "accepted": "busy",
    "stored": "busy",
    "processed": "good",
    "confirmed": "good",
    "refused": "bad",
    "needs_review": "warn",
}
REPORT_KINDS = {
    "monthly": N_("Month of the school"),
    "student_progress": N_("Progress of a student"),
    "grade_progress": N_("Progress of a grade"),
}
REPORT_STATES = {
    "accepted": N_("accepted"),
    "waiting": N_("being made"),
    "ready": N_("ready"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}
REPORT_TONES = {"accepted": "busy", "waiting": "busy", "ready": "good", "failed": "bad"}
REPORT_FORMATS = {
    "pdf": N_("PDF"),
    "xlsx": N_("Excel"),
    "csv": N_("CSV in a ZIP"),
    "zip": N_("ZIP, a PDF for each student"),
}
REPORT_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "ar": "العربية"}
SCHEDULE_STATES = {
    "accepted": N_("accepted"),
    "active": N_("active"),
    "paused": N_("paused"),
    "done": N_("done"),
    "expired": N_("expired"),
    "cancelled": N_("cancelled"),
}
SCHEDULE_TONES = {"accepted": "busy", "active": "good", "paused": "warn", "expired": "bad"}
SCHEDULE_OUTCOMES = {
    "ran": N_("sent"),
    "caught_up": N_("sent later"),
    "missed": N_("missed"),
    "expired": N_("too late, not sent"),
    "moved": N_("moved with the calendar"),
    "inactive": N_("not sent: the school is closed"),
}
SCHEDULE_CATCH_UPS = {
    "skip": N_("A missed run is left out."),
    "once": N_("After an outage the newest missed run is made up for."),
    "all": N_("After an outage every missed run is made up for."),
}
HELD_STATES = {
    "waiting": N_("waits for a second person"),
    "approved": N_("approved"),
    "refused": N_("not sent"),
    "lapsed": N_("not decided in time, not sent"),
}
HELD_TONES = {"waiting": "warn", "approved": "good"}
OCCASIONS = {
    "absence": N_("an absence"),
    "payment_due": N_("a payment that is due"),
    "payment_received": N_("a payment that was received"),
    "behavior": N_("a behaviour report"),
    "report": N_("a new report about their child"),
}
FIGURES = {
    "answered": N_("until the answer"),
    "planned": N_("until it is planned"),
    "sent": N_("then until its turn"),
    "oldest": N_("of all queues"),
}
SYSTEM_JOBS = {
    "files.cleanup_due": N_("Clean up files"),
    "reports.cleanup_due": N_("Clean up reports"),
    "reports.monthly_due": N_("Monthly report of the school"),
    "tasks.expiry_due": N_("Drop old results of tasks"),
}
IMPORT_COUNTS = {
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


def _some(names: Iterable[str]) -> dict[str, str]:
    return {name: STATES[name] for name in names}


WORDS: dict[str, Mapping[str, str]] = {
    "state": STATES,
    "task_state": _some(get_args(TaskState)),
    "failure_state": _some(get_args(FailureState)),
    "worker_state": _some(get_args(WorkerState)),
    "notification_state": _some(get_args(NotificationState)),
    "role": ROLES,
    "kind": KINDS,
    "channel": CHANNELS,
    "reason": REASONS,
    "moment_kind": MOMENTS,
    "verdict": VERDICTS,
    "file_state": FILE_STATES,
    "file_kind": FILE_KINDS,
    "report_kind": REPORT_KINDS,
    "report_state": REPORT_STATES,
    "report_format": REPORT_FORMATS,
    "import_count": IMPORT_COUNTS,
    "schedule_state": SCHEDULE_STATES,
    "schedule_outcome": SCHEDULE_OUTCOMES,
    "schedule_catch_up": SCHEDULE_CATCH_UPS,
    "held_state": HELD_STATES,
    "occasion": OCCASIONS,
    "figure": FIGURES,
}
"""Words by the filter that writes them; with an `s` behind it, the choices of a form."""
NO_CHOICE = frozenset({"accepted", "platform_admin"})
"""Names that no form offers."""
TONES_OF = {
    "state": TONES,
    "file_state": FILE_TONES,
    "report_state": REPORT_TONES,
    "schedule_state": SCHEDULE_TONES,
    "held_state": HELD_TONES,
}
