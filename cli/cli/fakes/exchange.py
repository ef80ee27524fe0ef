"""One HTTP request and the way to answer it, the same over HTTP/1.1 and HTTP/2."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, str], ...]

JSON: Headers = (("content-type", "application/json; charset=UTF-8"),)
HTML: Headers = (("content-type", "text/html; charset=UTF-8"), ("cache-control", "no-store"))
BODY_LIMIT = 1024 * 1024
TOO_LARGE = 413


class Head(NamedTuple):
    """What a stand-in wants to know of a request's headers; `authorization` is empty when there is none."""

    method: str
    path: str
    query: str
    authorization: str


class Line(Protocol):
    """A connection as an answer sees it."""

    def answer(self, stream: int, status: int, content: bytes, headers: Headers) -> None: ...
    def hang_up(self) -> None: ...


class Exchange:
    """A request that is here whole. It is answered once, now or later; never more than once.

    `client` is "host:port" of the connection. Made by the thousand: slots, and nothing computed.
    """

    __slots__ = ("client", "content", "head", "line", "stream")

    def __init__(self, head: Head, content: bytes, client: str, line: Line, stream: int) -> None:
        self.head = head
        self.content = content
        self.client = client
        self.line = line
        self.stream = stream

    def answer(self, status: int, content: bytes, headers: Headers = JSON) -> None:
        """Answer; nothing happens when the client has gone, or has given the request up."""
        self.line.answer(self.stream, status, content, headers)

    def hang_up(self) -> None:
        """Close the connection without an answer, to this and to whatever else is under way on it."""
        self.line.hang_up()


App = Callable[[Exchange], None]


def head(method: str, target: str, authorization: str) -> Head:
    """The head of a request for `target`, a path with or without a query."""
    path, _, query = target.partition("?")
    return Head(method, path, query, authorization)
