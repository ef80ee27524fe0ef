"""What an export of a person's data contains of the scheduler."""

from shared.service.personal_data import PersonalData

# Select schedules that a person asked for, and those that are about or for the person.
SELECT_SCHEDULES = """
SELECT schedule_id, emits, state, rule, timezone, payload->>'title' AS title, payload->>'body' AS body, requested_at,
       requested_by = %(person)s AS requested, due_at, last_run_at, runs
FROM schedule
WHERE school_id = %(school)s AND (requested_by = %(person)s OR strpos(payload::text, %(person)s::text) > 0)
ORDER BY schedule_id DESC LIMIT %(limit)s
"""

PERSONAL_DATA = PersonalData({"schedules": SELECT_SCHEDULES})
