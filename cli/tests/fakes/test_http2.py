"""HTTP/2 as the stand-ins speak it, against an implementation that is not ours."""

import json
import socket
import ssl
from contextlib import contextmanager

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

STATS = ((":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/stats"))
FAULTS = ((":method", "POST"), *STATS[1:3], (":path", "/faults"))
REFUSED_STREAM = 7


class Client:
    """One connection, driven frame by frame."""

    def __init__(self, connection):
        self.socket = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.seen = []

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def events(self, kind, count=1):
        """The first `count` events of a kind; everything else that came stays in `seen`."""
        while len(found := [each for each in self.seen if isinstance(each, kind)]) < count:
            data = self.socket.recv(65_536)
            assert data, f"the connection ended; seen {self.seen}"
            self.seen += self.h2.receive_data(data)
            self.flush()
        return found

    def ask(self, *headers, stream=None, body=None):
        stream = stream or self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=True)
        return stream

    def content(self, stream):
        return b"".join(e.data for e in self.seen if isinstance(e, h2.events.DataReceived) and e.stream_id == stream)


@contextmanager
def connected(fcm, settings=()):
    trust = ssl.create_default_context(cafile=str(fcm.folder / "ca.pem"))
    trust.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", fcm.port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.selected_alpn_protocol() == "h2"
        client = Client(secured)
        client.h2.initiate_connection()
        client.h2.update_settings(dict(settings))
        client.flush()
        yield client


@pytest.fixture
def client(fcm):
    with connected(fcm) as client:
        yield client


def test_many_requests_of_one_write_are_each_answered(client):
    # given requests whose headers change the client's table now and then
    streams = [client.ask(*STATS, ("x-number", str(n // 3)), ("authorization", f"Bearer {n}")) for n in range(60)]
    # when all of them come at once
    client.flush()
    client.events(h2.events.StreamEnded, 60)
    # then each has its answer
    assert all(json.loads(client.content(stream))["sent"] == 0 for stream in streams)


def test_a_body_may_come_in_pieces_padded_and_behind_continued_headers(client):
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream, (*FAULTS, ("x-long", "x" * 20_000)))
    for part in (b'{"quo', b'ta": ', b"0.5}"):
        client.h2.send_data(stream, part, pad_length=7)
    client.h2.send_headers(stream, [("x-trailer", "1")], end_stream=True)
    client.flush()
    client.events(h2.events.StreamEnded)
    assert json.loads(client.content(stream))["quota"] == 0.5


def test_a_large_answer_waits_for_the_window_and_holds_up_nobody(fcm, client):
    # given a client that takes little at once
    with connected(fcm, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1_000}) as narrow:
        stream = narrow.ask(*STATS[:3], (":path", "/"))
        narrow.flush()
        narrow.events(h2.events.DataReceived)
        narrow.h2.ping(b"12345678")
        narrow.flush()
        narrow.events(h2.events.PingAckReceived)
        assert len(narrow.content(stream)) == 1_000
        # when it makes room again and again
        while not any(isinstance(each, h2.events.StreamEnded) for each in narrow.seen):
            narrow.h2.increment_flow_control_window(700, stream)
            narrow.flush()
            narrow.seen += narrow.h2.receive_data(narrow.socket.recv(65_536))
        # then it has the same as everybody
        assert narrow.content(stream).decode() == fcm.control.get("/").text


def test_more_than_a_hundred_at_once_are_refused_unprocessed(fcm, client):
    # given a stand-in that answers late
    fcm.faults(latency_ms=1_000)
    account = json.loads((fcm.folder / "service-account.json").read_text())
    send = (*FAULTS[:3], (":path", f"/v1/projects/{account['project_id']}/messages:send"))
    client.events(h2.events.RemoteSettingsChanged)
    # when a client does not keep to the limit that it was told
    client.h2.remote_settings.acknowledge()
    client.h2.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 200
    client.h2.remote_settings.acknowledge()
    for _ in range(103):
        client.ask(*send, body=b"{}")
    client.flush()
    # then those beyond it may safely be sent again, and the others are answered
    refused = client.events(h2.events.StreamReset, 3)
    assert {each.error_code for each in refused} == {REFUSED_STREAM}
    assert len(client.events(h2.events.StreamEnded, 100)) == 100
    assert fcm.stats()["calls"] == {"unauthenticated": 100}


def test_a_body_beyond_the_limit_is_refused(client):
    stream = client.ask(*FAULTS, body=b"")
    client.h2.reset_stream(stream)
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream, FAULTS)
    client.flush()
    client.events(h2.events.RemoteSettingsChanged)
    for _ in range(66):
        client.h2.send_data(stream, b"x" * 16_000)
        client.flush()
    answered = client.events(h2.events.ResponseReceived)[-1]
    assert dict(answered.headers)[b":status"] == b"413"


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 9]
)
def test_what_is_not_http2_ends_the_connection_and_nothing_else(fcm, said):
    with connected(fcm) as client:
        client.socket.sendall(said)
        while client.socket.recv(65_536):
            pass
    assert fcm.stats()["sent"] == 0
