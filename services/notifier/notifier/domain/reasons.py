"""Reasons in words: what the codes of deliveries, outcomes and audiences mean. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

REASONS = {
    "inactive": "the person's account is not active",
    "school_inactive": "the school was not active when it was to be sent",
    "opted_out": "the person does not want notifications of this kind on this channel",
    "unsubscribed": "the person has unsubscribed from mails of this kind",
    "no_address": "the person has no address for this channel",
    "same_address": "another person with the same address receives it",
    "bounced": "mails to this address came back",
    "complained": "the person's mail provider reported a mail of the school as unwanted",
    "address_gone": "the address or device no longer belonged to the person when it was to be sent",
    "corrected": "the record was corrected before it was sent",
    "cancelled": "it was cancelled before it was sent",
    "expired": "it had expired",
    "expired_while_held": "it expired during the person's quiet hours",
    "quiet_hours": "it waits for the end of the person's quiet hours",
    "message_not_built": "its message could not be made from the text; the operators see the error",
    "no_outcome": "the worker that called the provider stopped; it is tried again",
}
OUTCOMES = {
    "accepted": "the provider accepted it",
    "transient": "the provider could not accept it; it is tried again",
    "throttled": "the provider asked for a pause; it is tried again",
    "permanent": "the provider rejects it",
    "bounced": "the mail server does not know the address",
    "token_dead": "the device is no longer registered; it has been removed",
    "config": "the provider rejected our credentials or sender; it is tried again",
    "unknown": "the provider did not answer; it may have accepted it",
    None: "the provider has not answered yet",
}
FINAL_OUTCOMES = {outcome: OUTCOMES[outcome] for outcome in ("permanent", "bounced", "token_dead")}
GIVEN_UP = "the provider did not accept it in any attempt"
GAPS = {
    "receives_first": "they are among the few people who received it first, as a notification of its own",
    "receives_later": "it is for a few people first; others of its audience receive it later",
    "receives_correction": "they had received an earlier version, and receive the correction instead",
    "not_corrected": "it is a correction, and they had not received the version that it corrects",
    "unknown_person": "they are not known at this school",
    "not_named": "they are not among the named people",
    "other_role": "it is for {roles}; they are {own_roles}",
    "left": "they no longer belong to the school",
    "not_yet": "they do not belong to the school yet",
    "guardians_only": "it is for guardians, not for the students themselves",
    "no_student": "they are not a guardian of a student {students}",
    "students_only": "it is for the students themselves, not for guardians",
    "no_responsibility": "it is for guardians with {responsibility}, which they do not have for this student",
    "asked_later": "another guardian is asked first; they are asked if that person does not read it in time",
}
"""Why a person is not in an audience: the first condition that is not met, as audience/sql.py finds it."""
RESPONSIBILITIES = {"care": "custody or emergency"}
IN_AUDIENCE_NOW = "they were not in it when it was planned; they are now"


def describe_reason(reason: str | None, outcome: str | None = None) -> str:
    """Return what a reason's code means; for a provider's own code, what the last `outcome` means."""
    if reason is None or reason in REASONS:
        return REASONS.get(reason or "", "")
    if outcome is None:
        return reason
    return f"{FINAL_OUTCOMES.get(outcome, GIVEN_UP)} ({reason})"


def describe_gap(gap: str | None, audience: Mapping[str, Any], own_roles: Sequence[str]) -> str:
    """Return why a person with `own_roles` is not in an audience; None for one who is in it by now."""
    if gap is None:
        return IN_AUDIENCE_NOW
    responsibility = audience.get("responsibility") or "any"
    return GAPS[gap].format(
        roles=_list(audience.get("roles") or ()),
        own_roles=_list(own_roles),
        students=_name_students(audience),
        responsibility=RESPONSIBILITIES.get(responsibility, responsibility),
    )


def _name_students(audience: Mapping[str, Any]) -> str:
    if audience.get("grade") is not None:
        return f"of grade {audience['grade']}"
    return "of these classes" if audience.get("classes") is not None else "whom it is about"


def _list(roles: Sequence[str]) -> str:
    return ", ".join(role.replace("_", " ") for role in roles)
