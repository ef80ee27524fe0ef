"""A span for each call to a provider, with its outcome; no address and no text."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from notifier.content.message_builder import Send
from notifier.domain.delivery import UNHEALTHY
from notifier.providers import Outcome


def traced(send: Send, tracer: Tracer, channel: str) -> Send:
    """Return what calls `send` within a span."""

    async def call(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        with tracer.start_as_current_span(
            f"{channel} send", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ) as span:
            outcome = await send(notification, delivery)
            span.set_attributes({"schoolconnect.outcome": outcome.kind, "schoolconnect.reason": outcome.reason})
            if outcome.kind in UNHEALTHY:
                span.set_status(StatusCode.ERROR)
            return outcome

    return call
