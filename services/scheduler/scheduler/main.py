"""Builds the scheduler: what time triggers happens on time, once, whoever dies. Read `build` to know the service."""

from scheduler import api, handlers, invariants, system
from scheduler.firing import Firing
from scheduler.settings import Settings
from shared.events import CalendarChanged, ScheduleRequested, SchoolChanged, StudentChanged, TaskCancelRequested
from shared.service.service import Service

FOLLOW_SECONDS = 1.0
FORGET_SECONDS = 600.0


def build(settings: Settings) -> Service:
    """The service, wired. Students are projected for the school's directory version only."""
    service = Service("scheduler", settings)
    events = (SchoolChanged, CalendarChanged, StudentChanged)
    service.project("remember_schools", events, handlers.remember_schools)
    service.on(ScheduleRequested, handlers.take_up)
    service.on(TaskCancelRequested, handlers.cancel_task)
    service.background(Firing(service.transactions, claim=settings.claim, look_every=settings.look_every).run)
    service.sweep(settings.maintain_every, system.maintain)
    service.sweep(FOLLOW_SECONDS, handlers.follow_calendars)
    service.sweep(FORGET_SECONDS, handlers.forget, settings.keep_days)
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.include_router(api.router)
    return service
