"""Refusals of the API in the words of a page."""

from gateway.console.page import Page
from gateway.console.texts import N_
from gateway.problems import Problem

TEXTS = {
    "idempotency_conflict": N_("This form was sent before with other content. Open it again to send something new."),
    "empty_file": N_("The file has no bytes. Choose another one."),
    "school_full": N_("The files of this school take all the space that it has. Delete files that are not needed."),
    "storage_full": N_("There is no room for files. Nothing was stored. Try again in a minute."),
    "unavailable": N_("A part of the system is away. Nothing is lost. Try again in a moment."),
    "unknown_people": N_("This is no student of this school."),
    "stale": N_("This has changed since you opened it. Open it again."),
    "too_late": N_("It is too late for this: it has ended."),
}


def refusal_text(page: Page, problem: Problem) -> str:
    """Return why something was refused, in the reader's language where the console has a text for it."""
    return page.text(TEXTS[problem.code]) if problem.code in TEXTS else problem.detail
