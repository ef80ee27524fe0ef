"""The current trace, by OpenTelemetry's API. There is none unless `shared.service.tracing` exports spans.

A trace goes from a request through the outbox row and the message's headers to the handler, its own messages, and the
call of a provider.
"""

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
"""The header of messages and requests (W3C Trace Context); in messages beside the CloudEvents attributes."""
PROPAGATOR = TraceContextTextMapPropagator()


def trace_headers() -> dict[str, str]:
    """Return the header that continues the current trace elsewhere; empty without one.

    Never `tracestate`: a client of the gateway chooses what it says.
    """
    if trace.get_current_span() is trace.INVALID_SPAN:
        return {}
    found: dict[str, str] = {}
    PROPAGATOR.inject(found)
    return {TRACEPARENT: found[TRACEPARENT]} if TRACEPARENT in found else {}


def trace_id() -> str | None:
    """Return the id of the current trace, as it is shown, or None."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
