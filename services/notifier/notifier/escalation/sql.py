"""Statements of escalation: cases, the people asked at each step, and how cases end."""

from notifier.audience import sql as audience

# Open a case for each student whose guardians are meant, and for each other person who received the notification.
OPEN_CASES = f"""
WITH {audience.STUDENTS_MEANT}, subject AS (
    SELECT student_id FROM students_meant WHERE 'guardian' = ANY(%(roles)s)
), recipient AS (
    SELECT DISTINCT person_id FROM delivery WHERE notification_id = %(notification_id)s
), of_student AS (
    SELECT g.student_id AS about, g.guardian_id AS person_id
    FROM subject JOIN guardianship g ON g.school_id = %(school_id)s AND g.student_id = subject.student_id
    JOIN recipient ON recipient.person_id = g.guardian_id
), asked AS (
    SELECT about, person_id FROM of_student
    UNION
    SELECT person_id, person_id FROM recipient WHERE person_id NOT IN (SELECT person_id FROM of_student)
), opened AS (
    INSERT INTO escalation (notification_id, about, school_id, due_at, deadline)
    SELECT %(notification_id)s, a.about, %(school_id)s,
           least(clock_timestamp() + make_interval(mins => CASE WHEN a.people > 0 THEN %(minutes)s ELSE 0 END),
                 %(deadline)s::timestamptz),
           %(deadline)s::timestamptz
    FROM (SELECT about, count(person_id) AS people
          FROM (SELECT about, person_id FROM asked UNION ALL SELECT student_id, NULL FROM subject) every_case
          GROUP BY about) a
    ON CONFLICT DO NOTHING
)
INSERT INTO escalation_person (notification_id, about, person_id, school_id, step)
SELECT %(notification_id)s, about, person_id, %(school_id)s, 'first' FROM asked
ON CONFLICT DO NOTHING
"""  # noqa: S608  # constants of our own

# Lock the cases that are due, with what decides their next step. `read` looks at the items again: a person may have
# read one before being asked about the case, or at another school of the group that sent it to them for all.
LOCK_DUE_CASES = """
SELECT e.notification_id, e.about, e.school_id, e.step, n.escalation, n.audience,
    n.state IN ('cancelled', 'failed') OR n.retracted_at IS NOT NULL OR s.active IS FALSE AS over,
    coalesce(e.deadline <= clock_timestamp(), false) AS late,
    EXISTS (SELECT FROM escalation_person p JOIN inbox_item i USING (person_id)
            JOIN notification m ON m.notification_id = i.notification_id
            WHERE p.notification_id = e.notification_id AND p.about = e.about AND i.read_at IS NOT NULL
              AND (coalesce(m.escalates, m.notification_id) = e.notification_id OR m.group_id = n.group_id)) AS read
FROM escalation e JOIN notification n USING (notification_id) LEFT JOIN school s ON s.school_id = e.school_id
WHERE e.state = 'open' AND e.due_at <= statement_timestamp()
ORDER BY e.due_at LIMIT %(limit)s FOR UPDATE OF e SKIP LOCKED
"""

# End cases as reached, missed or stopped.
END_CASES = """
UPDATE escalation SET state = %(state)s, ended_at = clock_timestamp()
WHERE notification_id = %(notification_id)s AND about = ANY(%(abouts)s) AND state = 'open'
"""

# End the cases that a reader was asked about.
CLOSE_CASES = """
UPDATE escalation e SET state = 'reached', reached_by = %(reader)s, ended_at = clock_timestamp()
FROM notification n, escalation_person p
WHERE n.notification_id = ANY(%(notifications)s) AND e.notification_id = coalesce(n.escalates, n.notification_id)
  AND p.notification_id = e.notification_id AND p.about = e.about AND p.person_id = %(reader)s AND e.state = 'open'
"""

