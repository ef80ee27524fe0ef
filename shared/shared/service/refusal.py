"""Ends a process that cannot do its work as it is configured: one sentence in its log, no traceback, one exit code."""

import structlog
from pydantic import ValidationError

from shared.errors import Refused

log = structlog.get_logger()

REFUSED = 78
"""The exit code (EX_CONFIG of sysexits.h): a new start changes nothing, the configuration must change."""


def report_refusal(problem: Refused) -> None:
    """Log why the process ends."""
    log.error("service.refused", reason=str(problem))


def wrong_settings(problem: ValidationError) -> Refused:
    """Return what is wrong with the environment, without the values: some are secret."""
    return Refused(
        "; ".join(
            _say(str(each["loc"][0]).upper() if each["loc"] else "", each["type"], each["msg"])
            for each in problem.errors(include_input=False, include_url=False)
        )
    )


def _say(name: str, kind: str, message: str) -> str:
    if kind == "missing":
        return f"{name} is not set"
    reason = message.removeprefix("Value error, ")
    return f"{name}: {reason}" if name and not reason.startswith(name) else reason
