"""Exports spans by OTLP over HTTP. Loaded only where OTEL_EXPORTER_OTLP_ENDPOINT is set; needs the extra `tracing`.

The SDK reads its other variables from the environment, such as OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS.
"""

import asyncio
from typing import Any, Self

from fastapi.telemetry import TelemetryConfig
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.messaging.message_spans import message_spans
from shared.service.operations_port import EVERYWHERE, PRIVATE
from shared.telemetry import installed_version

EXPORT_SECONDS = 3.0
"""The longest an export may take, so that a collector that is away does not delay a stop."""
WITHHELD = "withheld"
PERSONAL = ("url.path", "url.query")
"""Attributes that may hold ids, names that were searched for, or the token of a link; `http.route` says enough."""


class PersonalAttributes(SpanProcessor):
    """Overwrites attributes that may be personal."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # as the SDK has it
        """Overwrite them before anything is exported."""
        for name in PERSONAL:
            if name in (span.attributes or {}):
                span.set_attribute(name, WITHHELD)


class Tracing:
    """The spans of one service: who makes them, and where they go."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider

    @classmethod
    def of(cls, service: str, endpoint: str) -> Self:
        """Export the spans of a service to a collector, for example http://collector:4318."""
        facts = {"service.name": f"schoolconnect-{service}", "service.version": installed_version(service)}
        provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
        provider.add_span_processor(PersonalAttributes())
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    @property
    def messages(self) -> Any:
        """FastStream's middleware that makes a span of each received message."""
        return message_spans(self.provider)

    @property
    def requests(self) -> TelemetryConfig:
        """What makes a span of each request, but not of those that ask for the service's health."""
        return {
            "tracing": True,
            "tracer_provider": self.provider,
            "operation_spans": False,
            "exclude": lambda scope: scope["path"] in PRIVATE | EVERYWHERE,
        }

    async def close(self) -> None:
        """Export what is left."""
        await asyncio.to_thread(self.provider.shutdown)
