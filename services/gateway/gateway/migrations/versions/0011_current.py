"""One home each in SQL: memberships and enrolments that hold today, and the students that a send means."""

from alembic import op

revision = "gateway_0011_current"
down_revision = "gateway_0010_failures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- The tables and functions below are bound when they are created, so that a reader without this schema on its search
-- path (a copy of the database, a report) finds them. `school_today` was not.
CREATE OR REPLACE FUNCTION school_today(of_school uuid) RETURNS date LANGUAGE sql STABLE
RETURN (SELECT (statement_timestamp() AT TIME ZONE s.timezone)::date FROM school s WHERE s.school_id = of_school);

-- Whether something that ends on `ends` (the first day on which it does not hold) is not over by its school's day.
CREATE FUNCTION is_current(ends date, of_school uuid) RETURNS boolean LANGUAGE sql STABLE
RETURN ends IS NULL OR ends > school_today(of_school);

-- Memberships that are not over. One that has still to begin is among them, with `begun` false: a student who starts
-- next week is on today's lists already. The policies of the role that asks hold.
CREATE VIEW current_membership WITH (security_invoker = true) AS
SELECT m.person_id, m.school_id, m.role, m.grade, m.starts, m.ends, m.sourced_id,
       m.starts IS NULL OR m.starts <= school_today(m.school_id) AS begun
FROM membership m WHERE is_current(m.ends, m.school_id);

-- Enrolments that are not over, in classes that are not. The first is by `lapsed`: an enrolment is over when the event
-- of its student says so.
CREATE VIEW current_enrolment WITH (security_invoker = true) AS
SELECT e.class_id, e.person_id, e.role, e.school_id, e.sourced_id, e.leads, e.starts, e.ends
FROM enrolment e JOIN school_class c USING (class_id) WHERE NOT e.lapsed AND c.active;

-- The students whom a grade or classes mean, as the notifier plans it: active ones of the grade, or in a class.
CREATE FUNCTION audience_students(of_school uuid, of_grade text, of_classes uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE BEGIN ATOMIC
    SELECT s.student_id FROM student s
    WHERE s.school_id = of_school AND s.active AND (s.grade = of_grade OR EXISTS (
        SELECT FROM current_enrolment e
        WHERE e.class_id = ANY(of_classes) AND e.person_id = s.student_id AND e.school_id = s.school_id
          AND e.role = 'student'));
END;
"""
    )
