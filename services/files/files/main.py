"""Builds the file service: documents become data. Read `build` to know the service."""

from functools import partial

from files import handlers, invariants
from files.directory import projection
from files.permits import PROCESSING_LANE, ProcessPermit
from files.processing import job
from files.processing.reader import Reader
from files.reading.limits import ReadLimits
from files.reading.sandbox import read_file
from files.review import routes
from files.settings import Settings
from shared.events import DIRECTORY, FileUploaded, TaskCancelRequested
from shared.service.service import Service
from shared.storage.locations import open_store

RESUME_SECONDS = 5.0


def limited_reader() -> Reader:
    """Return the reader that runs in a child process with limits."""
    return partial(read_file, limits=ReadLimits())


def build(settings: Settings, reader: Reader | None = None) -> Service:
    """Return the service with everything that it reacts to, performs, sweeps and serves."""
    service = Service("files", settings)
    store = open_store(settings.storage_url)
    service.on_close(store.close)
    service.pause_until(store.check)
    service.project("remember_directory", DIRECTORY, projection.remember_directory)
    service.rebuilds("remember_directory", projection.TABLES)
    service.on(FileUploaded, handlers.register)
    service.on(TaskCancelRequested, handlers.cancel)
    service.work(
        ProcessPermit, job.process, (PROCESSING_LANE,), store, reader or limited_reader(), settings.review_below
    )
    service.sweep(RESUME_SECONDS, job.resume)
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.include_router(routes.router)
    return service
