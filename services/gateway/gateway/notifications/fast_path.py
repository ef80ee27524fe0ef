"""Answers plainly valid requests of `POST /v1/notifications` without FastAPI's solver of dependencies.

It saves about a tenth of the gateway's processor time for a send (docs/benchmarks.md). Any other request takes the
ordinary way, which names what is invalid. `test_fast_path_answers_as_the_ordinary_route_does` compares the two.
"""

import orjson
from fastapi import Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from gateway.http.fields import LONGEST_KEY
from gateway.http.guarded_route import GuardedRoute, Handler
from gateway.http.service_client import ServiceClients
from gateway.notifications.acceptance import accept, location_of
from gateway.notifications.read_routes import Accepted, NotificationIn
from gateway.sends.batch_accept import BatchAcceptor
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWorkFactory

ROWS = Provided(UnitOfWorkFactory)
SENDS = Provided(BatchAcceptor)
OWNERS = Provided(ServiceClients)


class SendFastPath(GuardedRoute):
    """Read the body in the route, and answer it there if it is valid."""

    def get_admitted_handler(self) -> Handler:
        """Answer a valid request; hand any other on, with its body already read."""
        ordinary = super().get_admitted_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            body = await _valid_body(request, key)
            if body is None:
                return await ordinary(request)
            app = request.app
            answer = await accept(body, request.state.caller, ROWS.by(app), SENDS.by(app), OWNERS.by(app), key)
            shown = orjson.dumps({name: answer[name] for name in Accepted.model_fields if answer.get(name) is not None})
            return Response(shown, 202, {"Location": location_of(answer)}, "application/json")

        return handle


async def _valid_body(request: Request, key: str | None) -> NotificationIn | None:
    """Return the body of a valid request to one school that the body or the token names, else None."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return None
    if request.url.query:
        return None
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        return None
    try:
        body = NotificationIn.model_validate_json(await request.body())
    except (ClientDisconnect, ValidationError):
        return None
    return body if body.schools is None else None
