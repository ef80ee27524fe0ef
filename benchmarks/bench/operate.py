"""What operators see with 100,000 open failures, a million tasks and a million deliveries.

What pruning a million rows keeps waiting, and whether a retry of a group reconciles beside all of them.
"""

import asyncio
import datetime as dt
import time
from typing import Any
from uuid import UUID

import httpx
import psycopg

from benchmarks import group_retries
from benchmarks.bench.lists import p95_of
from benchmarks.console_rows import ADD_FAILURES, ADD_SCHOOLS, ADD_TASKS, fill
from benchmarks.harness import Lab, Report
from gateway.main import app, build_api
from gateway.settings import Settings
from shared.http.tokens import Claims, sign
from shared.service.retention import of_every_service, prune
from shared.service.service import Service
from shared.testing.fixtures import declare, eventually
from shared.transactions.unit_of_work import UnitOfWorkFactory

BOUND = 100
SCHOOLS = 20
FILL = (
    ADD_SCHOOLS,
    ADD_FAILURES,
    ADD_TASKS,
    """
INSERT INTO inbox (message_id, consumer, handled_at)
SELECT gen_random_uuid(), 'demo', now() - interval '200 days' FROM generate_series(1, %(rows)s)
""",
)
# Wait for what changes a table, and for no reader. In one message: `statement_timestamp()` is when it arrived.
WAIT_FOR_LOCK = """
BEGIN; LOCK TABLE {table} IN SHARE MODE;
SELECT extract(epoch FROM clock_timestamp() - statement_timestamp()) AS seconds; COMMIT
"""
UNPRUNED = "school"
# Find one person of the largest notification.
ONE_PERSON = """
SELECT d.notification_id, d.person_id FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
ORDER BY n.planned DESC, d.person_id LIMIT 1
"""
SCHOOL = "SELECT school_id FROM school ORDER BY school_id LIMIT 1"


async def run(lab: Lab, report: Report) -> None:
    """p95 of each list and of groups ≤ 100 ms; no lock of pruning is held longer; retries of groups reconcile."""
    values = {"rows": lab.size(1_000_000, 2_000), "failures": lab.size(100_000, 800), "schools": SCHOOLS}
    with lab.backing(["gateway"]) as backing:
        environment: dict[str, Any] = {name.lower(): value for name, value in backing.environment("gateway").items()}
        settings = Settings(**environment, retry_tiers=())  # a message that fails again is a failure at once
        service = build_api(settings)
        application = app(service)
        await declare(backing.amqp_url, service.topology())
        async with application.router.lifespan_context(application):
            await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)
            lab.say(f"filling {values['rows']:,} tasks and {values['failures']:,} failures")
            school = await _fill(service, values)
            # As autovacuum does within a minute; only the tables' owner may.
            with psycopg.connect(backing.admin_url, autocommit=True) as admin:
                admin.execute("VACUUM ANALYZE")
                # A lock that waits for autovacuum gets it after a second (`deadlock_timeout`): that is not pruning's.
                admin.execute("ALTER TABLE gateway.inbox SET (autovacuum_enabled = false)")
            key = settings.signing_key_file.read_bytes()
            token = sign(key, Claims(role="platform_admin"), dt.timedelta(hours=1))
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(application),
                base_url="http://gateway",
                headers={"Authorization": f"Bearer {token}"},
                timeout=120,
            ) as client:
                for (path, name), params in _lists(school).items():
                    report.at_most(f"{path} {name}, p95", await p95_of(client, path, params), "ms", BOUND)
                await _prune(service.transactions, report, values["rows"])
                await _accept(client, report, values["failures"])
                await group_retries.measure(lab, client, service, report, school)
    await _deliveries(lab, report)


def _lists(school: UUID) -> dict[tuple[str, str], dict[str, str]]:
    of_school, then = {"school": str(school)}, dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    return {
        ("/v1/failure-groups", "all"): {},
        ("/v1/failure-groups", "of a school"): of_school,
        ("/v1/failure-groups", "of a queue"): {"queue": "gateway.demo.event7"},
        ("/v1/failures", "newest"): {},
        ("/v1/failures", "of a fault"): {"fingerprint": "fault7", "state": "open"},
        ("/v1/tasks", "newest"): {},
        ("/v1/tasks", "of a school"): of_school,
        ("/v1/tasks", "that failed"): {"state": "failed"},
        ("/v1/tasks", "of a school that failed"): of_school | {"state": "failed"},
        ("/v1/tasks", "active"): {"active": "true"},
        ("/v1/tasks", "of a kind that failed"): {"kind": "report", "state": "failed"},
        ("/v1/tasks", "of a kind"): {"kind": "report"},
        ("/v1/tasks", "of a person"): {"person": str(school)},
        ("/v1/tasks", "three days ago"): {"until": then.isoformat()},
        ("/v1/tasks", "with a text"): {"text": "nowhere"},
    }


