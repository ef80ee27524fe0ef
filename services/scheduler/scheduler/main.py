"""Builds the scheduler, which runs schedules on time and once, also after a crash. `build` shows all its parts."""

from scheduler import api, handlers, invariants, system_schedules
from scheduler.claim_loop import DueScheduleLoop
from scheduler.personal_data import PERSONAL_DATA
from scheduler.punctuality import Punctuality
from scheduler.settings import Settings
from shared.events import CalendarChanged, ScheduleRequested, SchoolChanged, StudentChanged, TaskCancelRequested
from shared.replays.serve import cancelling, serve
from shared.service.service import Service

FOLLOW_SECONDS = 1.0
FORGET_SECONDS = 600.0


def build(settings: Settings) -> Service:
    """Build the service. It reads students only because their events advance the school's directory version."""
    service = Service("scheduler", settings)
    service.follow_orders()
    events = (SchoolChanged, CalendarChanged, StudentChanged)
    service.project("remember_schools", events, handlers.remember_schools)
    service.on(ScheduleRequested, handlers.register)
    service.on_final_failure(ScheduleRequested, handlers.fail_request)
    service.on(TaskCancelRequested, cancelling("scheduler", handlers.cancel_task))
    serve(service)
    punctuality = Punctuality(service.metrics.registry)
    loop = DueScheduleLoop(service.transactions, punctuality, claim=settings.claim, look_every=settings.look_every)
    service.background(loop.run)
    service.sweep(settings.maintain_every, system_schedules.maintain, settings.monthly_window)
    service.sweep(FOLLOW_SECONDS, handlers.follow_calendars)
    service.sweep(FOLLOW_SECONDS, handlers.follow_zones)
    service.sweep(FORGET_SECONDS, handlers.forget, settings.keep_days)
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.export(PERSONAL_DATA)
    service.include_router(api.router)
    return service
