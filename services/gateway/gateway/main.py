"""Builds the gateway: the one public door. Read `build` to know the service."""

import datetime as dt

from fastapi import FastAPI

from gateway import invariants, problems
from gateway.accounts import accounts, passwords, sessions
from gateway.accounts.api_keys import Keys
from gateway.accounts.dependencies import SignInTools
from gateway.accounts.firebase import Firebase
from gateway.accounts.standing import Standing
from gateway.console import routers as console
from gateway.console.overview_page import Attention
from gateway.console.templating import Templates
from gateway.directory import (
    classes,
    devices,
    people,
    publish_bulk,
    resync,
)
from gateway.event_log.log_reader import LogReader
from gateway.files import orphans, recording
from gateway.files.intake import Intake
from gateway.files.upload_route import FileBodyLimit
from gateway.http import cors, documentation_pages, idempotency, openapi
from gateway.http.body_limit import BodyLimit
from gateway.http.front import Front
from gateway.http.service_client import ServiceClients
from gateway.live.hub import Hub
from gateway.notifications import held_sends
from gateway.operations import bulk_retry, dead_letters, failure_groups, failure_retention, task_cancel
from gateway.operations.hour_figures import Prometheus
from gateway.operations.queue_reads import QueueDepths
from gateway.permits import IMPORT_LANE, ImportPermit
from gateway.records import announcements, report_announcements
from gateway.roster_import import job
from gateway.roster_import.body_limit import RosterBodyLimit
from gateway.roster_import.endings import Bound
from gateway.routers import ACCESS, CONSOLE_ACCESS, ROUTERS
from gateway.security import audit, audit_retention
from gateway.security.admission import Admission
from gateway.security.rate_limits import Rate, RateLimiter
from gateway.sends.batch_accept import BatchAcceptor
from gateway.settings import Settings
from gateway.tasks import projection, retention
from shared.events import (
    AbsenceRecorded,
    BehaviorRecorded,
    DeviceInvalidated,
    FileConfirmed,
    FileDeleted,
    FileProcessed,
    FileRestored,
    InboxChanged,
    NotificationDue,
    PaymentRecorded,
    ReportReady,
    TaskCancelRequested,
    TaskChanged,
    TasksExpiryDue,
)
from shared.http.download_links import DownloadLinks
from shared.http.tokens import Verifier
from shared.messaging import topology
from shared.persistence.encryption import read_master_key
from shared.replays.serve import cancelling, serve
from shared.service.service import Service
from shared.settings import read_file
from shared.storage.locations import open_store
from shared.storage.threaded_store import ThreadedStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

RESUME_SECONDS = 5.0
FORGET_SECONDS = 300.0
LAPSE_SECONDS = 30.0
UNFINISHED_SECONDS = 3_600.0
ORPHAN_SECONDS = 15.0
WAVE_SECONDS = 1.0


def limiter_of(settings: Settings) -> RateLimiter:
    """Build the limits of the settings."""
    return RateLimiter(
        {
            "caller": Rate(settings.rate_caller, settings.burst_caller),
            "school": Rate(settings.rate_school, settings.burst_school),
            "address": Rate(settings.rate_address, settings.burst_address),
            "refused": Rate(settings.rate_refused, settings.burst_refused),
            "unknown key": Rate(settings.rate_unknown_key, settings.burst_unknown_key),
            "link": Rate(settings.rate_link, settings.burst_link),
        }
    )


