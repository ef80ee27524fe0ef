"""A span for each received message, by FastStream's middleware; needs the extra `tracing`."""

from faststream.rabbit.opentelemetry import RabbitTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import TracerProvider


def message_spans(provider: TracerProvider) -> RabbitTelemetryMiddleware:
    """Return a middleware that continues the trace of a message's headers, or begins one. Metrics are ours."""
    return RabbitTelemetryMiddleware(tracer_provider=provider, meter_provider=NoOpMeterProvider())