async def _fill(service: Service, values: dict[str, int]) -> UUID:
    for statement in FILL:
        async with service.transactions.begin() as tx:
            await tx.execute("SET LOCAL statement_timeout = '10min'")
            await tx.execute(statement, values)
    async with service.transactions.begin() as tx:
        school: UUID = (await tx.rows(SCHOOL))[0]["school_id"]
        return school


async def _prune(rows: UnitOfWorkFactory, report: Report, expected: int) -> None:
    """Prune the inbox while another session asks again and again for a lock that waits for the pruner's."""
    longest, started = {"inbox": 0.0, UNPRUNED: 0.0}, time.perf_counter()
    pruning = asyncio.create_task(prune(rows, of_every_service(120)))
    while not pruning.done():
        longest = {table: max(before, await _waited(rows, table)) for table, before in longest.items()}
    await pruning
    async with rows.begin() as tx:
        left = (await tx.rows("SELECT count(*) AS n FROM inbox WHERE consumer = 'demo'"))[0]["n"]
    report.exactly("rows left by pruning", left, "rows", 0)
    report.figure("rows pruned", expected / (time.perf_counter() - started), "a second")
    report.at_most("longest wait for a lock of pruning", longest["inbox"] * 1000, "ms", BOUND)
    report.figure("longest wait for a table that is not pruned", longest[UNPRUNED] * 1000, "ms")


async def _waited(rows: UnitOfWorkFactory, table: str) -> float:
    """Return the seconds in which the server waited for a lock of a table.

    It measures them itself: a busy machine that lets this process wait does not count.
    """
    async with rows.database.worker() as connection:
        asked = await connection.execute(WAIT_FOR_LOCK.format(table=table))
        asked.nextset()
        asked.nextset()
        found = await asked.fetchone()
    assert found is not None
    return float(found["seconds"])


async def _accept(client: httpx.AsyncClient, report: Report, expected: int) -> None:
    """Accept a retry of all failures; it is cancelled, because nothing consumes from their queues."""
    seen = (await client.get("/v1/failure-groups")).json()
    report.exactly("failures in groups", seen["count"], "failures", expected)
    began = time.perf_counter()
    selection = {"everything": True, "seen_until": seen["seen_until"], "count": seen["count"]}
    answer = await client.post("/v1/failures/retry", json=selection)
    report.at_most("acceptance of a retry of all failures", (time.perf_counter() - began) * 1000, "ms", 1_000)
    answer.raise_for_status()
    (await client.post(f"{answer.headers['location']}/cancel")).raise_for_status()
    members = (await group_retries.ended(client, answer))["result"]
    report.exactly("failures with an outcome after its cancel", sum(members.values()), "failures", expected)


async def _deliveries(lab: Lab, report: Report) -> None:
    """Ask for notifications with all deliveries behind them, through the gateway and the notifier that owns them."""
    async with lab.system(("gateway", "notifier"), RATE_CALLER="0", RATE_SCHOOL="0", LOG_LEVEL="WARNING") as system:
        rows = {"deliveries": lab.size(1_000_000, 3_000), "large": lab.size(15_000, 1_000)}
        lab.say(f"filling {rows['deliveries']:,} deliveries")
        school = await asyncio.to_thread(fill, system, tasks=0, failures=0, **rows)
        (person,) = await asyncio.to_thread(system.rows, ONE_PERSON)
        token = sign(
            system.backing.keys.joinpath("signing.pem").read_bytes(),
            Claims(role="platform_admin"),
            dt.timedelta(hours=1),
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=system.url, headers=headers, trust_env=False, timeout=60) as client:
            one, of_school = f"/v1/notifications/{person['notification_id']}", {"school": school}
            for name, path, params in (
                ("newest", "/v1/notifications", of_school),
                ("that failed", "/v1/notifications", of_school | {"state": "failed"}),
                ("of 15,000 people", one, of_school),
                ("of 15,000 people, reach", f"{one}/reach", of_school),
                ("of 15,000 people, why one", f"{one}/why/{person['person_id']}", of_school),
            ):
                report.at_most(f"notifications {name}, p95", await p95_of(client, path, params), "ms", BOUND)
