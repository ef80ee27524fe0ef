"""Erasure of people: their addresses, and texts about them, are removed from the tables; counts and reasons stay.

The event of an erased person says so. A sweep removes their addresses and the texts about them: none of it is needed
to deliver anything.
"""

from notifier.planning.cancellation import cancel_deliveries
from shared.transactions.unit_of_work import UnitOfWork

MAX_PEOPLE = 50

# Find erased people who have not been dealt with. A row of an earlier version does not say whether its person was
# erased: it is then a blank one.
SELECT_ERASED = """
SELECT p.person_id FROM person p
WHERE (p.erased OR p.erased IS NULL AND NOT p.active
       AND coalesce(p.given_name, '') = '' AND coalesce(p.family_name, '') = ''
       AND NOT EXISTS (SELECT FROM contact c WHERE c.person_id = p.person_id)
       AND NOT EXISTS (SELECT FROM device d WHERE d.person_id = p.person_id))
  AND NOT EXISTS (SELECT FROM forgotten f WHERE f.person_id = p.person_id)
ORDER BY p.person_id LIMIT %(limit)s
"""

# Remove texts about a student: of a record with its corrections, and of a notification that named no other student.
# The next claim stops the deliveries that a worker holds at this moment.
ERASE_TEXTS = """
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
), removed AS (
    DELETE FROM rendering r USING meant WHERE r.notification_id = meant.notification_id
)
UPDATE notification n SET title = '', body = '', data = '{}', variables = '{}',
    retracted_at = coalesce(n.retracted_at, clock_timestamp())
FROM meant WHERE n.notification_id = meant.notification_id
RETURNING n.notification_id
"""

# Remove their addresses. An open delivery ends as "inactive" at its claim first; a later sweep removes its address.
ERASE_ADDRESSES = """
WITH theirs AS (
    SELECT delivery_id, school_id, lower(address) AS address FROM delivery
    WHERE person_id = ANY(%(people)s) AND address <> '' AND state NOT IN ('pending', 'held', 'sending')
), unsuppressed AS (
    DELETE FROM suppression s USING theirs t
    WHERE s.school_id = t.school_id AND s.channel = 'mail' AND s.target = t.address
), grouped AS (
    DELETE FROM group_address g USING theirs t WHERE g.school_id = t.school_id AND g.address = t.address
)
UPDATE delivery d SET address = 'erased:' || d.delivery_id FROM theirs t WHERE d.delivery_id = t.delivery_id
"""

# Remove their choices not to receive mail.
DELETE_CHOICES = "DELETE FROM suppression WHERE target = ANY(%(ids)s)"

# Mark the people as erased of whom nothing is open any more.
MARK_ERASED = """
INSERT INTO forgotten (person_id)
SELECT p.person_id FROM unnest(%(people)s::uuid[]) AS p(person_id)
WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.person_id = p.person_id AND d.state IN ('pending', 'held', 'sending'))
ON CONFLICT DO NOTHING
"""


async def erase_people(tx: UnitOfWork) -> None:
    """Remove what is left of some erased people."""
    people = [row["person_id"] for row in await tx.rows(SELECT_ERASED, {"limit": MAX_PEOPLE})]
    if people:
        values = {"people": people, "ids": [str(person) for person in people]}
        for row in await tx.rows(ERASE_TEXTS, values):
            await cancel_deliveries(tx, row["notification_id"])
        for statement in (ERASE_ADDRESSES, DELETE_CHOICES, MARK_ERASED):
            await tx.execute(statement, values)
