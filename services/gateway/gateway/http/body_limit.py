"""Bodies over their route's limit, or packed in a way that hides their size, are refused before they are read whole."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import Problem

UPLOADS = "/v1/imports/"
"""Routes that stream their body and count for themselves."""


class BodyLimit:
    """ASGI middleware: counts what comes in; 413, or 415 for what is compressed, as a problem."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a body that is announced or turns out too large ends it."""
        if scope["type"] != "http" or scope["path"].startswith(UPLOADS):
            await self._app(scope, receive, send)
            return
        if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in scope["headers"]):
            coded = Problem(
                415, "unsupported_media_type", "Send the body as it is, without Content-Encoding."
            ).response()
            await coded(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            refusal = Problem(413, "too_large", f"At most {self._limit} bytes.").response()
            await refusal(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                # FastAPI takes any other error of a body for one that it could not read.
                raise HTTPException(413, f"At most {self._limit} bytes.")
            return message

        await self._app(scope, counted, send)
