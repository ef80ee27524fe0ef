"""Describes errors without values of the data, which may be personal: text, traceback and fingerprint."""

import hashlib
import traceback

import psycopg
from pydantic import ValidationError

from shared.errors import SchoolConnectError


def describe(problem: BaseException) -> str:
    """Describe an error without values of the data: the text of our own errors, else the class and the place."""
    if isinstance(problem, ValidationError):
        places = ", ".join(".".join(map(str, e["loc"])) + " " + e["type"] for e in problem.errors())
        return f"ValidationError: {places}"
    if isinstance(problem, SchoolConnectError):
        return f"{type(problem).__name__}: {problem}"
    if isinstance(problem, psycopg.Error):
        named = problem.diag.constraint_name or problem.diag.table_name or ""
        return f"{type(problem).__name__}: {problem.sqlstate or ''} {named}".rstrip()
    return f"{type(problem).__name__} at {place(problem)}"


def place(problem: BaseException) -> str:
    """Return file and function of the innermost frame, without a line number, so that edits keep the fingerprint."""
    frame = problem.__traceback__
    if frame is None:
        return "nowhere"
    while frame.tb_next is not None:
        frame = frame.tb_next
    code = frame.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_name}"


def trace(problem: BaseException) -> str:
    """Format a traceback without the texts of errors, because a database error may quote a row."""
    parts = []
    seen: BaseException | None = problem
    while seen is not None:
        parts.append("".join(traceback.format_tb(seen.__traceback__)) + describe(seen))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\ncaused by:\n".join(parts)


def fingerprint(queue: str, problem: BaseException) -> str:
    """Return a text that is equal for equal faults of one consumer, so that failures can be grouped."""
    kind = f"{queue}|{type(problem).__name__}|{place(problem)}"
    return hashlib.sha256(kind.encode()).hexdigest()[:16]
