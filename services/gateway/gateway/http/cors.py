"""Let pages of other origins call the API, where a setting names them."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID")
READ = (
    *("ETag", "Location", "Retry-After", "WWW-Authenticate"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)


def install(app: FastAPI, origins: Sequence[str]) -> None:
    """Allow these origins; tokens are sent as headers, so that no cookie is ever allowed."""
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=METHODS, allow_headers=SENT, expose_headers=READ
        )
