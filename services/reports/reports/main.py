"""Builds the reports service: facts from the log become documents. Read `build` to know the service."""

from typing import get_args

from reports import handlers
from reports.api import router
from reports.facts import projection
from reports.invariants import INVARIANTS
from reports.making import cleanup, job, redraw, requests
from reports.permits import CLEANUP_LANE, REPORTS_LANE, CleanupPermit, ReportPermit
from reports.personal_data import PERSONAL_DATA
from reports.settings import Settings
from shared.events import ReportRequested, ReportsCleanupDue, ReportsMonthlyDue, TaskCancelRequested
from shared.events.reports import REPORT_TASK, ReportKind
from shared.jobs.durations import job_seconds
from shared.replays.serve import cancelling, serve
from shared.service.failed_tasks import fail_task
from shared.service.service import Service
from shared.storage.locations import open_store

RESUME_SECONDS = 5.0
CLEAN_SECONDS = 60.0
ERASE_SECONDS = 60.0


def build(settings: Settings) -> Service:
    """Return the service with everything it projects, reacts to, makes, sweeps and serves."""
    service = Service("reports", settings)
    service.follow_orders()
    store = open_store(settings.storage_url)
    service.project_history("remember_facts", projection.EVENTS, handlers.remember_facts)
    service.rebuilds("remember_facts", projection.TABLES)
    service.on(ReportRequested, requests.request, settings.smallest_count)
    service.on_final_failure(ReportRequested, fail_task(REPORT_TASK, "the report could not be requested"))
    service.on(ReportsMonthlyDue, requests.request_monthly, settings.smallest_count)
    service.on(ReportsCleanupDue, cleanup.permit_cleanup)
    service.on(TaskCancelRequested, cancelling("reports", job.cancel))
    serve(service)
    seconds = job_seconds(service.metrics.registry, get_args(ReportKind))
    service.work(ReportPermit, job.make, (REPORTS_LANE,), store, settings.facts_patience, seconds)
    service.work(CleanupPermit, cleanup.clean, (CLEANUP_LANE,), store)
    service.sweep(RESUME_SECONDS, job.resume)
    service.sweep(CLEAN_SECONDS, cleanup.clean_failed, store)
    service.sweep(ERASE_SECONDS, handlers.erase)
    service.sweep(ERASE_SECONDS, cleanup.clean_erased, store)
    service.sweep(ERASE_SECONDS, redraw.redraw, store)
    for name, statement in INVARIANTS.items():
        service.check_invariant(name, statement)
    service.export(PERSONAL_DATA)
    service.include_router(router)
    service.on_close(store.close)
    service.pause_until(store.check)
    return service
