"""Work on the tasks of this service: a permit names a task; its kind says what there is to do."""

from prometheus_client import Histogram

from files.cleanup import purge
from files.permits import LANE, TaskPermit
from files.processing import job as processing
from files.processing.reader import Reader
from files.settings import Settings
from shared.errors import LeaseLost
from shared.events import Envelope
from shared.jobs import job as jobs
from shared.jobs.task_status import find_task
from shared.jobs.time_limits import TimeLimits
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

READING_SECONDS = 900
"""One file, with up to 60 pages of OCR on a busy machine."""


async def perform(
    permit: TaskPermit,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    store: BlobStore,
    read: Reader,
    settings: Settings,
    seconds: Histogram,
) -> None:
    """Work on the task of a permit."""
    async with transactions.begin(cause) as tx:
        task = await find_task(tx, permit.task_id)
    if task is None:
        raise LeaseLost(f"task {permit.task_id} is not known")
    if task["kind"] == purge.KIND:
        await purge.purge(permit.task_id, cause, transactions, store, settings.keep_deleted_days)
    else:
        limits = TimeLimits(soft=READING_SECONDS, lease=settings.reading_lease)
        await processing.process(
            permit.task_id, cause, transactions, store, read, settings.review_below, limits, seconds
        )


async def resume(transactions: UnitOfWorkFactory) -> None:
    """Permit again what no worker works on."""
    kinds = frozenset({processing.KIND, purge.KIND})
    await jobs.resume(transactions, lambda task_id: TaskPermit(task_id=task_id), LANE, kinds)
