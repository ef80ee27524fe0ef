"""Builds the notifier: people are told, by push, mail and inbox. Read `build` to know the service."""

from collections.abc import Mapping
from email.utils import parseaddr

from prometheus_client import CollectorRegistry

from notifier import handlers, invariants
from notifier.content import message_builder, template_routes
from notifier.directory import projection
from notifier.explain import routes as explain_routes
from notifier.inbox import routes as inbox_routes
from notifier.permits import DIGESTS, LANES, PLANNING, DigestPermit, PlanPermit, SendPermit
from notifier.planning import decision_routes, notification_routes, preview_routes
from notifier.providers import Courier, Mail, Push
from notifier.providers.fcm import FcmCourier
from notifier.providers.recording import Unconfigured
from notifier.providers.smtp import SmtpCourier
from notifier.sending.provider_limiter import Line, Metrics
from notifier.sending.send_worker import perform, perform_digests
from notifier.settings import Settings
from notifier.suppressions import routes as suppression_routes
from notifier.suppressions.suppressions import one_click
from shared.errors import Refused
from shared.events import DIRECTORY, NotificationDue, NotificationRequested, TaskCancelRequested
from shared.service.service import Service

TEND_SECONDS = 1.0
ESCALATE_SECONDS = 1.0
FORGET_SECONDS = 60.0


class Couriers:
    """The providers, real or recording."""

    def __init__(self, push: Courier[Push], mail: Courier[Mail], settings: Settings) -> None:
        self._all = (push, mail)
        pushes, mails = (
            message_builder.pushes(push),
            message_builder.mails(mail, settings.mail_from, one_click(settings)),
        )
        lease = settings.delivery_lease
        self.lines: Mapping[str, Line] = {
            "push": Line("push", pushes, settings.push_concurrency, settings.push_rate, lease),
            "mail": Line("mail", mails, settings.mail_connections, settings.mail_rate, lease),
        }

    def measure(self, registry: CollectorRegistry) -> None:
        """Count what the providers answer, in a service's metrics."""
        metrics = Metrics(registry)
        for line in self.lines.values():
            line.measure(metrics)

    async def close(self) -> None:
        """Close every provider."""
        for courier in self._all:
            await courier.close()


def couriers(settings: Settings) -> Couriers:
    """The real providers; in production a missing one fails the start."""
    account, urls = settings.google_application_credentials, settings.smtp_url
    if settings.environment == "production" and not settings.standins and not (account and urls):
        raise Refused("GOOGLE_APPLICATION_CREDENTIALS and SMTP_URL must be set in production (or STANDINS=1)")
    push: Courier[Push] = Unconfigured("GOOGLE_APPLICATION_CREDENTIALS")
    if account:
        push = FcmCourier(
            settings.fcm_url, account, ca_file=settings.fcm_ca_file, concurrency=settings.push_concurrency
        )
    mail: Courier[Mail] = Unconfigured("SMTP_URL")
    if urls:
        mail = SmtpCourier(urls, parseaddr(settings.mail_from)[1], connections=settings.mail_connections)
    return Couriers(push, mail, settings)


def build(settings: Settings, providers: Couriers) -> Service:
    """The service, wired."""
    service = Service("notifier", settings)
    service.project("remember_directory", DIRECTORY, handlers.remember_directory)
    service.rebuilds("remember_directory", projection.TABLES)
    service.on(NotificationRequested, handlers.plan)
    service.on(NotificationDue, handlers.plan)
    service.work(PlanPermit, handlers.plan_waiting, PLANNING)
    service.on(TaskCancelRequested, handlers.stop)
    service.work(SendPermit, perform, LANES, providers.lines, settings.claim)
    service.work(DigestPermit, perform_digests, DIGESTS, providers.lines, settings.claim)
    service.sweep(TEND_SECONDS, handlers.tend, settings.directory_patience)
    service.sweep(ESCALATE_SECONDS, handlers.escalate)
    service.sweep(FORGET_SECONDS, handlers.forget)
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.on_close(providers.close)
    providers.measure(service.metrics.registry)
    service.include_router(notification_routes.router)
    service.include_router(decision_routes.router)
    service.include_router(suppression_routes.router)
    service.include_router(preview_routes.router)
    service.include_router(template_routes.router)
    service.include_router(inbox_routes.router)
    service.include_router(explain_routes.router)
    return service
