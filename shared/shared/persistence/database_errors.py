"""Classifies database errors: outage, contention, or an error of the statement."""

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
"""The database is down, is stopping, or accepts no writes (a standby, a full disk). The statement is not the cause."""


CONTENTION = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)
"""Another transaction was in the way; the same statement may succeed later."""


TOO_MUCH = (
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyArguments,
)
"""The statement exceeds a limit, such as a value too long for an index; psycopg counts them as operational errors."""


def is_database_down(problem: BaseException) -> bool:
    """Whether the error is an outage of the database, not an error of the work."""
    return isinstance(problem, INFRASTRUCTURE) and not isinstance(problem, (*CONTENTION, *TOO_MUCH))


def is_unavailable(problem: BaseException) -> bool:
    """Whether the database or the broker is unavailable: the message is not the cause and can wait."""
    return is_database_down(problem) or isinstance(problem, InfrastructureDown)


def is_contention(problem: BaseException) -> bool:
    """Whether another transaction was in the way, so that a new attempt may succeed."""
    return isinstance(problem, CONTENTION)
