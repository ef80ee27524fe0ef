"""Statements about fees. A payment is charged, received and refunded on days of their own, each in its own period.

A payment that was settled before the periods that are read moves no sum any more: it is passed over, because a school
has ever more of them.
"""

from reports.figures.sql import OF_STUDENT

# Continue a statement: only a version that no newer one replaces.
NEWEST = """NOT EXISTS (SELECT FROM payment_fact n WHERE n.school_id = %(school)s AND n.record_id = f.record_id
                    AND n.version > 1 AND n.version > f.version AND n.log_offset <= %(records)s)"""
OWN = """f.record_id, f.version, f.student_id, f.status, f.method, f.amount, f.discount, f.currency, f.day,
            f.due_on, f.paid_on"""

# List the newest versions of payments that are open or moved money from `since` on, with the days on which it moved.
# The settled ones are found by their days, the others by their state; each part has an index of its own.
# The receipt of a payment that was refunded later is the last version before that with `received`: a refund does not
# take it from its month. Purposes of the others are read only of what the report lists.
LIST_FEES = """
WITH newest AS (
    SELECT * FROM (
        SELECT {own}, f.purpose, f.reference FROM payment_fact f
        WHERE f.school_id = %(school)s {of_student} AND f.log_offset <= %(records)s AND NOT f.withdrawn
          AND f.status NOT IN ('due', 'refunded')
          AND greatest(f.day, f.due_on, f.paid_on) >= %(since)s AND least(f.day, f.due_on, f.paid_on) < %(ends)s
        UNION ALL
        SELECT {own}, NULL, NULL FROM payment_fact f
        WHERE f.school_id = %(school)s {of_student} AND f.log_offset <= %(records)s AND NOT f.withdrawn
          AND f.status IN ('due', 'refunded')
          AND (f.status = 'refunded' OR least(f.day, f.due_on, f.paid_on) < %(ends)s)
    ) f WHERE {newest}
), movement AS (
    SELECT f.record_id, f.version, f.student_id, f.status, f.method, f.currency, f.day, f.purpose, f.reference,
        CASE WHEN f.status = 'refunded' THEN coalesce(r.due_on, r.paid_on) ELSE coalesce(f.due_on, f.paid_on) END
            AS charged_on,
        CASE WHEN f.status = 'refunded' THEN r.amount ELSE f.amount END AS charged,
        CASE WHEN f.status = 'refunded' THEN r.discount ELSE f.discount END AS discount,
        CASE f.status WHEN 'received' THEN f.paid_on WHEN 'refunded' THEN r.paid_on END AS received_on,
        CASE WHEN f.status = 'refunded' THEN f.paid_on END AS refunded_on, f.amount AS refunded
    FROM newest f LEFT JOIN LATERAL (
        SELECT p.due_on, p.paid_on, p.amount, p.discount FROM payment_fact p
        WHERE f.status = 'refunded' AND p.record_id = f.record_id AND p.version < f.version
          AND p.log_offset <= %(records)s AND p.status = 'received' AND NOT p.withdrawn
        ORDER BY p.version DESC LIMIT 1
    ) r ON true
)
SELECT f.student_id, f.status, f.method, f.currency, f.day, f.charged_on, f.charged, f.discount, f.received_on,
    f.refunded_on, f.refunded, coalesce(f.purpose, p.purpose, '') AS purpose,
    coalesce(f.reference, p.reference, '') AS reference
FROM movement f LEFT JOIN LATERAL (
    SELECT p.purpose, p.reference FROM payment_fact p
    WHERE f.purpose IS NULL AND greatest(f.charged_on, f.received_on, f.refunded_on, f.day) >= %(starts)s
      AND p.record_id = f.record_id AND p.version = f.version
    LIMIT 1
) p ON true
ORDER BY f.currency, f.record_id
"""
# List the currencies of payments that were received before the period's end, the settled ones included.
LIST_SETTLED = """
SELECT DISTINCT f.currency FROM payment_fact f
WHERE f.school_id = %(school)s {which} AND f.log_offset <= %(records)s AND NOT f.withdrawn
  AND f.status = 'received' AND least(f.due_on, f.paid_on) < %(ends)s
  AND {newest}
"""

# List the fees of a school, or of one student.
LIST_SCHOOL_FEES = LIST_FEES.format(own=OWN, newest=NEWEST, of_student="")
LIST_STUDENT_FEES = LIST_FEES.format(own=OWN, newest=NEWEST, of_student=OF_STUDENT)
LIST_SCHOOL_SETTLED = LIST_SETTLED.format(newest=NEWEST, which="AND f.currency = ANY(%(currencies)s)")
LIST_STUDENT_SETTLED = LIST_SETTLED.format(newest=NEWEST, which=OF_STUDENT)

# List the currencies that a school ever used, those of corrected mistakes included: a step of the index for each.
LIST_CURRENCIES = """
WITH RECURSIVE used AS (
    (SELECT currency FROM payment_fact WHERE school_id = %(school)s ORDER BY currency LIMIT 1)
    UNION ALL
    SELECT (SELECT p.currency FROM payment_fact p WHERE p.school_id = %(school)s AND p.currency > u.currency
            ORDER BY p.currency LIMIT 1)
    FROM used u WHERE u.currency IS NOT NULL
)
SELECT currency FROM used WHERE currency IS NOT NULL
"""
