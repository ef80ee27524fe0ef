"""The rule of a schedule in words."""

from collections.abc import Mapping
from typing import Any

from gateway.console.page import Page
from gateway.console.texts import N_

UNITS = {
    "day": (N_("Every day at %(time)s"), N_("Every %(every)s days at %(time)s")),
    "week": (N_("Every week at %(time)s"), N_("Every %(every)s weeks at %(time)s")),
    "month": (N_("Every month at %(time)s"), N_("Every %(every)s months at %(time)s")),
}
ONCE_AT = N_("Once, at %(time)s")
ONCE_ON = N_("Once, on %(day)s at %(time)s")
CRON = N_("By the expression %(expression)s")
CLOCK = 5
"""Characters of HH:MM."""


def rule_text(page: Page, rule: Mapping[str, Any] | None) -> str:
    """Return a rule in words, with what the calendar changes of it."""
    if rule is None:
        return "–"
    parts = [_when(page, rule)]
    if rule.get("starts"):
        parts.append(page.text(N_("from %(day)s")) % {"day": rule["starts"]})
    if rule.get("until"):
        parts.append(page.text(N_("until %(day)s")) % {"day": rule["until"]})
    if rule.get("school_days_before"):
        parts.append(page.text(N_("%(days)s school days before")) % {"days": rule["school_days_before"]})
    if rule.get("skip_closed"):
        parts.append(page.text(N_("not on days without school")))
    if rule.get("term"):
        parts.append(page.text(N_("only in term")))
    return ", ".join(parts)


def _when(page: Page, rule: Mapping[str, Any]) -> str:
    if rule["kind"] == "once":
        if rule.get("at"):
            return page.text(ONCE_AT) % {"time": page.moment(rule["at"])}
        return page.text(ONCE_ON) % {"day": rule["on"], "time": str(rule["time"])[:CLOCK]}
    if rule["kind"] == "cron":
        return page.text(CRON) % {"expression": rule["expression"]}
    one, several = UNITS[rule["unit"]]
    every = rule.get("every", 1)
    return page.text(one if every == 1 else several) % {"every": every, "time": str(rule["time"])[:CLOCK]}
