"""Builds the notifier: it sends notifications by push, mail and inbox. Read `build` to know the service."""

from collections.abc import Mapping
from email.utils import parseaddr

from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry

from notifier import handlers, invariants
from notifier.content import message_builder, template_routes
from notifier.directory import projection
from notifier.explain import routes as explain_routes
from notifier.inbox import routes as inbox_routes
from notifier.permits import DIGEST_LANES, PLANNING_LANES, SEND_LANES, DigestPermit, PlanPermit, SendPermit
from notifier.personal_data import PERSONAL_DATA
from notifier.planning import decision_routes, notification_routes, preview_routes
from notifier.providers import Courier, Mail, Push
from notifier.providers.fcm import FcmCourier
from notifier.providers.smtp import SmtpCourier
from notifier.providers.unconfigured import Unconfigured
from notifier.retention import of_notifications
from notifier.sending.backlog import DeliveryBacklog, count_due
from notifier.sending.provider_limiter import ProviderLimiter, ProviderMetrics
from notifier.sending.send_worker import send_deliveries, send_digests
from notifier.settings import Settings
from notifier.suppressions import routes as suppression_routes
from notifier.suppressions.suppressions import unsubscribe_links
from shared.errors import Refused
from shared.events import DIRECTORY, NotificationDue, NotificationIntent, NotificationRequested, TaskCancelRequested
from shared.messaging import topology
from shared.replays.serve import cancelling, serve
from shared.service.service import Service

TEND_SECONDS = 1.0
ESCALATE_SECONDS = 1.0
ERASE_SECONDS = 60.0
COUNT_SECONDS = 10.0
SAFETY_QUEUE = topology.reaction_queue(
    "notifier", "notification.safety", (NotificationRequested.safety_key(), NotificationDue.safety_key())
)
"""Intents about safety have a queue of their own: an alarm never waits until a mass of others is planned."""
ROUTERS = (
    notification_routes.router,
    decision_routes.router,
    preview_routes.router,
    suppression_routes.router,
    template_routes.router,
    inbox_routes.router,
    explain_routes.router,
)


class Couriers:
    """The providers, real or recording, each behind a limiter."""

    def __init__(self, push: Courier[Push], mail: Courier[Mail], settings: Settings) -> None:
        self._couriers = (push, mail)
        lease = settings.delivery_lease
        pushes = message_builder.push_sender(push)
        mails = message_builder.mail_sender(mail, settings.mail_from, unsubscribe_links(settings))
        self.limiters: Mapping[str, ProviderLimiter] = {
            "push": ProviderLimiter("push", pushes, settings.push_concurrency, settings.push_rate, lease),
            "mail": ProviderLimiter("mail", mails, settings.mail_connections, settings.mail_rate, lease),
        }

    def measure(self, registry: CollectorRegistry) -> None:
        """Count what the providers answer, in a service's metrics."""
        metrics = ProviderMetrics(registry)
        for limiter in self.limiters.values():
            limiter.measure(metrics)

    def trace(self, provider: TracerProvider) -> None:
        """Make a span of each call."""
        for limiter in self.limiters.values():
            limiter.trace(provider.get_tracer("notifier"))

    async def close(self) -> None:
        """Close every provider."""
        for courier in self._couriers:
            await courier.close()


def couriers(settings: Settings) -> Couriers:
    """Return the real providers; in production a missing one prevents the start."""
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
    """Return the service with everything it reacts to, performs, sweeps and serves."""
    service = Service("notifier", settings)
    service.follow_orders()
    service.project("remember_directory", DIRECTORY, handlers.remember_directory)
    service.rebuilds("remember_directory", projection.TABLES)
    service.on(NotificationRequested, handlers.plan)
    service.on(NotificationDue, handlers.plan)
    service.on_queue(SAFETY_QUEUE, NotificationIntent, handlers.plan)
    service.on(TaskCancelRequested, cancelling("notifier", handlers.cancel))
    serve(service)
    service.work(PlanPermit, handlers.plan_waiting, PLANNING_LANES)
    for message in (NotificationRequested, NotificationDue, PlanPermit):
        service.on_final_failure(message, handlers.fail_intent)
    service.work(SendPermit, send_deliveries, SEND_LANES, providers.limiters, settings.claim)
    service.work(DigestPermit, send_digests, DIGEST_LANES, providers.limiters, settings.claim)
    service.prune(*of_notifications(settings.notification_days))
    service.sweep(TEND_SECONDS, handlers.tend, settings.directory_patience)
    service.sweep(ESCALATE_SECONDS, handlers.escalate)
    service.sweep(ERASE_SECONDS, handlers.erase)
    service.sweep(COUNT_SECONDS, count_due, DeliveryBacklog(service.metrics.registry))
    for name, statement in invariants.INVARIANTS.items():
        service.check_invariant(name, statement)
    service.export(PERSONAL_DATA)
    service.on_close(providers.close)
    providers.measure(service.metrics.registry)
    if service.components.tracing is not None:
        providers.trace(service.components.tracing.provider)
    for router in ROUTERS:
        service.include_router(router)
    return service
