"""The cookie that holds a console session.

Over HTTPS its name begins with `__Host-`: a browser then takes it only from this host, for all paths, over HTTPS.
Browsers refuse such a cookie over HTTP, so that one on the own machine has another name; with the port in it, because
cookies of one host are shared by its ports.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import Settings

SECURE_NAME = "__Host-console"


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """How a session is kept in a browser."""

    name: str
    secure: bool
    seconds: int

    @classmethod
    def of(cls, settings: Settings) -> "SessionCookie":
        """Return the cookie that fits where browsers reach the gateway."""
        secure = settings.secure_cookies
        name = SECURE_NAME if secure else f"console-{settings.port}"
        return cls(name, secure, int(3600 * settings.console_hours))

    def read(self, request: Request) -> str | None:
        """Return the token in a request."""
        return request.cookies.get(self.name)

    def set(self, response: Response, token: str) -> None:
        """Keep a token. Lax: a link in a mail leads to its page; what changes something is checked by its origin."""
        response.set_cookie(
            self.name, token, max_age=self.seconds, secure=self.secure, httponly=True, samesite="lax", path="/"
        )

    def clear(self, response: Response) -> None:
        """Remove it."""
        response.delete_cookie(self.name, secure=self.secure, httponly=True, samesite="lax", path="/")
