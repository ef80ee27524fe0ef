"""Statements about fees. A payment is charged, received and refunded on days of their own, each in its own period."""

from reports.figures.sql import OF_STUDENT

# The newest version of each payment with the days on which its money moved. The receipt of a payment that was refunded
# later is the last version before that said `received`: a refund does not take it from its month.
WITH_MOVEMENTS = """
WITH newest AS (
    SELECT DISTINCT ON (f.record_id) f.record_id, f.version, f.school_id, f.student_id, f.status, f.amount, f.currency,
        f.day, f.due_on, f.paid_on, f.withdrawn
    FROM payment_fact f WHERE f.school_id = %(school)s {of_student} AND f.log_offset <= %(records)s
    ORDER BY f.record_id, f.version DESC
), movement AS MATERIALIZED (
    SELECT f.record_id, f.version, f.student_id, f.status, f.currency, f.day,
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
    WHERE NOT f.withdrawn
)
"""
# The sums of each currency, and the payments whose money moved from the start of the period before on. One statement,
# because both need every payment that the school ever charged.
READ_MOVED = """
, money AS (
    SELECT currency,
        coalesce(sum(charged) FILTER (WHERE charged_on >= %(starts)s AND charged_on < %(ends)s), 0) AS total,
        coalesce(sum(charged) FILTER (WHERE received_on >= %(starts)s AND received_on < %(ends)s), 0) AS paid,
        coalesce(sum(refunded) FILTER (WHERE refunded_on >= %(starts)s AND refunded_on < %(ends)s), 0) AS returned,
        coalesce(sum(charged) FILTER (WHERE charged_on < %(ends)s), 0)
            - coalesce(sum(charged) FILTER (WHERE received_on < %(ends)s), 0) AS balance,
        coalesce(sum(charged) FILTER (WHERE received_on >= %(since)s AND received_on < %(starts)s), 0) AS paid_before
    FROM movement WHERE status <> 'cancelled'
    GROUP BY currency
    HAVING bool_or(charged_on < %(ends)s) OR bool_or(refunded_on < %(ends)s) OR bool_or(received_on < %(ends)s)
), moved AS (
    SELECT f.record_id, f.student_id, f.status, f.currency, f.day, f.charged_on, f.charged, f.received_on,
        f.refunded_on, f.refunded, p.method, p.purpose, coalesce(p.reference, '') AS reference
    FROM movement f JOIN payment_fact p ON p.record_id = f.record_id AND p.version = f.version
    WHERE (f.charged_on >= %(since)s AND f.charged_on < %(ends)s)
       OR (f.received_on >= %(since)s AND f.received_on < %(ends)s)
       OR (f.refunded_on >= %(since)s AND f.refunded_on < %(ends)s)
       OR (f.status = 'cancelled' AND f.day >= %(since)s AND f.day < %(ends)s)
)
SELECT coalesce(s.currency, f.currency) AS currency, s.total, s.paid, s.returned, s.balance, s.paid_before,
    f.student_id, f.status, f.day, f.charged_on, f.charged, f.received_on, f.refunded_on, f.refunded, f.method,
    f.purpose, f.reference
FROM money s FULL JOIN moved f ON f.currency = s.currency
ORDER BY 1, f.record_id
"""

# Read the fees of a school, or of one student.
READ_SCHOOL_FEES = WITH_MOVEMENTS.format(of_student="") + READ_MOVED
READ_STUDENT_FEES = WITH_MOVEMENTS.format(of_student=OF_STUDENT) + READ_MOVED
