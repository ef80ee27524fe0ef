"""What becomes of a message whose handler failed: again after a while, or to the dead letters. Pure decisions."""

from dataclasses import dataclass

from shared.errors import Malformed, Reject, Retry


@dataclass(frozen=True, slots=True)
class Again:
    """Hold the message for `seconds` (one of the tiers), then give it back to its queue."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Dead:
    """Give the message to the dead letters."""


def decide(problem: BaseException, attempts: int, tiers: tuple[int, ...]) -> Again | Dead:
    """`attempts`: how often the handler has failed, this time included. Each tier is used once, in order."""
    if isinstance(problem, Reject | Malformed) or attempts > len(tiers):
        return Dead()
    if isinstance(problem, Retry) and problem.after is not None:
        wanted = problem.after.total_seconds()
        return Again(next((tier for tier in tiers if tier >= wanted), tiers[-1]))
    return Again(tiers[attempts - 1])
