"""A school year of facts for the report service, written by SQL: what its projection would have made of the log."""

import psycopg

from benchmarks.harness import Lab

FIRST_DAY, DAYS = "2025-09-01", 300
RECORDS = {"absence": 1, "behavior": 1, "payment": 1, "grade": 1, "remark": 0}
"""Records of a student in the year; a payment has two versions. Five facts, besides those of the directory."""

# Fill the directory: a student has two versions after a change of class.
FILL_DIRECTORY = (
    """
INSERT INTO school_fact (school_id, version, log_offset, name, timezone, language, active)
SELECT md5('school' || n)::uuid, 1, n, 'Demo ' || n, 'Europe/Berlin', 'en', true
FROM generate_series(1, %(schools)s) n
""",
    """
INSERT INTO student_fact (school_id, student_id, version, log_offset, changed_at, grade, active)
SELECT md5('school' || s)::uuid, (lpad(to_hex(s), 8, '0') || lpad(to_hex(n), 24, '0'))::uuid, v, 1000 + v,
       '2025-08-01', lpad((n %% 12 + 1)::text, 2, '0'), true
FROM generate_series(1, %(schools)s) s, generate_series(1, %(students)s) n, generate_series(1, %(versions)s) v
""",
    """
INSERT INTO person_fact (person_id, version, log_offset, given_name, family_name, erased)
SELECT student_id, version, log_offset, 'Ada', 'Demo', false FROM student_fact
""",
    """
INSERT INTO membership_fact (person_id, version, log_offset, school_id, starts, ends)
SELECT student_id, version, log_offset, school_id,
       CASE WHEN hashtext(student_id::text) %% 20 = 0 THEN '2026-03-02'::date END, NULL
FROM student_fact
""",
    """
INSERT INTO school_position (school_id, stream, log_offset)
SELECT school_id, stream, 1000000000 FROM school_fact,
    unnest(ARRAY['school.log.directory', 'school.log.records', 'school.log.work']) stream
""",
)
# Fill records of one kind: `%(each)s` for each student, on days that are spread over the year.
FILL_RECORDS = """
INSERT INTO {table} (record_id, version, log_offset, school_id, student_id, day, withdrawn, {names})
SELECT (lpad(to_hex(day.day - '2000-01-01'), 8, '0') || left(md5('{table}' || s.student_id || n), 24))::uuid, v,
       5000 + n * 10 + v, s.school_id, s.student_id, day.day, false, {values}
FROM student_fact s, generate_series(1, %(each)s) n, generate_series(1, {versions}) v,
LATERAL (SELECT %(first)s::date + abs(hashtext('{table}' || s.student_id || n)) %% %(days)s AS day,
                abs(hashtext(n || '{table}' || s.student_id)) AS dice) day
WHERE s.version = 1 ORDER BY day.day
"""
OWN = {
    "absence": ("period, status, reason", "NULL, (ARRAY['absent', 'late', 'excused'])[dice % 3 + 1], 'bus'", 1),
    "behavior": (
        "category, severity, description",
        "(ARRAY['lateness', 'disruption', 'helpfulness'])[dice % 3 + 1], 'minor', 'A made-up text.'",
        1,
    ),
    "payment": (
        "status, amount, currency, due_on, paid_on, purpose, reference",
        """CASE v WHEN 1 THEN 'due' ELSE 'received' END, dice % 9000 / 100.0, 'EUR', day.day,
           CASE v WHEN 2 THEN day.day + dice % 20 END, 'School trip', NULL""",
        2,
    ),
    "grade": ("course, term, grade", "(ARRAY['Art', 'Languages', 'Physics'])[dice % 3 + 1], NULL, 'B+'", 1),
    "remark": ("text", "'A made-up remark.'", 1),
}
FILL_NOTIFICATIONS = (
    """
INSERT INTO notification_fact (notification_id, log_offset, school_id, completed_at, sent, delivered)
SELECT md5(s.school_id || '/' || n)::uuid, n, s.school_id, %(first)s::date + n %% %(days)s, 900, 880
FROM school_fact s, generate_series(1, 600) n
""",
    """
INSERT INTO read_fact (notification_id, person_id, log_offset, school_id, read_at)
SELECT n.notification_id, md5(n.notification_id || '/' || p)::uuid, n.log_offset, n.school_id, n.completed_at
FROM notification_fact n, generate_series(1, 5) p
""",
)


def fill(lab: Lab, admin_url: str, schools: int, students: int, times: int = 1, versions: int = 2) -> int:
    """Write the facts of a year, vacuumed as autovacuum does within a minute; returns their number.

    A student has `times` the records of RECORDS, and so many versions in the directory.
    """
    values = {"schools": schools, "students": students, "versions": versions, "first": FIRST_DAY, "days": DAYS}
    number = 0
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SET search_path = reports, public")
        for statement in FILL_DIRECTORY:
            number += admin.execute(statement, values).rowcount
        for kind, (names, shown, copies) in OWN.items():
            statement = FILL_RECORDS.format(
                table=f"{kind}_fact", names=names, values=shown.replace("%", "%%"), versions=copies
            )
            number += admin.execute(statement, values | {"each": RECORDS[kind] * times}).rowcount
        for statement in FILL_NOTIFICATIONS:
            number += admin.execute(statement, values).rowcount
        admin.execute("VACUUM (ANALYZE)")
    lab.say(f"{number:,} facts of {schools} schools are written")
    return number
