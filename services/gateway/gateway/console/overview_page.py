"""The overview for operators: what is done, what waits, what has failed, and which processes work."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Response

from gateway.console.charts import Chart, stacked_bars
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.http.dependencies import Rows, Services
from gateway.http.service_client import ServiceClients
from gateway.operations import failure_routes
from gateway.operations.hour_figures import MINUTES, HourFigures, Prometheus
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks import task_routes
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console", include_in_schema=False, route_class=ConsoleRoute)

MOST_GROUPS = 8
# Count schools, people, open tasks, open failures and what waits to be published.
COUNT_ALL = """
SELECT (SELECT count(*) FROM school WHERE active) AS schools, (SELECT count(*) FROM person WHERE active) AS people,
       (SELECT count(*) FROM task WHERE state IN ('accepted', 'queued', 'running', 'retrying')) AS open_tasks,
       (SELECT coalesce(sum(change), 0)::bigint FROM failure_count) AS failures,
       (SELECT count(*) FROM outbox) AS outbox,
       (SELECT extract(epoch FROM clock_timestamp() - min(created_at)) FROM outbox) AS oldest
"""
# Count the tasks that ended in each of the last minutes.
COUNT_ENDED = """
SELECT date_trunc('minute', changed_at) AS minute, state, count(*) AS count FROM task
WHERE changed_at >= date_trunc('minute', statement_timestamp()) - make_interval(mins => %(minutes)s - 1)
  AND state IN ('succeeded', 'failed', 'cancelled')
GROUP BY 1, 2
"""
ENDINGS = ("succeeded", "cancelled", "failed")
PLOTS = (("answered",), ("planned", "sent"), ("oldest",))
"""The figures of each plot; those of one plot stand on each other."""


class Attention:
    """Says why the gateway itself is not ready."""

    def __init__(self, reasons: Any) -> None:
        self.reasons = reasons


async def services_of(owners: ServiceClients, attention: Attention) -> dict[str, dict[str, Any]]:
    """Return the state of every service, the gateway first."""
    names = sorted(owners.urls)
    answers, reasons = await asyncio.gather(
        asyncio.gather(*(owners.ready(name) for name in names)), attention.reasons()
    )
    own = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return {"gateway": own} | dict(zip(names, answers, strict=True))


async def figures_of(rows: UnitOfWorkFactory) -> tuple[Mapping[str, Any], Chart, dict[str, int]]:
    """Return the counts, the chart of tasks that ended, and the sum of each ending."""
    async with rows.begin() as tx:
        counts = await tx.row(COUNT_ALL)
        ended = await tx.rows(COUNT_ENDED, {"minutes": MINUTES})
    assert counts is not None
    sums = {name: sum(row["count"] for row in ended if row["state"] == name) for name in ENDINGS}
    return counts, ended_chart(ended, dt.datetime.now(dt.UTC)), sums


def ended_chart(ended: Sequence[Mapping[str, Any]], now: dt.datetime) -> Chart:
    """Return a bar for each of the last minutes, the oldest first."""
    found = {(row["minute"], row["state"]): row["count"] for row in ended}
    return stacked_bars([[(name, found.get((minute, name), 0)) for name in ENDINGS] for minute in _minutes(now)])


class Plot(NamedTuple):
    """Figures that stand on each other, in milliseconds; `newest` is None where the last minute has none."""

    names: tuple[str, ...]
    drawn: Chart
    newest: float | None


def plots_of(figures: HourFigures) -> list[Plot]:
    """Return the plots of latency and of the age of queues."""
    minutes = _minutes(figures.last)
    plots = []
    for names in PLOTS:
        known = [figures.seconds.get(name, {}) for name in names]
        bars = [
            [(name, 1_000 * each.get(minute, 0)) for name, each in zip(names, known, strict=True)] for minute in minutes
        ]
        newest = [1_000 * each[figures.last] for each in known if figures.last in each]
        plots.append(Plot(names, stacked_bars(bars), sum(newest) if newest else None))
    return plots


def _minutes(now: dt.datetime) -> list[dt.datetime]:
    last = now.replace(second=0, microsecond=0)
    return [last - dt.timedelta(minutes=back) for back in reversed(range(MINUTES))]


@router.get("/overview", dependencies=[allow(PLATFORM, audience="person")])
async def overview(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    attention: Annotated[Attention, Depends(Provided(Attention))],
    prometheus: Annotated[Prometheus, Depends(Provided(Prometheus))],
) -> Response:
    """Show the whole group."""
    services, (counts, chart, sums), groups, workers, figures = await asyncio.gather(
        services_of(owners, attention),
        figures_of(rows),
        failure_routes.groups(caller, rows, limit=MOST_GROUPS),
        task_routes.workers(rows),
        prometheus.read(),
    )
    return page.html(
        "overview.html",
        services=services,
        counts=counts,
        chart_drawn=chart,
        sums=sums,
        groups=groups,
        workers=workers.items,
        minutes=MINUTES,
        figures=figures.state,
        plots=plots_of(figures) if figures.state == "read" else [],
    )
