"""As of which offsets a report is made, and whether the facts that its requester had seen have arrived."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.transactions.unit_of_work import UnitOfWork

# Find up to where the log says something about a school.
SELECT_POSITION = """
SELECT coalesce(max(log_offset) FILTER (WHERE stream = 'school.log.directory'), -1) AS directory,
    coalesce(max(log_offset) FILTER (WHERE stream = 'school.log.records'), -1) AS records,
    coalesce(max(log_offset) FILTER (WHERE stream = 'school.log.work'), -1) AS work
FROM school_position WHERE school_id = %(school)s
"""
# Count what has not arrived: the directory up to a version, and versions of records.
COUNT_MISSING = """
SELECT (%(version)s > 0 AND NOT EXISTS (SELECT FROM directory_seen s WHERE s.school_id = %(school)s
          AND s.versions @> int8range(1, %(version)s, '[]')))::int
    + (SELECT count(*) FROM unnest(%(records)s::uuid[], %(versions)s::bigint[]) AS w(record_id, version)
       WHERE NOT EXISTS (SELECT FROM behavior_fact f WHERE (f.record_id, f.version) = (w.record_id, w.version))
         AND NOT EXISTS (SELECT FROM payment_fact f WHERE (f.record_id, f.version) = (w.record_id, w.version))
         AND NOT EXISTS (SELECT FROM absence_fact f WHERE (f.record_id, f.version) = (w.record_id, w.version))
         AND NOT EXISTS (SELECT FROM grade_fact f WHERE (f.record_id, f.version) = (w.record_id, w.version))
         AND NOT EXISTS (SELECT FROM remark_fact f WHERE (f.record_id, f.version) = (w.record_id, w.version)))
    AS missing
"""


@dataclass(frozen=True, slots=True)
class Position:
    """An offset in each stream that reports are made from; -1: nothing."""

    directory: int
    records: int
    work: int


async def newest_position(tx: UnitOfWork, school: UUID) -> Position:
    """Return the newest position about a school."""
    row = await tx.row(SELECT_POSITION, {"school": school})
    assert row is not None
    return Position(**row)


async def count_missing(tx: UnitOfWork, school: UUID, directory_version: int, records: Mapping[UUID, int]) -> int:
    """Count the facts that a request was based on and that have not arrived."""
    values = {
        "school": school,
        "version": directory_version,
        "records": list(records),
        "versions": list(records.values()),
    }
    row = await tx.row(COUNT_MISSING, values)
    assert row is not None
    return int(row["missing"])
