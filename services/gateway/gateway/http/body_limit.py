"""Refuses bodies over the limit, and compressed ones, whose size is hidden, before they are read whole."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from gateway.problems import Problem


class BodyLimit:
    """Counts the bytes of a body; 413 over the limit, 415 for a compressed body."""

    def __init__(self, most: int) -> None:
        """`most`: bytes."""
        self._most = most

    def applied(self, request: Request) -> Request:
        """Return a request whose body can be read up to the limit; refuse one that announces more."""
        if any(coding.lower() != "identity" for coding in request.headers.getlist("content-encoding")):
            raise Problem(415, "unsupported_media_type", "Send the body without Content-Encoding.")
        announced = request.headers.get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()) or int(announced) > self._most:
            raise self._too_large()
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await request.receive()
            received += len(message.get("body", b""))
            if received > self._most:
                raise self._too_large()
            return message

        return Request(request.scope, counted)

    def _too_large(self) -> HTTPException:
        # FastAPI takes any other error of a body for one that it could not read.
        return HTTPException(413, f"At most {self._most} bytes.")
