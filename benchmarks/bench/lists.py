"""Lists with a million rows behind them: every one that the directory has, its first page and one from the middle.

Asked through the whole application, sign-in and row-level security included, without a network in between.
"""

import datetime as dt
import statistics
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import psycopg

from benchmarks.harness import Lab, Report
from gateway.main import app, build_api
from gateway.settings import Settings
from shared.http.tokens import Claims, sign
from shared.service.service import Service
from shared.testing.fixtures import declare, eventually

SCHOOLS = 20
TIMES = 60
FILL = (
    """
INSERT INTO school (school_id, sourced_id, name, timezone)
SELECT uuid7(), 'school' || n, 'School ' || n, 'UTC' FROM generate_series(1, %(schools)s) n
""",
    """
INSERT INTO person (person_id, sourced_id, given_name, family_name)
SELECT uuid7(), 'person' || n, 'Given', 'Family' || n %% 4001 FROM generate_series(1, %(rows)s) n
""",
    """
INSERT INTO membership (person_id, school_id, role, grade)
SELECT p.person_id, s.school_id, CASE WHEN p.n / %(schools)s %% 2 = 0 THEN 'student' ELSE 'guardian' END,
       CASE WHEN p.n / %(schools)s %% 2 = 0 THEN lpad((p.n / %(schools)s / 2 %% 12 + 1)::text, 2, '0') END
FROM (SELECT person_id, row_number() OVER () AS n FROM person) p
JOIN (SELECT school_id, row_number() OVER () AS n FROM school) s ON s.n = p.n %% %(schools)s + 1
""",
    """
INSERT INTO student (school_id, student_id, grade)
SELECT school_id, person_id, grade FROM membership WHERE role = 'student'
""",
    """
INSERT INTO record (record_id, school_id, student_id, kind, day, status, facts)
SELECT uuid7(), s.school_id, s.student_id, k.kind, current_date - (n.n * 37 + k.n) %% 180, k.status,
       jsonb_build_object('day', current_date - (n.n * 37 + k.n) %% 180, 'status', k.status)
FROM (SELECT *, (row_number() OVER ())::int AS n FROM student) n JOIN student s USING (school_id, student_id)
CROSS JOIN (VALUES (1, 'absence', 'absent'), (2, 'absence', 'late')) AS k(n, kind, status)
""",
    """
INSERT INTO task (task_id, school_id, kind, state)
SELECT uuid7(), s.school_id, 'notification.send', CASE WHEN g.n %% 1000 = 0 THEN 'failed' ELSE 'succeeded' END
FROM generate_series(1, %(rows)s) AS g(n)
JOIN (SELECT school_id, row_number() OVER () AS n FROM school) s ON s.n = g.n %% %(schools)s + 1
""",
)
SCHOOL = "SELECT school_id FROM school ORDER BY school_id LIMIT 1"
MIDDLE = """
SELECT (SELECT person_id FROM membership WHERE school_id = %(school)s ORDER BY person_id
        OFFSET (SELECT count(*) / 2 FROM membership WHERE school_id = %(school)s) LIMIT 1) AS person,
       (SELECT task_id FROM task WHERE school_id = %(school)s ORDER BY task_id
        OFFSET (SELECT count(*) / 2 FROM task WHERE school_id = %(school)s) LIMIT 1) AS task,
       (SELECT student_id FROM student WHERE school_id = %(school)s LIMIT 1) AS student
"""


async def run(lab: Lab, report: Report) -> None:
    """Each list's p95 ≤ 20 ms with 1,000,000 people, records and tasks."""
    rows = lab.size(1_000_000, 2_000)
    with lab.backing(["gateway"]) as backing:
        environment: dict[str, Any] = {name.lower(): value for name, value in backing.environment("gateway").items()}
        settings = Settings(**environment)
        service = build_api(settings)
        application = app(service)
        await declare(backing.amqp_url, service.topology())
        async with application.router.lifespan_context(application):
            await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)
            lab.say(f"filling {rows:,} rows a table")
            school, middle = await _fill(service, rows)
            # As autovacuum does within a minute; only the tables' owner may, the service's login is refused silently.
            with psycopg.connect(backing.admin_url, autocommit=True) as admin:
                admin.execute("ANALYZE")
            token = sign(
                settings.signing_key_file.read_bytes(),
                Claims(role="school_admin", school=school),
                dt.timedelta(hours=1),
            )
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(application),
                base_url="http://gateway",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            ) as client:
                for path, params in _lists(middle).items():
                    name, p95 = f"{path[0]} {path[1]}", await p95_of(client, path[0], params)
                    report.at_most(f"{name}, p95", p95, "ms", 20)


def _lists(middle: Mapping[str, UUID]) -> dict[tuple[str, str], dict[str, str]]:
    person, task, student = (str(middle[name]) for name in ("person", "task", "student"))
    recent = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=90)).isoformat()
    return {
        ("/v1/people", "first page"): {},
        ("/v1/people", "from the middle"): {"after": person},
        ("/v1/people", "of a grade"): {"role": "student", "grade": "07", "after": person},
        ("/v1/people", "by sourcedId"): {"sourced_id": "person777"},
        ("/v1/students", "of a grade"): {"grade": "07"},
        ("/v1/students", "from the middle"): {"after": person},
        ("/v1/absences", "newest"): {},
        ("/v1/absences", "older than 90 days"): {"until": recent},
        ("/v1/absences", "late ones"): {"status": "late"},
        ("/v1/absences", "of a student"): {"student": student},
        ("/v1/tasks", "newest"): {},
        ("/v1/tasks", "from the middle"): {"after": task},
        ("/v1/tasks", "the few that failed"): {"state": "failed"},
    }


async def _fill(service: Service, rows: int) -> tuple[UUID, Mapping[str, UUID]]:
    values = {"rows": rows, "schools": SCHOOLS}
    for statement in FILL:
        async with service.transactions.begin() as tx:
            await tx.execute("SET LOCAL statement_timeout = '10min'")
            await tx.execute(statement, values if "%" in statement else None)
    async with service.transactions.begin() as tx:
        school: UUID = (await tx.rows(SCHOOL))[0]["school_id"]
        return school, (await tx.rows(MIDDLE, {"school": school}))[0]


async def p95_of(client: httpx.AsyncClient, path: str, params: dict[str, str]) -> float:
    """Milliseconds; the first few answers warm connections and plans."""
    taken = []
    for _ in range(TIMES + 5):
        started = time.perf_counter()
        answer = await client.get(path, params=params)
        taken.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
    return statistics.quantiles(taken[5:], n=20)[-1]
