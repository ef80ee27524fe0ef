"""Why somebody was or was not told, in words: pure, from what the rows say."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

REASONS = {
    "inactive": "the person's account is not active",
    "opted_out": "the person does not want notifications of this kind on this channel",
    "unsubscribed": "the person has unsubscribed from mails of this kind",
    "no_address": "there is no address for this channel",
    "same_address": "somebody else with the same address gets it",
    "bounced": "mails to this address came back",
    "complained": "the person's mail provider reported a mail of the school as unwanted",
    "address_gone": "the address or device was no longer the person's when it was to be sent",
    "corrected": "the record was corrected before it was sent",
    "cancelled": "it was stopped before it was sent",
    "expired": "it had expired",
    "expired_while_held": "it expired during the person's quiet hours",
    "quiet_hours": "it waits for the end of the person's quiet hours",
    "no_outcome": "the worker that called the provider was lost; it is tried again",
}
OUTCOMES = {
    "accepted": "the provider took it",
    "transient": "the provider could not take it; it is tried again",
    "throttled": "the provider asked for patience; it is tried again",
    "permanent": "the provider will never take it",
    "bounced": "the mail server does not know the address",
    "token_dead": "the device is no longer registered; it has been forgotten",
    "config": "our own credentials or sender were refused; it is tried again",
    "unknown": "no answer came; it may have been taken",
    None: "no answer has come yet",
}
FINALLY = {outcome: OUTCOMES[outcome] for outcome in ("permanent", "bounced", "token_dead")}
GIVEN_UP = "the provider did not take it for as long as it was tried"
LEFT = "they do not belong to the school any more"
DUTIES = {
    "custody": ("custody",),
    "billing": ("billing",),
    "emergency": ("emergency",),
    "care": ("custody", "emergency"),
}


def sentence(reason: str | None, outcome: str | None = None) -> str:
    """What a reason's code means; of a provider's own code, what its last answer came to for a delivery that failed."""
    if reason is None or reason in REASONS:
        return REASONS.get(reason or "", "")
    if outcome is None:
        return reason
    return f"{FINALLY.get(outcome, GIVEN_UP)} ({reason})"


def not_in_audience(audience: Mapping[str, Any], facts: Mapping[str, Any], today: dt.date) -> list[str]:
    """Why a person is not in an audience, as the directory stands; empty where they are in it now.

    `facts`: `roles` at the school (role, starts, ends), `students` that they answer for (grade, classes, active, the
    duties, `nth` of the guardians with that duty), `student` where they are one themselves, `told`, `except_told`.
    """
    if audience.get("except_told") and facts["except_told"]:
        return ["they had been told of it already, and get the correction instead"]
    if audience.get("told"):
        return [] if facts["told"] else ["it is a correction, and they had not been told of what it corrects"]
    if not facts["roles"] and not facts["students"]:
        return ["they are not known at this school"]
    if audience.get("people") is not None:
        return [] if facts["person_id"] in audience["people"] else ["they are not among the people who were named"]
    if audience.get("school"):
        return _whole_school(audience, facts["roles"], today)
    return _of_students(audience, facts, today)


def _whole_school(audience: Mapping[str, Any], roles: Sequence[Mapping[str, Any]], today: dt.date) -> list[str]:
    meant = [each for each in roles if each["role"] in audience["roles"]]
    if not meant:
        return [f"it is for {_listed(audience['roles'])}; they are {_listed(sorted({r['role'] for r in roles}))}"]
    if all(_past(each, today) for each in meant):
        return [LEFT]
    if all(_past(each, today) or _to_come(each, today) for each in meant):
        return ["they do not belong to the school yet"]
    return []


def _of_students(audience: Mapping[str, Any], facts: Mapping[str, Any], today: dt.date) -> list[str]:
    """A grade's, classes' or students' guardians, or the students themselves."""
    own = facts["student"]
    if own is not None and _meant(audience, own):
        return [] if "student" in audience["roles"] else ["it is for guardians, not for the students themselves"]
    theirs = [each for each in facts["students"] if _meant(audience, each)]
    if not theirs:
        return [f"they answer for no student {_named(audience)}"]
    if "guardian" not in audience["roles"]:
        return ["it is for the students themselves, not for guardians"]
    if any(each["role"] == "guardian" and _past(each, today) for each in facts["roles"]):
        return [LEFT]
    return _by_duty(audience, theirs, first_only=facts["first_only"])


def _by_duty(audience: Mapping[str, Any], theirs: Sequence[Mapping[str, Any]], *, first_only: bool) -> list[str]:
    duty = audience.get("responsibility") or "any"
    wanted = DUTIES.get(duty, ())
    fit = [each for each in theirs if not wanted or any(each[name] for name in wanted)]
    if not fit:
        return [f"it is for guardians with {' or '.join(wanted)}, which they do not have for this student"]
    if first_only and all(each["nth"] > 1 for each in fit):
        return ["another guardian is asked first; they are asked when that one does not read it in time"]
    return []


def _meant(audience: Mapping[str, Any], student: Mapping[str, Any]) -> bool:
    if str(student["student_id"]) in (audience.get("students") or ()):
        return True
    classes = {str(each) for each in student["classes"]} & set(audience.get("classes") or ())
    in_grade = audience.get("grade") is not None and student["grade"] == audience["grade"]
    return bool(student["active"] and (in_grade or classes))


def _named(audience: Mapping[str, Any]) -> str:
    if audience.get("grade") is not None:
        return f"of grade {audience['grade']}"
    return "of these classes" if audience.get("classes") is not None else "whom it is about"


def _past(role: Mapping[str, Any], today: dt.date) -> bool:
    return role["ends"] is not None and role["ends"] <= today


def _to_come(role: Mapping[str, Any], today: dt.date) -> bool:
    return role["starts"] is not None and role["starts"] > today


def _listed(roles: Sequence[str]) -> str:
    return ", ".join(role.replace("_", " ") for role in roles)
