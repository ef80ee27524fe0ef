"""Rows that the console's pages have behind them: a million tasks and deliveries, 100,000 open failures."""

import datetime as dt
from typing import LiteralString

import psycopg

from cli.demo.client import Gateway, Message
from cli.demo.school import SCHOOLS
from cli.testing.system import System

# Count the schools, and choose the one that has most of the demo's files.
CHOOSE_SCHOOL: LiteralString = """
SELECT count(*) OVER (), school_id FROM gateway.school ORDER BY sourced_id = %(wanted)s DESC, school_id LIMIT 1
"""
# Add schools.
ADD_SCHOOLS: LiteralString = """
INSERT INTO school (school_id, sourced_id, name, timezone)
SELECT uuid7(), 'school' || n, 'School ' || n, 'UTC' FROM generate_series(1, %(schools)s) n
"""
# Add open failures of 20 queues and 400 faults.
ADD_FAILURES: LiteralString = """
INSERT INTO failure (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed, last_failed,
                     headers, body)
SELECT s.school_id, gen_random_uuid(), 'gateway.demo.event' || g.n %% 20, 'demo.event' || g.n %% 20, 'ValueError: demo',
       'fault' || g.n %% 400, 4, now() - make_interval(secs => g.n), now(), '{}', repeat('x', 500)::bytea
FROM generate_series(1, %(failures)s) AS g(n)
JOIN (SELECT school_id, row_number() OVER () AS n FROM school) s ON s.n = g.n %% %(schools)s + 1
"""
# Add tasks: one of 1,000 failed, one of 20,000 runs, the others succeeded.
ADD_TASKS: LiteralString = """
INSERT INTO task (task_id, school_id, kind, state, created_by, created_at, changed_at, result)
SELECT gen_random_uuid(), s.school_id, CASE WHEN g.n %% 10 = 0 THEN 'report' ELSE 'notification.send' END,
       CASE WHEN g.n %% 1000 = 0 THEN 'failed' WHEN g.n %% 20000 = 1 THEN 'running' ELSE 'succeeded' END,
       CASE WHEN g.n %% 5000 = 2 THEN s.school_id END, now() - make_interval(secs => g.n),
       now() - make_interval(secs => g.n), '{"accepted": 3}'
FROM generate_series(1, %(rows)s) AS g(n)
JOIN (SELECT school_id, row_number() OVER () AS n FROM school) s ON s.n = g.n %% %(schools)s + 1
"""
CLASS = 200
"""Deliveries of a notification to the families of a few classes."""
# Add notifications of a school that have ended; the newest as large as a school, the others as large as a class.
ADD_NOTIFICATIONS: LiteralString = """
INSERT INTO notifier.notification (notification_id, task_id, school_id, kind, state, urgent, channels, title, body,
                                   data, audience, planned, requested_at, completed_at, directory_version)
SELECT gateway.uuid7(), gen_random_uuid(), %(school)s, 'general', 'completed', false, '{push,mail,inbox}',
       'A made-up notification', 'Made up.', '{}', '{"school": true}', %(each)s, now(), now(), 0
FROM generate_series(1, %(deliveries)s / %(each)s)
"""
# Add their deliveries.
ADD_DELIVERIES: LiteralString = """
INSERT INTO notifier.delivery (notification_id, school_id, person_id, channel, address, state, reason, changed_at)
SELECT n.notification_id, n.school_id, gen_random_uuid(), (ARRAY['push', 'mail', 'inbox'])[g.n %% 3 + 1],
       'made-up' || g.n,
       CASE WHEN g.n %% 50 = 0 THEN 'suppressed' WHEN g.n %% 40 = 1 THEN 'expired' ELSE 'accepted' END,
       CASE WHEN g.n %% 50 = 0 THEN 'no_device' WHEN g.n %% 40 = 1 THEN 'expired' END, now()
FROM notifier.notification n, generate_series(1, %(each)s) AS g(n)
WHERE n.planned = %(each)s AND n.title = 'A made-up notification'
"""


def add_examples(api: Gateway, school: str) -> None:
    """Add what the demo leaves no example of: a key, a report, and a send that waits for a second person."""
    scopes = ["notifications:write", "people:read"]
    api.call("POST", "/v1/keys", json={"name": "A made-up program", "scopes": scopes, "school": school})
    place = api.school(school)
    # The month before: in the first hours of a month it has not begun in every school's zone.
    month = f"{dt.datetime.now(dt.UTC).replace(day=1) - dt.timedelta(days=1):%Y-%m}"
    api.call("POST", "/v1/reports", json={"kind": "monthly", "school": place, "period": month})
    api.call("PATCH", f"/v1/schools/{place}", json={"approval_above": 20})
    message = Message(place, "general", "Trip to the lake", "The bus leaves at eight.", {"school": True}, ("inbox",))
    few_first = {"canary": {"count": 5, "after_minutes": 30}}
    api.call("POST", "/v1/notifications", json=message.content() | few_first)


def fill(system: System, *, tasks: int, failures: int, deliveries: int, large: int) -> str:
    """Fill the tables; returns the school that has the notifications. `large`: deliveries of the newest one."""
    with psycopg.connect(system.backing.admin_url, autocommit=True) as connection:
        connection.execute("SET search_path = gateway")
        wanted = {"wanted": SCHOOLS[1].sourced_id}
        if connection.execute(CHOOSE_SCHOOL, wanted).fetchone() is None:
            connection.execute(ADD_SCHOOLS, {"schools": len(SCHOOLS)})
        [(count, school)] = connection.execute(CHOOSE_SCHOOL, wanted).fetchall()
        connection.execute(ADD_FAILURES, {"failures": failures, "schools": count})
        connection.execute(ADD_TASKS, {"rows": tasks, "schools": count})
        for total, each in ((deliveries - large, CLASS), (large, large)):
            values = {"school": school, "deliveries": total, "each": each}
            connection.execute(ADD_NOTIFICATIONS, values)
            connection.execute(ADD_DELIVERIES, values)
        # As autovacuum does within a minute; only the tables' owner may.
        connection.execute("VACUUM ANALYZE")
    return str(school)
