"""A replay as a job: requested by an event, worked on under a lease, continued after a kill, cancelled."""

from psycopg.types.json import Jsonb

from shared.consumers.final_failure import FinalFailure
from shared.errors import HistoryMissing, LeaseLost, Refused, Reject
from shared.events import Envelope, ReplayRequested, TaskCancelRequested, replay_task
from shared.jobs import job as jobs
from shared.jobs.job import Job, Task
from shared.jobs.task_status import track
from shared.jobs.time_limits import TimeLimits
from shared.projections import shadow_tables
from shared.replays import reading
from shared.replays.permits import LANE, ReplayPermit
from shared.replays.rebuild import rebuild
from shared.replays.watcher import Attended
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

LIMITS = TimeLimits(lease=60, again=True)
"""The swap of a large table keeps the lease from being renewed. After the soft limit it continues where it was."""

# Store what was asked for.
INSERT_REPLAY = """
INSERT INTO replay (task_id, request) VALUES (%(task_id)s, %(request)s) ON CONFLICT DO NOTHING
"""
SELECT_REPLAY = "SELECT request FROM replay WHERE task_id = %(task_id)s"


async def request(event: ReplayRequested, tx: UnitOfWork, service: str) -> None:
    """Register a replay of this service; those of others are theirs."""
    if event.service != service:
        return
    values = {"task_id": event.task_id, "request": Jsonb(event.model_dump(mode="json"))}
    await tx.execute(INSERT_REPLAY, values)
    if await jobs.start(tx, Task(event.task_id, None, replay_task(service))):
        tx.permit(ReplayPermit(task_id=event.task_id), LANE)


async def report_failure(failure: FinalFailure, tx: UnitOfWork, service: str) -> None:
    """End a replay of this service whose request died. A request that cannot be read may be of another service."""
    asked = failure.content
    if isinstance(asked, ReplayRequested) and asked.service == service:
        error = f"the replay could not be registered: {failure.reason}"
        await track(tx, asked.task_id, school_id=None, kind=replay_task(service), state="failed", error=error)


async def run(
    permitted: ReplayPermit,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    service: Service,
    limits: TimeLimits = LIMITS,
) -> None:
    """Do the replay of a permit. Raises LeaseLost if it has ended or another worker has it."""
    async with transactions.begin(cause) as tx:
        row = await tx.row(SELECT_REPLAY, {"task_id": permitted.task_id})
    if row is None:
        raise LeaseLost(f"replay {permitted.task_id} is not known")
    asked = ReplayRequested.model_validate(row["request"])
    async with jobs.run_job(transactions, permitted.task_id, cause, limits, shadow_tables.empty) as job:
        try:
            await _perform(job, service, asked)
        except (Refused, HistoryMissing) as problem:
            raise Reject(str(problem)) from problem


async def _perform(job: Job, service: Service, asked: ReplayRequested) -> None:
    watcher = Attended(job)
    if asked.mode == "resync":
        await _resync(job, service, asked)
    elif asked.dry_run:
        result = await reading.count(service, asked, watcher)
        async with job.commit() as tx:
            await job.succeed(tx, result=result)
    elif asked.mode == "rebuild":
        await rebuild(service, asked.consumer, force=asked.force, watcher=watcher)
    elif asked.mode == "in_place":
        await reading.read_in_place(service, asked, watcher)
    else:
        await reading.give_to_reaction(service, asked, watcher)


async def _resync(job: Job, service: Service, asked: ReplayRequested) -> None:
    publish = service.resyncs.get(asked.consumer)
    if publish is None:
        raise Refused(f"{service.name} owns {', '.join(service.resyncs) or 'no state'} that it could publish again")
    emitted = await publish(service.transactions)
    async with job.commit() as tx:
        await job.succeed(tx, result={"published": emitted})


async def cancel(event: TaskCancelRequested, tx: UnitOfWork, service: str) -> None:
    """Stop a replay of this service that has not ended; the live rows stay as they are."""
    await jobs.cancel(event, tx, frozenset({replay_task(service)}), shadow_tables.empty)


async def resume(transactions: UnitOfWorkFactory, service: str) -> None:
    """Permit again the replays that have no worker."""
    kinds = frozenset({replay_task(service)})
    await jobs.resume(transactions, lambda task: ReplayPermit(task_id=task), LANE, kinds)
