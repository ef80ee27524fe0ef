"""Classifies database errors: outage, contention, or a fault of the statement."""

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from shared.errors import InfrastructureDown

INFRASTRUCTURE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    PoolClosed,
    ConnectionError,
    psycopg.errors.ReadOnlySqlTransaction,
)
"""The database is away, going away, or takes nothing (a standby, a full disk); the statement is not at fault."""


CONTENTION = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)


TOO_MUCH = (
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyArguments,
)
"""A value longer than an index takes, and the like."""


def infrastructure(problem: BaseException) -> bool:
    """Whether the database (not the work) is at fault."""
    return isinstance(problem, INFRASTRUCTURE) and not isinstance(problem, (*CONTENTION, *TOO_MUCH))


def away(problem: BaseException) -> bool:
    """Whether the database or the broker is at fault: nobody's message is, and it can wait."""
    return infrastructure(problem) or isinstance(problem, InfrastructureDown)


def contention(problem: BaseException) -> bool:
    """Whether the statement only came at a bad moment: it may well succeed when it is tried again."""
    return isinstance(problem, CONTENTION)
