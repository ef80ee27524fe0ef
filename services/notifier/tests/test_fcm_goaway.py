"""FCM's front ends end their HTTP/2 connections now and then (GOAWAY, RFC 9113 section 6.8): nothing is lost by it."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import ClassVar

import h2.config
import h2.connection
import h2.events
import pytest

from notifier.providers import Push
from notifier.providers.fcm import FcmCourier
from shared.testing.fixtures import eventually

ANSWER = b'{"name": "projects/demo/messages/1"}'


class FrontEnd(asyncio.Protocol):
    """Answers requests; after `most` of them its first connection says GOAWAY.

    `graceful`: everything that has come by then is answered first. Else what came after the last answer is dropped,
    and the connection is closed.
    """

    connections = 0
    there: ClassVar[set] = set()

    def __init__(self, most, *, graceful):
        self.most, self.graceful, self.answered = most, graceful, 0
        self.protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))

    def connection_made(self, transport):
        type(self).connections += 1
        self.going = type(self).connections == 1
        self.transport = transport
        self.there.add(self)
        self.protocol.initiate_connection()
        self._flush()

    def connection_lost(self, _):
        self.there.discard(self)

    def data_received(self, data):
        for event in self.protocol.receive_data(data):
            if isinstance(event, h2.events.StreamEnded) and not (self.ended() and not self.graceful):
                self._answer(event.stream_id)
        self._flush()
        if self.ended():
            self.protocol.close_connection(last_stream_id=self.last)
            self._flush()
            self.transport.close()

    def ended(self):
        return self.going and self.answered >= self.most

    def _answer(self, stream):
        self.answered += 1
        self.last = stream
        self.protocol.send_headers(stream, [(":status", "200"), ("content-type", "application/json")])
        self.protocol.send_data(stream, ANSWER, end_stream=True)

    def _flush(self):
        self.transport.write(self.protocol.data_to_send())


def fetch():
    return "a-token", 3600.0


@asynccontextmanager
async def front_end(fcm, most, *, graceful):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(fcm.folder / "localhost.pem", fcm.folder / "localhost-key.pem")
    context.set_alpn_protocols(["h2"])
    FrontEnd.connections = 0
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FrontEnd(most, graceful=graceful), "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    account, ca_file = fcm.folder / "service-account.json", fcm.folder / "ca.pem"
    courier = FcmCourier(url, account, ca_file=ca_file, concurrency=100, fetch=fetch)
    try:
        yield courier
    finally:
        await courier.close()
        server.close()
        for each in tuple(FrontEnd.there):
            each.transport.abort()
        await eventually(lambda: asyncio.sleep(0, FrontEnd.there), lambda there: not there)


def push(number):
    return Push(token=f"token-{number}", title="Trip", body="Bring boots", tag="n-1")


@pytest.mark.parametrize("graceful", [True, False])
async def test_a_closed_connection_loses_no_push(fcm, graceful):
    async with front_end(fcm, 10, graceful=graceful) as courier:
        # when many calls are under way as it goes
        outcomes = await asyncio.wait_for(asyncio.gather(*(courier.send(push(n)) for n in range(60))), 20)
        # then each has an outcome, and what was not answered may be tried again
        kinds = {outcome.kind for outcome in outcomes}
        assert kinds <= {"accepted", "transient", "unknown"}, outcomes
        assert sum(outcome.kind == "accepted" for outcome in outcomes) >= 10
        # and those after it take a new connection
        again = [await courier.send(push(n)) for n in range(3)]
    assert [outcome.kind for outcome in again] == ["accepted"] * 3
    assert FrontEnd.connections >= 2
