"""Statements of the figures. Each gives what was valid as of the offsets `directory`, `records` and `work`.

Periods are half-open (`starts` up to and without `ends`), so that neighbours share no day. A version counts if no newer
one is at or below the offset; the primary keys make that check cheap.
"""

# Find the name and the timezone of a school.
SELECT_SCHOOL = """
SELECT name, timezone, language FROM school_fact
WHERE school_id = %(school)s AND log_offset <= %(directory)s ORDER BY version DESC LIMIT 1
"""

# The newest name of the student of a row `f`.
WITH_NAME = """
LEFT JOIN LATERAL (
    SELECT concat_ws(' ', p.given_name, p.family_name) AS name FROM person_fact p
    WHERE p.person_id = f.student_id AND p.log_offset <= %(directory)s ORDER BY p.version DESC LIMIT 1
) person ON true
"""
# The grade of the student of a row `f` at the end of the period; of one who came later, the first one.
WITH_GRADE = """
LEFT JOIN LATERAL (
    SELECT s.grade FROM student_fact s
    WHERE s.school_id = f.school_id AND s.student_id = f.student_id AND s.log_offset <= %(directory)s
    ORDER BY s.changed_at < %(ends_at)s DESC,
        CASE WHEN s.changed_at < %(ends_at)s THEN -s.version ELSE s.version END LIMIT 1
) pupil ON true
"""

# List who was at a school, from when until when. A student without a date of leaving left on the day of that change.
WITH_ENROLMENTS = """
WITH newest AS (
    SELECT DISTINCT ON (student_id) student_id, school_id, version, active, changed_at FROM student_fact
    WHERE school_id = %(school)s AND log_offset <= %(directory)s ORDER BY student_id, version DESC
), enrolment AS (
    SELECT f.student_id, f.school_id, m.starts,
        coalesce(m.ends, CASE WHEN NOT f.active THEN (f.changed_at AT TIME ZONE %(timezone)s)::date END) AS ends,
        concat_ws(' ', p.given_name, p.family_name) AS name
    FROM newest f
    LEFT JOIN LATERAL (
        SELECT * FROM person_fact p WHERE p.person_id = f.student_id AND p.log_offset <= %(directory)s
        ORDER BY p.version DESC LIMIT 1
    ) p ON true
    LEFT JOIN membership_fact m ON m.person_id = p.person_id AND m.version = p.version AND m.school_id = f.school_id
)
"""
# Count the students of each grade at the end of the last day.
COUNT_STUDENTS = f"""
{WITH_ENROLMENTS}
SELECT coalesce(pupil.grade, '') AS grade, count(*) AS students,
    count(*) FILTER (WHERE f.starts >= %(starts)s) AS joined
FROM enrolment f {WITH_GRADE}
WHERE (f.starts IS NULL OR f.starts < %(ends)s) AND (f.ends IS NULL OR f.ends >= %(ends)s)
GROUP BY 1 ORDER BY 1
"""  # noqa: S608  # parts of our own
# List who joined and who left in the period.
LIST_MOVEMENT = f"""
{WITH_ENROLMENTS}
SELECT f.starts, f.ends, f.name, coalesce(pupil.grade, '') AS grade FROM enrolment f {WITH_GRADE}
WHERE (f.starts >= %(starts)s AND f.starts < %(ends)s AND (f.ends IS NULL OR f.ends > f.starts))
   OR (f.ends >= %(starts)s AND f.ends < %(ends)s)
ORDER BY f.starts, f.name, f.student_id
"""  # noqa: S608  # parts of our own

LIST_RECORDS = """
SELECT f.student_id, f.day, {columns}, coalesce(person.name, '') AS student, coalesce(pupil.grade, '') AS grade
FROM {table} f {with_name} {with_grade}
WHERE f.school_id = %(school)s {of_student} AND f.day >= %(since)s AND f.day < %(ends)s
  AND f.log_offset <= %(records)s AND NOT f.withdrawn
  AND NOT EXISTS (SELECT FROM {table} n WHERE n.school_id = f.school_id AND n.record_id = f.record_id
                    AND n.version > f.version AND n.log_offset <= %(records)s)
ORDER BY f.day, f.record_id
"""
OF_STUDENT = "AND f.student_id = %(student)s"


def _records(table: str, columns: str, of_student: str = "") -> str:
    return LIST_RECORDS.format(
        table=table, columns=columns, of_student=of_student, with_name=WITH_NAME, with_grade=WITH_GRADE
    )


# List records of a school, from the start of the period before on.
LIST_BEHAVIOR = _records("behavior_fact", "f.category, f.severity, f.description")
LIST_ABSENCES = _records("absence_fact", "f.status, f.period, f.reason")
# List records of one student.
LIST_STUDENT_BEHAVIOR = _records("behavior_fact", "f.category, f.severity, f.description", OF_STUDENT)
LIST_STUDENT_ABSENCES = _records("absence_fact", "f.status, f.period, f.reason", OF_STUDENT)
LIST_STUDENT_GRADES = _records("grade_fact", "f.course, f.term, f.grade AS given", OF_STUDENT)
LIST_STUDENT_REMARKS = _records("remark_fact", "f.text", OF_STUDENT)

# Find a student: name, grade and whether they are one of this school.
SELECT_STUDENT = f"""
SELECT coalesce(person.name, '') AS name, coalesce(pupil.grade, '') AS grade
FROM (SELECT %(school)s::uuid AS school_id, %(student)s::uuid AS student_id) f {WITH_NAME} {WITH_GRADE}
WHERE EXISTS (SELECT FROM student_fact s WHERE s.school_id = f.school_id AND s.student_id = f.student_id
                AND s.log_offset <= %(directory)s)
"""  # noqa: S608  # parts of our own
# Count what was sent, reached people and was read, in the period and in the one before.
COUNT_NOTIFICATIONS = """
WITH completed AS (
    SELECT f.completed_at >= %(starts_at)s AS now, f.sent, f.delivered FROM notification_fact f
    WHERE f.school_id = %(school)s AND f.completed_at >= %(since_at)s AND f.completed_at < %(ends_at)s
      AND f.log_offset <= %(work)s
      AND NOT EXISTS (SELECT FROM notification_fact n WHERE n.notification_id = f.notification_id
                        AND n.log_offset > f.log_offset AND n.log_offset <= %(work)s)
), readings AS (
    SELECT r.read_at >= %(starts_at)s AS now FROM read_fact r
    WHERE r.school_id = %(school)s AND r.read_at >= %(since_at)s AND r.read_at < %(ends_at)s
      AND r.log_offset <= %(work)s
)
SELECT period.now, coalesce((SELECT sum(c.sent) FROM completed c WHERE c.now = period.now), 0)::bigint AS sent,
    coalesce((SELECT sum(c.delivered) FROM completed c WHERE c.now = period.now), 0)::bigint AS delivered,
    (SELECT count(*) FROM readings r WHERE r.now = period.now) AS read
FROM (VALUES (true), (false)) AS period(now)
"""
