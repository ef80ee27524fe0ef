"""HTTP/1.1 as the stand-ins speak it, byte by byte."""

import json
import socket

import pytest


@pytest.fixture
def say(smtp):
    """Send bytes to the mail stand-in's pages; everything it says until it closes."""
    port = int(smtp.web.rpartition(":")[2])

    def exchange(*parts):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for part in parts:
                connection.sendall(part)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    return exchange


LAST = b"GET /stats HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def test_requests_in_a_row_are_answered_in_their_order(say):
    said = say(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n" * 2000 + LAST)
    assert said.count(b"HTTP/1.1 404 Not Found") == 2000
    assert said.rindex(b"HTTP/1.1 200 OK") > said.rindex(b"404 Not Found")


def test_a_body_may_come_in_chunks_and_pieces(say):
    head = b"POST /faults HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    said = say(head[:30], head[30:], b'8\r\n{"defer"\r\n', b"5\r\n: 0.5\r\n1\r\n}\r\n0\r\n\r\n")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["defer"] == 0.5


def test_the_answer_to_head_has_no_content(say):
    said = say(b"HEAD /stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert said.endswith(b"\r\n\r\n")
    assert b"content-length: 0" not in said


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"this is not HTTP\r\n\r\n", b"400"),
        (b"POST /faults HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n" + b" " * 4_000_000, b"413"),
    ],
)
def test_what_is_no_request_is_refused(say, request_, status):
    assert say(request_).startswith(b"HTTP/1.1 " + status)
