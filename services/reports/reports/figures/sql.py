"""Statements of the figures. Each gives what was valid as of the offsets `directory`, `records` and `work`.

Periods are half-open (`starts` up to and without `ends`), so that neighbours share no day. A version counts if no newer
one is at or below the offset; the primary keys make that check cheap.
"""

# Find the name, the timezone and the look of a school.
SELECT_SCHOOL = """
SELECT name, timezone, language, letterhead, color, logo FROM school_fact
WHERE school_id = %(school)s AND log_offset <= %(directory)s ORDER BY version DESC LIMIT 1
"""

# List every student who is or was at a school: from when until when, and the grade. A student without a date of leaving
# left on the day of the change that said so. The grade is that of the end of the period; of a student who came later,
# the first one. Both parts read an index in its own order, so that nothing is sorted.
LIST_STUDENTS = """
WITH newest AS (
    SELECT DISTINCT ON (student_id) student_id, active, changed_at, grade FROM student_fact
    WHERE school_id = %(school)s AND log_offset <= %(directory)s ORDER BY student_id, version DESC
), membership AS (
    SELECT DISTINCT ON (person_id) person_id, starts, ends FROM membership_fact
    WHERE school_id = %(school)s AND log_offset <= %(directory)s ORDER BY person_id, version DESC
)
SELECT f.student_id, m.starts,
    coalesce(m.ends, CASE WHEN NOT f.active THEN (f.changed_at AT TIME ZONE %(timezone)s)::date END) AS ends,
    coalesce(CASE WHEN f.changed_at < %(ends_at)s THEN f.grade ELSE (
        SELECT s.grade FROM student_fact s
        WHERE s.school_id = %(school)s AND s.student_id = f.student_id AND s.log_offset <= %(directory)s
        ORDER BY s.changed_at < %(ends_at)s DESC,
            CASE WHEN s.changed_at < %(ends_at)s THEN -s.version ELSE s.version END LIMIT 1) END, '') AS grade
FROM newest f LEFT JOIN membership m ON m.person_id = f.student_id
"""
# Find the newest names of students. Only those in a list of the report need one.
LIST_NAMES = """
SELECT DISTINCT ON (person_id) person_id, concat_ws(' ', given_name, family_name) AS name FROM person_fact
WHERE person_id = ANY(%(students)s) AND log_offset <= %(directory)s ORDER BY person_id, version DESC
"""

# Find the newest versions of records. Only corrections can replace a version, and there are few: they have an index.
LIST_RECORDS = """
SELECT f.student_id, f.day, {columns}
FROM {table} f
WHERE f.school_id = %(school)s {of_student} AND f.day >= %(since)s AND f.day < %(ends)s
  AND f.log_offset <= %(records)s AND NOT f.withdrawn
  AND NOT EXISTS (SELECT FROM {table} n WHERE n.school_id = f.school_id AND n.record_id = f.record_id
                    AND n.version > 1 AND n.version > f.version AND n.log_offset <= %(records)s)
ORDER BY f.day, f.record_id
"""
OF_STUDENT = "AND f.student_id = %(student)s"


def _records(table: str, columns: str, of_student: str = "") -> str:
    return LIST_RECORDS.format(table=table, columns=columns, of_student=of_student)


# List records of a school, from the start of the period before on.
LIST_BEHAVIOR = _records("behavior_fact", "f.category, f.severity, f.description")
LIST_ABSENCES = _records("absence_fact", "f.status, f.period, f.reason")
# List records of one student.
LIST_STUDENT_BEHAVIOR = _records("behavior_fact", "f.category, f.severity, f.description", OF_STUDENT)
LIST_STUDENT_ABSENCES = _records("absence_fact", "f.status, f.period, f.reason", OF_STUDENT)
LIST_STUDENT_GRADES = _records("grade_fact", "f.course, f.term, f.grade AS given, f.state", OF_STUDENT)
LIST_STUDENT_REMARKS = _records("remark_fact", "f.text", OF_STUDENT)

# Find a student: the newest name, grade and classes at the end of the period; of one who came later, the first ones. A
# roster brings a student before the classes, so that the first version has none.
SELECT_STUDENT = """
SELECT coalesce(person.name, '') AS name, coalesce(pupil.grade, '') AS grade, pupil.class_names
FROM (
    SELECT s.grade, s.class_names FROM student_fact s
    WHERE s.school_id = %(school)s AND s.student_id = %(student)s AND s.log_offset <= %(directory)s
    ORDER BY s.changed_at < %(ends_at)s DESC, s.changed_at >= %(ends_at)s AND s.class_names = '{}',
        CASE WHEN s.changed_at < %(ends_at)s THEN -s.version ELSE s.version END LIMIT 1
) pupil LEFT JOIN (
    SELECT concat_ws(' ', p.given_name, p.family_name) AS name FROM person_fact p
    WHERE p.person_id = %(student)s AND p.log_offset <= %(directory)s ORDER BY p.version DESC LIMIT 1
) person ON true
"""
# Count what was sent, reached people and was read, in the period and in the one before. A newer completion of the same
# notification is no older than the first period: it is looked for among those of the periods.
COUNT_NOTIFICATIONS = """
WITH completed AS (
    SELECT f.completed_at >= %(starts_at)s AS now, f.sent, f.delivered FROM notification_fact f
    WHERE f.school_id = %(school)s AND f.completed_at >= %(since_at)s AND f.completed_at < %(ends_at)s
      AND f.log_offset <= %(work)s
      AND NOT EXISTS (SELECT FROM notification_fact n WHERE n.school_id = f.school_id
                        AND n.completed_at >= %(since_at)s AND n.notification_id = f.notification_id
                        AND n.log_offset > f.log_offset AND n.log_offset <= %(work)s)
), reached AS (
    SELECT sum(sent) FILTER (WHERE now) AS sent, sum(sent) FILTER (WHERE NOT now) AS sent_before,
        sum(delivered) FILTER (WHERE now) AS delivered, sum(delivered) FILTER (WHERE NOT now) AS delivered_before
    FROM completed
), readings AS (
    SELECT count(*) FILTER (WHERE r.read_at >= %(starts_at)s) AS read,
        count(*) FILTER (WHERE r.read_at < %(starts_at)s) AS read_before
    FROM read_fact r
    WHERE r.school_id = %(school)s AND r.read_at >= %(since_at)s AND r.read_at < %(ends_at)s
      AND r.log_offset <= %(work)s
)
SELECT * FROM reached, readings
"""
