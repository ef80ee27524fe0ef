"""Decides about a message whose handler failed: retry after a tier, or the dead letters."""

from dataclasses import dataclass

from shared.errors import Malformed, Reject, Retry


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Keep the message in a retry tier for `seconds`, then return it to its queue."""

    seconds: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Move the message to the dead letters."""


def decide(
    problem: BaseException, attempts: int, tiers: tuple[int, ...], *, returned: bool = False
) -> RetryAfter | GiveUp:
    """Decide about a failed message. `attempts` includes this failure; each tier is used once, in order.

    A message that an operator `returned` has been through the tiers: only an error that asks for a later time uses them
    again.
    """
    if isinstance(problem, Reject | Malformed) or attempts > len(tiers):
        return GiveUp()
    if returned and not isinstance(problem, Retry):
        return GiveUp()
    if isinstance(problem, Retry) and problem.after is not None:
        wanted = problem.after.total_seconds()
        return RetryAfter(next((tier for tier in tiers if tier >= wanted), tiers[-1]))
    return RetryAfter(tiers[attempts - 1])
