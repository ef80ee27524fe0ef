"""Lets a service replay: `serve(service)` in its `build`, after its consumers."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from shared.events import ReplayRequested, TaskCancelRequested
from shared.jobs.time_limits import TimeLimits
from shared.replays import job
from shared.replays.permits import LANE, ReplayPermit
from shared.replays.reading import reactions_of
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWork

RESUME_SECONDS = 5.0

Cancel = Callable[[TaskCancelRequested, UnitOfWork], Awaitable[None]]


def serve(service: Service, limits: TimeLimits = job.LIMITS) -> None:
    """Let a service do replays of its consumers, and let its heartbeats name these consumers."""
    service.on(ReplayRequested, job.request, service.name)
    service.on_final_failure(ReplayRequested, partial(job.report_failure, service=service.name))
    service.work(ReplayPermit, job.run, (LANE,), service, limits)
    service.sweep(RESUME_SECONDS, job.resume, service.name)
    service.runtime.facts["replays"] = partial(consumers, service)


def cancelling(service: str, cancel: Cancel | None = None) -> Cancel:
    """Return a reaction to cancels: of replays of this service, and of its other tasks by `cancel`."""

    async def cancel_task(event: TaskCancelRequested, tx: UnitOfWork) -> None:
        await job.cancel(event, tx, service)
        if cancel is not None:
            await cancel(event, tx)

    return cancel_task


def consumers(service: Service) -> dict[str, Any]:
    """Return what of a service can be replayed: projections with their topics, reactions, and states that it owns."""
    return {
        "projections": {
            name: {"topics": sorted(event.topic for event in found.events), "rebuild": bool(found.tables)}
            for name, found in service.projections.items()
        },
        "reactions": reactions_of(service),
        "resyncs": sorted(service.resyncs),
    }