# Move cases on by one step; one without a person to ask is due immediately.
ADVANCE_CASES = """
UPDATE escalation SET step = step + 1,
    due_at = least(clock_timestamp() + make_interval(mins => CASE WHEN about = ANY(%(asked)s::uuid[])
                                                                  THEN %(minutes)s ELSE 0 END), deadline)
WHERE notification_id = %(notification_id)s AND about = ANY(%(abouts)s) AND state = 'open'
"""

FIND_ASKED = {
    # People who were asked already and have a mail address.
    "mail": """
SELECT p.about, p.person_id FROM escalation_person p
WHERE p.notification_id = %(notification_id)s AND p.about = ANY(%(abouts)s)
  AND EXISTS (SELECT FROM contact c WHERE c.person_id = p.person_id AND c.kind = 'mail')
  AND NOT EXISTS (SELECT FROM delivery d JOIN notification n USING (notification_id)
                  WHERE coalesce(n.escalates, n.notification_id) = %(notification_id)s
                    AND d.person_id = p.person_id AND d.channel = 'mail')
""",
    # The guardian with the lowest rank who was not asked yet; for a case about a guardian, of the same students.
    "next_guardian": f"""
WITH next AS (
    SELECT DISTINCT ON (c.about) c.about, g.guardian_id AS person_id
    FROM unnest(%(abouts)s::uuid[]) AS c(about)
    JOIN guardianship mine ON mine.school_id = %(school_id)s AND c.about IN (mine.student_id, mine.guardian_id)
    JOIN guardianship g ON g.school_id = %(school_id)s AND g.student_id = mine.student_id
    WHERE {audience.IS_RESPONSIBLE}
      AND NOT EXISTS (SELECT FROM escalation_person p WHERE p.notification_id = %(notification_id)s
                        AND p.about = c.about AND p.person_id = g.guardian_id)
    ORDER BY c.about, g.rank, g.guardian_id
), added AS (
    INSERT INTO escalation_person (notification_id, about, person_id, school_id, step)
    SELECT %(notification_id)s, about, person_id, %(school_id)s, %(step)s FROM next
    ON CONFLICT DO NOTHING
)
SELECT about, person_id FROM next
""",  # noqa: S608  # constants of our own
    # The people of the school's office.
    "office": """
WITH next AS (
    SELECT c.about, o.person_id
    FROM unnest(%(abouts)s::uuid[]) AS c(about), school s, unnest(s.office) AS o(person_id)
    WHERE s.school_id = %(school_id)s
      AND NOT EXISTS (SELECT FROM escalation_person p WHERE p.notification_id = %(notification_id)s
                        AND p.about = c.about AND p.person_id = o.person_id)
), added AS (
    INSERT INTO escalation_person (notification_id, about, person_id, school_id, step)
    SELECT %(notification_id)s, about, person_id, %(school_id)s, %(step)s FROM next
    ON CONFLICT DO NOTHING
)
SELECT about, person_id FROM next
""",
}
"""Step → the people asked about each case now, as (about, person_id)."""

# Find people who have not received the message on any channel; for a mail, not by mail.
SELECT_WITHOUT_MESSAGE = """
SELECT p.person_id FROM unnest(%(people)s::uuid[]) AS p(person_id)
WHERE NOT EXISTS (SELECT FROM delivery d JOIN notification n USING (notification_id)
                  WHERE coalesce(n.escalates, n.notification_id) = %(notification_id)s
                    AND d.person_id = p.person_id AND (d.channel = 'mail' OR NOT %(mail_only)s))
"""

# Create the notification of a step, as a copy of the first one for other people.
INSERT_STEP_NOTIFICATION = """
INSERT INTO notification (notification_id, school_id, task_id, kind, state, urgent, audience, channels, title, body,
                          data, expires_at, directory_version, requested_by, requested_at, origin, origin_version,
                          correction, group_id, template, template_version, variables, escalates)
SELECT %(child)s, school_id, %(task)s, kind, 'waiting', true, %(audience)s, %(channels)s, title, body,
       data, expires_at, 0, requested_by, clock_timestamp(), origin, origin_version, correction, group_id, template,
       template_version, variables, notification_id
FROM notification WHERE notification_id = %(notification_id)s RETURNING kind
"""
