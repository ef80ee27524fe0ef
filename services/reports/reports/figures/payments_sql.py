"""Statements about fees. A payment is charged, received and refunded on days of their own, each in its own period."""

from reports.figures.sql import OF_STUDENT, WITH_NAME

# The newest version of each payment with the days on which its money moved. The receipt of a payment that was refunded
# later is the last version before that said `received`: a refund does not take it from its month.
WITH_MOVEMENTS = """
WITH newest AS (
    SELECT f.* FROM payment_fact f
    WHERE f.school_id = %(school)s {of_student} AND f.log_offset <= %(records)s AND NOT f.withdrawn
      AND NOT EXISTS (SELECT FROM payment_fact n WHERE n.school_id = f.school_id AND n.record_id = f.record_id
                        AND n.version > f.version AND n.log_offset <= %(records)s)
), movement AS (
    SELECT f.record_id, f.school_id, f.student_id, f.status, f.currency, f.purpose, f.reference, f.day,
        CASE WHEN f.status = 'refunded' THEN coalesce(r.due_on, r.paid_on) ELSE coalesce(f.due_on, f.paid_on) END
            AS charged_on,
        CASE WHEN f.status = 'refunded' THEN r.amount ELSE f.amount END AS charged,
        CASE f.status WHEN 'received' THEN f.paid_on WHEN 'refunded' THEN r.paid_on END AS received_on,
        CASE WHEN f.status = 'refunded' THEN f.paid_on END AS refunded_on, f.amount AS refunded
    FROM newest f
    LEFT JOIN LATERAL (
        SELECT p.due_on, p.paid_on, p.amount FROM payment_fact p
        WHERE f.status = 'refunded' AND p.record_id = f.record_id AND p.version < f.version
          AND p.log_offset <= %(records)s AND p.status = 'received' AND NOT p.withdrawn
        ORDER BY p.version DESC LIMIT 1
    ) r ON true
)
"""
SUM_MONEY = """
SELECT currency,
    coalesce(sum(charged) FILTER (WHERE charged_on >= %(starts)s AND charged_on < %(ends)s), 0) AS total,
    coalesce(sum(charged) FILTER (WHERE received_on >= %(starts)s AND received_on < %(ends)s), 0) AS paid,
    coalesce(sum(refunded) FILTER (WHERE refunded_on >= %(starts)s AND refunded_on < %(ends)s), 0) AS refunded,
    coalesce(sum(charged) FILTER (WHERE charged_on < %(ends)s), 0)
        - coalesce(sum(charged) FILTER (WHERE received_on < %(ends)s), 0) AS balance,
    coalesce(sum(charged) FILTER (WHERE received_on >= %(since)s AND received_on < %(starts)s), 0) AS paid_before
FROM movement WHERE status <> 'cancelled'
GROUP BY currency
HAVING bool_or(charged_on < %(ends)s) OR bool_or(refunded_on < %(ends)s) OR bool_or(received_on < %(ends)s)
ORDER BY currency
"""
LIST_MOVEMENTS = f"""
SELECT e.day, e.status, e.amount, f.currency, f.purpose, coalesce(f.reference, '') AS reference,
    coalesce(person.name, '') AS student
FROM movement f CROSS JOIN LATERAL (VALUES
    (f.refunded_on, 'refunded', f.refunded),
    (f.received_on, 'received', f.charged),
    (CASE WHEN f.status <> 'cancelled' AND (f.received_on IS NULL OR f.received_on >= %(ends)s) THEN f.charged_on END,
     'due', f.charged),
    (CASE WHEN f.status = 'cancelled' THEN f.day END, 'cancelled', f.charged)
) AS e(day, status, amount) {WITH_NAME}
WHERE e.day >= %(since)s AND e.day < %(ends)s
ORDER BY e.day, f.record_id, e.status
"""  # noqa: S608  # parts of our own

# Sum the fees of a school, or of one student, for each currency.
SUM_SCHOOL_MONEY = WITH_MOVEMENTS.format(of_student="") + SUM_MONEY
SUM_STUDENT_MONEY = WITH_MOVEMENTS.format(of_student=OF_STUDENT) + SUM_MONEY
# List the movements from the start of the period before on. What is open at the end of the period is `due`.
LIST_SCHOOL_MOVEMENTS = WITH_MOVEMENTS.format(of_student="") + LIST_MOVEMENTS
LIST_STUDENT_MOVEMENTS = WITH_MOVEMENTS.format(of_student=OF_STUDENT) + LIST_MOVEMENTS
