"""While a process stops, each answer says that it is the last one of its connection (RFC 9112, section 9.6)."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSE = (b"connection", b"close")


class LastAnswers:
    """Middleware. A client that reads `Connection: close` sends its next request on another connection."""

    def __init__(self, app: ASGIApp, stopping: Callable[[], bool]) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start" and self._stopping():
                message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
            await send(message)

        await self._app(scope, receive, marked)