def build(settings: Settings, limiter: RateLimiter | None = None, store: ThreadedStore | None = None) -> Service:
    """Build the service; only the gateway creates keys and stores dead letters."""
    service = Service("gateway", settings, creates_keys=True)
    service.follow_orders()
    store = store or open_store(settings.storage_url)
    service.on_close(store.close)
    service.project("remember_tasks", (TaskChanged,), projection.project_tasks)
    service.resync("directory", resync.resync_directory)
    runs = topology.reaction_queue(
        "gateway", NotificationDue.topic, (NotificationDue.topic, NotificationDue.safety_key())
    )
    service.on_queue(runs, NotificationDue, projection.record_scheduled_run)
    # Until 0.2 a projection stored the runs; the release after that deletes its queue.
    service.on_queue(
        topology.projection_retry_queue("gateway", "remember_runs"), NotificationDue, projection.record_scheduled_run
    )
    service.on(TaskCancelRequested, cancelling("gateway", task_cancel.cancel))
    serve(service)
    service.on(DeviceInvalidated, devices.forget)
    service.on(TasksExpiryDue, retention.expire_results, settings.result_days)
    service.on(AbsenceRecorded, announcements.announce)
    service.on(BehaviorRecorded, announcements.announce)
    service.on(PaymentRecorded, announcements.announce)
    service.on(ReportReady, report_announcements.announce_report)
    service.on(FileProcessed, recording.record_processed)
    service.on(FileConfirmed, recording.record_confirmed)
    service.on(FileDeleted, recording.mark_deleted)
    service.on(FileRestored, recording.mark_restored)
    bound = Bound(settings.import_ending_share, settings.import_ending_least)
    service.work(ImportPermit, job.run, [IMPORT_LANE], bound=bound)
    service.sweep(RESUME_SECONDS, job.resume_imports)
    service.sweep(WAVE_SECONDS, bulk_retry.advance_retries, settings.retry_days)
    service.sweep(RESUME_SECONDS, failure_groups.add_up_counts)
    service.prune(*retention.of_tasks(settings), audit_retention.of_audit(settings.audit_days))
    service.prune(*failure_retention.of_failures(settings.failure_days))
    service.sweep(RESUME_SECONDS, publish_bulk.emit_remaining)
    service.sweep(FORGET_SECONDS, projection.forget_workers)
    service.sweep(LAPSE_SECONDS, classes.end_lapsed)
    service.sweep(FORGET_SECONDS, people.end_lapsed)
    service.sweep(FORGET_SECONDS, idempotency.forget_keys)
    service.sweep(FORGET_SECONDS, held_sends.lapse)
    service.sweep(FORGET_SECONDS, accounts.forget_invitations)
    service.sweep(FORGET_SECONDS, passwords.forget_failures)
    service.sweep(FORGET_SECONDS, sessions.forget_sessions)
    service.sweep(UNFINISHED_SECONDS, audit.forget_counts)
    service.sweep(ORPHAN_SECONDS, orphans.remove_orphans, store)
    service.sweep(FORGET_SECONDS, orphans.forget_purged)
    service.sweep(UNFINISHED_SECONDS, orphans.remove_unfinished, store)
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.on_heartbeat(projection.HeartbeatRecorder(service.transactions, limiter or limiter_of(settings)))
    service.store_dead_letters(dead_letters.store_failures)
    for router in (*ROUTERS, *console.ROUTERS):
        service.include_router(router)
    return service


def build_api(settings: Settings) -> Service:
    """Build the service with all dependencies of its routes."""
    limiter, store = limiter_of(settings), open_store(settings.storage_url)
    service = build(settings, limiter, store)
    rows = service.transactions.for_requests()
    signing_key = read_file("SIGNING_KEY_FILE", settings.signing_key_file)
    owners = ServiceClients(
        {
            "notifier": settings.notifier_url,
            "files": settings.files_url,
            "reports": settings.reports_url,
            "scheduler": settings.scheduler_url,
        },
        signing_key,
    )
    service.on_close(owners.close)
    keys = Keys(rows)
    standing = Standing(rows, keys)
    hub = Hub(
        60 * settings.access_minutes,
        settings.streams_person,
        settings.streams_school,
        lambda: limiter.gateways,
        ended=standing.ended,
    )
    standing.on_change(hub.look_again)
    service.on_broadcast((TaskChanged, InboxChanged), hub.heard, hub.interrupted)
    service.background(hub.run)
    service.on_stop(hub.stop)
    tools = _sign_in_tools(rows, settings, signing_key, service.components.verifier)
    service.on_close(tools.firebase.close)
    fixed_paths = frozenset(path for _, path in ACCESS | CONSOLE_ACCESS if "{" not in path)
    service.provide(
        Admission(rows, service.components.verifier, keys, standing, limiter, fixed_paths),
        BodyLimit(settings.body_limit_bytes),
        FileBodyLimit(settings.file_limit_bytes),
        RosterBodyLimit(settings.import_limit_bytes),
        Intake(rows, store, lease=settings.upload_lease, space=settings.school_space_bytes),
        owners,
        LogReader(settings.amqp_url.get_secret_value()),
        hub,
        keys,
        tools,
        BatchAcceptor(rows),
        store,
        DownloadLinks(read_master_key(settings.vault_key_file), dt.timedelta(minutes=settings.download_minutes)),
        service.vault.for_requests(),
        QueueDepths(settings.amqp_url.get_secret_value()),
        Prometheus(settings.prometheus_url),
        Templates(),
        Attention(service.attention),
    )
    return service


def app(service: Service) -> FastAPI:
    """Build the public application: the service, its problems and its documentation."""
    application = service.app()
    if isinstance(service.settings, Settings):
        cors.install(application, service.settings.origins)
    application.router.redirect_slashes = False  # behind a proxy it would redirect to its own address
    problems.install(application)
    application.add_middleware(Front)
    documentation_pages.install(application)
    console.install(application)
    openapi.install(application)
    return application


def _sign_in_tools(rows: UnitOfWorkFactory, settings: Settings, signing_key: bytes, verifier: Verifier) -> SignInTools:
    access, refresh = dt.timedelta(minutes=settings.access_minutes), dt.timedelta(days=settings.refresh_days)
    return SignInTools(
        sessions.Sessions(rows, signing_key, access, refresh),
        passwords.Passwords(),
        passwords.Failures(rows, settings.sign_in_free_failures, settings.sign_in_longest_wait),
        Firebase(settings.firebase_project, settings.firebase_certificates_url),
        verifier,
    )
