"""One trace leads from a request at the gateway, through the bus, to the call of FCM."""

import asyncio
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from benchmarks import notifier_load
from cli.operations import tokens
from gateway.main import app, build_api
from gateway.settings import Settings as GatewaySettings
from notifier.main import build, couriers
from notifier.settings import Settings as NotifierSettings
from shared.testing.fixtures import Backing, declare, eventually, fresh_database, fresh_vhost, write_keys

pytestmark = pytest.mark.timeout(400)  # two services start, perhaps on a busy machine


@pytest.fixture
def collector():
    """The address of a collector that takes everything, and the paths that it was asked for."""
    asked = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", asked=asked)
    server.shutdown()
    server.server_close()


@pytest.fixture
def backing(tmp_path):
    write_keys(tmp_path)
    with fresh_database(["gateway", "notifier"]) as database, fresh_vhost() as amqp:
        yield Backing(database, amqp, tmp_path)


async def test_one_trace_leads_from_a_request_to_the_call_of_the_provider(backing, collector, fcm):
    # given
    def settings(kind, service, **more):
        environment = {name.lower(): value for name, value in backing.environment(service).items()}
        return kind(**environment, otel_exporter_otlp_endpoint=collector.url, **more)

    account = {
        "google_application_credentials": fcm.folder / "service-account.json",
        "fcm_url": fcm.web,
        "fcm_ca_file": fcm.folder / "ca.pem",
    }
    theirs = settings(NotifierSettings, "notifier", **account)
    gateway, notifier = build_api(settings(GatewaySettings, "gateway")), build(theirs, couriers(theirs))
    await declare(backing.amqp_url, gateway.topology(), notifier.topology())
    exported = InMemorySpanExporter()
    for service in (gateway, notifier):
        service.components.tracing.provider.add_span_processor(SimpleSpanProcessor(exported))
    school = await asyncio.to_thread(notifier_load.add_school, SimpleNamespace(backing=backing), 1)
    public = app(gateway)
    async with AsyncExitStack() as stack:
        for application in (public, notifier.app()):
            await stack.enter_async_context(application.router.lifespan_context(application))
        for service in (gateway, notifier):
            await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=60)
        # when
        token = tokens.make(backing.keys / "signing.pem", "platform_admin", None, None)
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
        content = {"type": "general", "title": "Made up", "body": "A made-up text.", "channels": ["push"]}
        content |= {"school": str(school), "audience": {"school": True}}
        client = httpx.AsyncClient(transport=httpx.ASGITransport(public), base_url="http://gateway", headers=headers)
        async with client:
            (await client.post("/v1/notifications", json=content)).raise_for_status()

        async def calls():
            return [span for span in exported.get_finished_spans() if span.name == "push send"]

        (call,) = await eventually(calls, bool, within=60)
        spans = await eventually(lambda: ended(exported, call), lambda found: None not in found, within=60)
    # then: each span has its parent, up to the request
    assert {span.context.trace_id for span in spans} == {call.context.trace_id}
    assert (spans[-1].name, spans[-1].kind, spans[-1].parent) == ("POST /v1/notifications", SpanKind.SERVER, None)
    assert (call.kind, call.attributes["schoolconnect.outcome"]) == (SpanKind.CLIENT, "accepted")
    names = [span.name for span in spans]
    assert "school.events.notification.requested process" in names
    assert [name for name in names if "notifier.work.push" in name]
    services = {span.resource.attributes["service.name"] for span in spans}
    assert services == {"schoolconnect-gateway", "schoolconnect-notifier"}
    assert set(collector.asked) == {"/v1/traces"}


async def ended(exported, call):
    """The spans from a call up to its root; the last is None while a parent has not ended."""
    known = {span.context.span_id: span for span in exported.get_finished_spans()}
    chain = [call]
    while chain[-1] is not None and chain[-1].parent is not None:
        chain.append(known.get(chain[-1].parent.span_id))
    return chain
