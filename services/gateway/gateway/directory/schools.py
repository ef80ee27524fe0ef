"""Schools, their settings and their calendars: written whole, published with their version."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql
from uuid_utils.compat import uuid7

from gateway.directory import publish
from gateway.problems import Problem
from shared.http.preconditions import check_version
from shared.transactions.unit_of_work import UnitOfWork

# Add a school; returns the id unless the sourcedId is used.
INSERT_SCHOOL = """
INSERT INTO school (school_id, sourced_id, name, timezone, language, mute_details, announces, quiet_starts, quiet_ends,
                    digest_at, office)
VALUES (%(school_id)s, %(sourced_id)s, %(name)s, %(timezone)s, %(language)s, %(mute_details)s, %(announces)s,
        %(quiet_starts)s, %(quiet_ends)s, %(digest_at)s, %(office)s)
ON CONFLICT DO NOTHING RETURNING school_id
"""
# Lock a school.
LOCK_SCHOOL = "SELECT version FROM school WHERE school_id = %(school)s FOR NO KEY UPDATE"
SETTINGS = (
    "name",
    "timezone",
    "language",
    "active",
    "mute_details",
    "announces",
    "quiet_starts",
    "quiet_ends",
    "digest_at",
    "office",
    "letterhead",
    "color",
    "logo_file",
    "logo",
    "approval_above",
)
# Select which people work at a school today.
SELECT_STAFF = """
SELECT DISTINCT person_id FROM current_membership WHERE school_id = %(school)s AND person_id = ANY(%(people)s)
  AND role NOT IN ('guardian', 'student')
"""

# Make the calendars of schools that have none.
INSERT_CALENDARS = "INSERT INTO calendar (school_id) SELECT unnest(%(schools)s::uuid[]) ON CONFLICT DO NOTHING"
# Lock a calendar.
LOCK_CALENDAR = "SELECT version FROM calendar WHERE school_id = %(school)s FOR NO KEY UPDATE"
# Raise the version of a calendar, and set its school days if given.
BUMP_CALENDAR = """
UPDATE calendar SET version = version + 1, weekdays = coalesce(%(weekdays)s, weekdays) WHERE school_id = %(school)s
"""
# Terms that a roster brought keep their sourcedId as long as name and kind say that they are the same.
DELETE_TERMS = "DELETE FROM term WHERE school_id = %(school)s AND NOT (term_id = ANY(%(kept)s))"
# Select the terms of a school.
SELECT_TERMS = "SELECT term_id, name, kind FROM term WHERE school_id = %(school)s"
# Add terms, or change their days.
UPSERT_TERMS = """
INSERT INTO term AS t (term_id, school_id, name, kind, starts, ends)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(term_id uuid, school_id uuid, name text, kind text, starts date,
                                                ends date)
ON CONFLICT (term_id) DO UPDATE SET starts = excluded.starts, ends = excluded.ends
"""
# Delete all closures of a school.
DELETE_CLOSURES = "DELETE FROM closure WHERE school_id = %(school)s"
# Add closures.
INSERT_CLOSURES = """
INSERT INTO closure (closure_id, school_id, name, starts, ends)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(closure_id uuid, school_id uuid, name text, starts date, ends date)
"""
# Add one closure.
INSERT_CLOSURE = "INSERT INTO closure VALUES (%(closure)s, %(school)s, %(name)s, %(starts)s, %(ends)s)"
# Delete one closure; returns its id.
DELETE_CLOSURE = "DELETE FROM closure WHERE school_id = %(school)s AND closure_id = %(closure)s RETURNING closure_id"


async def add(tx: UnitOfWork, school: UUID, settings: Mapping[str, Any]) -> None:
    """Add a school; 409 when another school has the sourcedId."""
    if await tx.row(INSERT_SCHOOL, {"school_id": school, **settings}) is None:
        raise Problem(409, "conflict", "Another school has this sourced_id.")
    await publish.emit_states(tx, schools=[school])


async def change(tx: UnitOfWork, school: UUID, expected: int | None, settings: Mapping[str, Any]) -> None:
    """Change settings; 422 lists the people of `office` who do not work at the school."""
    row = await tx.row(LOCK_SCHOOL, {"school": school})
    if row is None:
        raise Problem(404, "not_found")
    check_version(expected, row["version"])
    if office := settings.get("office"):
        found = await tx.rows(SELECT_STAFF, {"school": school, "people": list(office)})
        if unknown := sorted({*office} - {row["person_id"] for row in found}):
            raise Problem(422, "unknown_people", people=[str(person) for person in unknown])
    names = [name for name in SETTINGS if name in settings]
    assigned = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names]
    statement = sql.SQL("UPDATE school SET version = version + 1{}{} WHERE school_id = {}")
    clause = sql.SQL(", ") if names else sql.SQL("")
    query = statement.format(clause, sql.SQL(", ").join(assigned), sql.Placeholder("school"))
    await tx.execute(query, {"school": school, **settings})
    await publish.emit_states(tx, schools=[school])


async def replace_calendar(
    tx: UnitOfWork,
    school: UUID,
    expected: int | None,
    weekdays: Sequence[int] | None,
    terms: Sequence[Mapping[str, Any]] | None,
    closures: Sequence[Mapping[str, Any]] | None,
) -> None:
    """Replace school days, terms and closures; None leaves a part as it is."""
    await _open(tx, school, expected)
    if terms is not None:
        known = {(row["name"], row["kind"]): row["term_id"] for row in await tx.rows(SELECT_TERMS, {"school": school})}
        wanted = [{"term_id": known.get((t["name"], t["kind"])) or uuid7(), "school_id": school, **t} for t in terms]
        await tx.execute(DELETE_TERMS, {"school": school, "kept": [term["term_id"] for term in wanted]})
        await tx.execute(UPSERT_TERMS, publish.rows(wanted))
    if closures is not None:
        await tx.execute(DELETE_CLOSURES, {"school": school})
        rows = [{"closure_id": uuid7(), "school_id": school, **closure} for closure in closures]
        await tx.execute(INSERT_CLOSURES, publish.rows(rows))
    await _publish(tx, school, weekdays)


async def close(tx: UnitOfWork, school: UUID, expected: int | None, closure: UUID, days: Mapping[str, Any]) -> None:
    """Close a school for some days (`name`, `starts`, `ends`): snow."""
    await _open(tx, school, expected)
    await tx.execute(INSERT_CLOSURE, {"closure": closure, "school": school, **days})
    await _publish(tx, school)


async def reopen(tx: UnitOfWork, school: UUID, expected: int | None, closure: UUID) -> None:
    """Delete a closure; 404 when there is none."""
    await _open(tx, school, expected)
    if await tx.row(DELETE_CLOSURE, {"school": school, "closure": closure}) is None:
        raise Problem(404, "not_found")
    await _publish(tx, school)


async def _open(tx: UnitOfWork, school: UUID, expected: int | None) -> None:
    if await tx.row("SELECT FROM school WHERE school_id = %(school)s", {"school": school}) is None:
        raise Problem(404, "unknown_school")
    await tx.execute(INSERT_CALENDARS, {"schools": [school]})
    row = await tx.row(LOCK_CALENDAR, {"school": school})
    assert row is not None
    check_version(expected, row["version"])


async def _publish(tx: UnitOfWork, school: UUID, weekdays: Sequence[int] | None = None) -> None:
    days = list(weekdays) if weekdays is not None else None
    await tx.execute(BUMP_CALENDAR, {"school": school, "weekdays": days})
    await publish.emit_states(tx, calendars=[school])
