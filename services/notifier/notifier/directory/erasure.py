"""People who were erased: what stands here of them in plain text goes too; counts and reasons stay.

The event of an erased person is a blank one, inactive, without a name or an address; their key is gone by then. A sweep
takes what they were told at, and what was told about them, out of the tables: nothing of it is needed to deliver.
"""

from notifier.planning import cancel, planner
from shared.transactions.unit_of_work import UnitOfWork

AT_ONCE = 50

ERASED = """
SELECT p.person_id FROM person p
WHERE NOT p.active AND coalesce(p.given_name, '') = '' AND coalesce(p.family_name, '') = ''
  AND NOT EXISTS (SELECT FROM contact c WHERE c.person_id = p.person_id)
  AND NOT EXISTS (SELECT FROM device d WHERE d.person_id = p.person_id)
  AND NOT EXISTS (SELECT FROM forgotten f WHERE f.person_id = p.person_id)
ORDER BY p.person_id LIMIT %(limit)s
"""

# What was told about a student: by its record, corrections included, or because it named nobody else. What of it is
# open is stopped; what a worker holds at this moment, by its next claim.
WORDS = """
WITH about AS (
    SELECT n.notification_id, n.school_id, n.origin FROM notification n
    WHERE jsonb_typeof(n.audience -> 'students') = 'array' AND n.audience -> 'students' ?| %(ids)s
      AND (n.origin IS NOT NULL OR jsonb_array_length(n.audience -> 'students') = 1)
), meant AS (
    SELECT notification_id FROM about
    UNION
    SELECT n.notification_id FROM notification n JOIN about a ON n.school_id = a.school_id AND n.origin = a.origin
    UNION
    SELECT n.notification_id FROM notification n JOIN about a ON n.escalates = a.notification_id
), unsaid AS (
    DELETE FROM rendering r USING meant WHERE r.notification_id = meant.notification_id
)
UPDATE notification n SET title = '', body = '', data = '{}', variables = '{}',
    retracted_at = coalesce(n.retracted_at, clock_timestamp())
FROM meant WHERE n.notification_id = meant.notification_id
RETURNING n.notification_id
"""

# Where they were told. What is open ends as "inactive" at its claim first, and is looked at again.
ADDRESSES = """
WITH theirs AS (
    SELECT delivery_id, school_id, lower(address) AS address FROM delivery
    WHERE person_id = ANY(%(people)s) AND address <> '' AND state NOT IN ('pending', 'held', 'sending')
), trusted AS (
    DELETE FROM suppression s USING theirs t
    WHERE s.school_id = t.school_id AND s.channel = 'mail' AND s.target = t.address
), grouped AS (
    DELETE FROM group_address g USING theirs t WHERE g.school_id = t.school_id AND g.address = t.address
)
UPDATE delivery d SET address = 'erased:' || d.delivery_id FROM theirs t WHERE d.delivery_id = t.delivery_id
"""
CHOICES = "DELETE FROM suppression WHERE target = ANY(%(ids)s)"

DONE = """
INSERT INTO forgotten (person_id)
SELECT p.person_id FROM unnest(%(people)s::uuid[]) AS p(person_id)
WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.person_id = p.person_id AND d.state IN ('pending', 'held', 'sending'))
ON CONFLICT DO NOTHING
"""


async def forget(tx: UnitOfWork) -> int:
    """Take out what is left of some people; returns how many were looked at."""
    people = [row["person_id"] for row in await tx.rows(ERASED, {"limit": AT_ONCE})]
    if people:
        values = {"people": people, "ids": [str(person) for person in people]}
        for row in await tx.rows(WORDS, values):
            stopped = await tx.row(cancel.DELIVERIES, row)
            if stopped and stopped["n"]:
                await planner.settle(tx, row["notification_id"], stopped["n"])
        for statement in (ADDRESSES, CHOICES, DONE):
            await tx.execute(statement, values)
    return len(people)
