"""Builds the gateway: the one public door. Read `build` to know the service."""

from fastapi import FastAPI

from gateway import cancelling, classes, expiry, import_job, occasions, problems, projections
from gateway.api import classes as class_routes
from gateway.api import directory, me, notifications, people, records, schedules, schools, status, students, tasks
from gateway.body_limit import BodyLimit
from gateway.forward import Owners
from gateway.settings import Settings
from gateway.work import IMPORTS, ImportPermit
from shared.events import (
    AbsenceRecorded,
    BehaviorRecorded,
    NotificationDue,
    PaymentRecorded,
    TaskCancelRequested,
    TaskChanged,
    TasksExpiryDue,
)
from shared.service import Service
from shared.settings import read_file

RESUME_SECONDS = 5.0
FORGET_SECONDS = 300.0
LAPSE_SECONDS = 30.0


def build(settings: Settings) -> Service:
    """The service, wired; the gateway is the one that creates keys and keeps dead letters."""
    service = Service("gateway", settings, creates_keys=True)
    service.project((TaskChanged,), projections.remember_tasks)
    service.project((NotificationDue,), projections.remember_runs)
    service.on(TaskCancelRequested, cancelling.cancel_import)
    service.on(TasksExpiryDue, expiry.expire_results)
    service.on(AbsenceRecorded, occasions.announce)
    service.on(BehaviorRecorded, occasions.announce)
    service.on(PaymentRecorded, occasions.announce)
    service.work(ImportPermit, import_job.run, IMPORTS)
    service.sweep(RESUME_SECONDS, import_job.resume_forsaken)
    service.sweep(FORGET_SECONDS, projections.forget_workers)
    service.sweep(LAPSE_SECONDS, classes.end_lapsed)
    service.hear(projections.Heard(service.transactions))
    service.bury(projections.keep_dead_letter)
    for router in (
        notifications.router,
        schedules.router,
        tasks.router,
        schools.router,
        people.router,
        students.router,
        class_routes.router,
        *records.routers,
        me.router,
        directory.router,
        status.router,
    ):
        service.serve(router)
    return service


def app(settings: Settings) -> FastAPI:
    """The public application: the service, its owners, its problems and its documentation."""
    service = build(settings)
    owners = Owners(
        {
            "notifier": settings.notifier_url,
            "files": settings.files_url,
            "reports": settings.reports_url,
            "scheduler": settings.scheduler_url,
        },
        read_file("SIGNING_KEY_FILE", settings.signing_key_file),
    )
    service.closing(owners.close)
    application = service.app()
    application.state.owners = owners
    application.add_middleware(BodyLimit, limit=settings.body_limit_bytes)
    problems.install(application)
    status.documentation(application)
    return application
