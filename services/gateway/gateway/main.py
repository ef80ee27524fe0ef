"""Builds the gateway: the one public door. Read `build` to know the service."""

import datetime as dt

from fastapi import FastAPI

from gateway import (
    accounts,
    classes,
    devices,
    directory_bulk,
    documentation,
    expiry,
    failures,
    idempotency,
    import_job,
    invariants,
    occasions,
    passwords,
    people,
    problems,
    projections,
    report_news,
    resync,
    sessions,
)
from gateway.api import (
    administration,
    calendars,
    directory,
    inbox,
    me,
    notifications,
    reach,
    records,
    schedules,
    schools,
    sending,
    status,
    stopping,
    students,
    tasks,
    templates,
    unsubscribing,
)
from gateway.api import classes as class_routes
from gateway.api import failures as failure_routes
from gateway.api import keys as api_keys
from gateway.api import live as live_routes
from gateway.api import people as people_routes
from gateway.api import sessions as sign_in
from gateway.api.deps import Tools
from gateway.body_limit import BodyLimit
from gateway.door import Door
from gateway.firebase import Firebase
from gateway.forward import Owners
from gateway.intake import Intake
from gateway.keys import Keys
from gateway.limits import Limits, Rate
from gateway.live import Hub
from gateway.settings import Settings
from gateway.work import IMPORTS, ImportPermit
from shared import bus
from shared.events import (
    AbsenceRecorded,
    BehaviorRecorded,
    DeviceInvalidated,
    InboxChanged,
    NotificationDue,
    PaymentRecorded,
    ReportReady,
    TaskCancelRequested,
    TaskChanged,
    TasksExpiryDue,
)
from shared.service import Service
from shared.settings import read_file

RESUME_SECONDS = 5.0
FORGET_SECONDS = 300.0
LAPSE_SECONDS = 30.0


def limits_of(settings: Settings) -> Limits:
    """The limits that the settings name."""
    return Limits(
        {
            "caller": Rate(settings.rate_caller, settings.burst_caller),
            "school": Rate(settings.rate_school, settings.burst_school),
            "address": Rate(settings.rate_address, settings.burst_address),
        }
    )


def build(settings: Settings, limits: Limits | None = None) -> Service:
    """The service, wired; the gateway is the one that creates keys and keeps dead letters."""
    service = Service("gateway", settings, creates_keys=True)
    service.project((TaskChanged,), projections.remember_tasks)
    service.resync("directory", resync.tell_directory)
    service.on(NotificationDue, projections.remember_run)
    # Until 0.2 a projection kept the runs; its queue goes with the release after that.
    service.drain(bus.aside("gateway", "remember_runs"), NotificationDue, projections.remember_run)
    service.on(TaskCancelRequested, import_job.cancel)
    service.on(DeviceInvalidated, devices.forget)
    service.on(TasksExpiryDue, expiry.expire_results)
    service.on(AbsenceRecorded, occasions.announce)
    service.on(BehaviorRecorded, occasions.announce)
    service.on(PaymentRecorded, occasions.announce)
    service.on(ReportReady, report_news.tell_of_report)
    service.work(ImportPermit, import_job.run, IMPORTS)
    service.sweep(RESUME_SECONDS, import_job.resume_imports)
    service.sweep(RESUME_SECONDS, directory_bulk.tell_rest)
    service.sweep(FORGET_SECONDS, projections.forget_workers)
    service.sweep(LAPSE_SECONDS, classes.end_lapsed)
    service.sweep(FORGET_SECONDS, people.end_lapsed)
    service.sweep(FORGET_SECONDS, idempotency.forget_keys)
    service.sweep(FORGET_SECONDS, accounts.forget_invitations)
    service.sweep(FORGET_SECONDS, passwords.forget_failures)
    service.sweep(FORGET_SECONDS, sessions.forget_sessions)
    for name, statement in invariants.INVARIANTS.items():
        service.reconcile(name, statement)
    service.hear(projections.Heard(service.transactions, limits or limits_of(settings)))
    service.bury(failures.keep)
    for router in (
        live_routes.router,  # before /v1/tasks/{task_id}
        sending.router,
        notifications.router,
        reach.router,
        templates.router,
        inbox.router,
        schedules.router,
        tasks.router,
        failure_routes.router,
        schools.router,
        calendars.router,
        people_routes.router,
        students.router,
        class_routes.router,
        *records.routers,
        me.router,
        directory.router,
        sign_in.router,
        stopping.router,
        unsubscribing.router,
        api_keys.router,
        administration.router,
        status.router,
    ):
        service.serve(router)
    return service


def app(settings: Settings) -> FastAPI:
    """The public application: the service, its owners, its problems and its documentation."""
    limits = limits_of(settings)
    service = build(settings, limits)
    hub = Hub(longest=60 * settings.access_minutes)
    service.listen((TaskChanged, InboxChanged), hub.heard, hub.interrupted)
    service.background(hub.run)
    service.stopping(hub.stop)
    signing_key = read_file("SIGNING_KEY_FILE", settings.signing_key_file)
    owners = Owners(
        {
            "notifier": settings.notifier_url,
            "files": settings.files_url,
            "reports": settings.reports_url,
            "scheduler": settings.scheduler_url,
        },
        signing_key,
    )
    service.closing(owners.close)
    application = service.app()
    application.state.owners = owners
    application.state.hub = hub
    application.state.intake = Intake(service.transactions)
    application.state.tools = tools = _tools(service, settings, signing_key)
    service.closing(tools.firebase.close)
    application.add_middleware(sending.ShortWay)
    application.add_middleware(BodyLimit, limit=settings.body_limit_bytes)
    # The last is the outermost: nobody is told anything of a body before the door has let them in.
    application.add_middleware(
        Door, rows=service.transactions, verify_key=service.verify_key, limits=limits, keys=tools.keys
    )
    application.router.redirect_slashes = False  # behind a proxy it would redirect to its own address
    problems.install(application)
    status.documentation(application)
    documentation.install(application)
    return application


def _tools(service: Service, settings: Settings, signing_key: bytes) -> Tools:
    """What signing in takes."""
    access, refresh = dt.timedelta(minutes=settings.access_minutes), dt.timedelta(days=settings.refresh_days)
    rows = service.transactions
    return Tools(
        sessions.Sessions(rows, signing_key, access, refresh),
        passwords.Passwords(),
        passwords.Failures(rows, settings.sign_in_free_failures, settings.sign_in_longest_wait),
        Firebase(settings.firebase_project, settings.firebase_certificates_url),
        Keys(rows),
    )
