"""Builds the file service: documents become data. Read `build` to know the service."""

from functools import partial
from typing import get_args

from files import erasure, handlers, invariants, work
from files.cleanup import purge
from files.cleanup.orphans import OrphanCounter, count_orphans
from files.directory import projection
from files.permits import LANE, TaskPermit
from files.personal_data import PERSONAL_DATA
from files.processing import job as processing
from files.processing.malware_scanner import MalwareScanner
from files.processing.reader import Reader
from files.reading.limits import ReadLimits
from files.reading.sandbox import read_file
from files.review import routes
from files.settings import Settings
from shared.events import DIRECTORY, FilesCleanupDue, FileUploaded, TaskCancelRequested
from shared.events.files import FileKind
from shared.jobs.durations import job_seconds
from shared.replays.serve import cancelling, serve
from shared.service.failed_tasks import fail_task
from shared.service.service import Service
from shared.storage.locations import open_store

RESUME_SECONDS = 5.0
ERASE_SECONDS = 10.0
ORPHAN_SECONDS = 60.0
"""One school a round."""


def limited_reader() -> Reader:
    """Return the reader that runs in a child process with limits."""
    return partial(read_file, limits=ReadLimits())


def build(settings: Settings, reader: Reader | None = None) -> Service:
    """Return the service with everything that it reacts to, performs, sweeps and serves."""
    service = Service("files", settings)
    service.follow_orders()
    store = open_store(settings.storage_url)
    service.on_close(store.close)
    service.pause_until(store.check)
    service.project("remember_directory", DIRECTORY, projection.remember_directory)
    service.rebuilds("remember_directory", projection.TABLES)
    service.on(FileUploaded, handlers.register)
    service.on_final_failure(FileUploaded, fail_task(processing.KIND, "the file could not be read"))
    service.on(TaskCancelRequested, cancelling("files", handlers.cancel))
    serve(service)
    service.on(FilesCleanupDue, purge.start)
    seconds = job_seconds(service.metrics.registry, get_args(FileKind))
    reader = reader or limited_reader()
    if settings.clamd_address:
        scanner = MalwareScanner(settings.clamd_address)
        service.pause_until(scanner.check)
        reader = scanner.before(reader)
    service.work(TaskPermit, work.perform, (LANE,), store, reader, settings, seconds)
    service.sweep(RESUME_SECONDS, work.resume)
    service.sweep(ERASE_SECONDS, erasure.erase_files, store)
    service.sweep(ORPHAN_SECONDS, count_orphans, OrphanCounter(store, service.metrics))
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.export(PERSONAL_DATA)
    service.include_router(routes.router)
    return service
