"""The public end of a mail's List-Unsubscribe link (RFC 8058): no sign-in, its signature identifies the person.

Only POST changes something: mail scanners follow links. The notifier, which made the link, checks it.
"""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gateway.http.dependencies import Services
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import public
from gateway.security.caller import Caller

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)

LONGEST = 400
PARTS = 4
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>body{{font:1rem/1.5 sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem}}</style></head>
<body><main><h1>{title}</h1>{content}</main></body></html>
"""
QUESTION = PAGE.format(
    title="No more mails of this kind?",
    content="<p>The school will not send you mails of this kind any more. You still get them in the app, and "
    'everything about safety by mail.</p><form method="post"><button>Unsubscribe</button></form>',
)
DONE = PAGE.format(
    title="You are unsubscribed",
    content="<p>The school will not send you mails of this kind any more. You can change that in the app.</p>",
)


@router.get("/unsubscribe/{token}", response_class=HTMLResponse, dependencies=[public()])
async def ask(token: str) -> HTMLResponse:
    """Ask for confirmation."""
    _meant(token)
    return HTMLResponse(QUESTION, headers=HEADERS)


@router.post("/unsubscribe/{token}", response_class=HTMLResponse, dependencies=[public()])
async def unsubscribe(token: str, owners: Services) -> HTMLResponse:
    """Unsubscribe; a repeat changes nothing. 404 for a link that is not ours."""
    school, person = _meant(token)
    reader = Caller(person, "guardian", school)
    await owners.send_command("notifier", "POST", "/v1/unsubscribe", reader, school, {"token": token})
    return HTMLResponse(DONE, headers=HEADERS)


def _meant(token: str) -> tuple[UUID, UUID]:
    """Return the school and the person in a link; the notifier checks the signature."""
    parts = token.split(".")
    try:
        if len(token) <= LONGEST and len(parts) == PARTS:
            return UUID(parts[0]), UUID(parts[1])
    except ValueError:
        pass
    raise Problem(404, "not_found")
