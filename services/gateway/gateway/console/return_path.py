"""Where a person goes after signing in: back to the page that they asked for, and to no other site."""

import re
from urllib.parse import quote

from starlette.requests import Request

HOME = "/console"
SIGN_IN = "/console/sign-in"
OURS = re.compile(r"/console(?:[/?][\x21-\x5b\x5d-\x7e]*)?")
LONGEST = 2_000


def safe_return(given: str | None) -> str:
    """Return a path of the console, or its home for anything else."""
    if given is None or len(given) > LONGEST or not OURS.fullmatch(given) or "//" in given or given.startswith(SIGN_IN):
        return HOME
    return given


def asked_for(request: Request) -> str:
    """Return path and query of a request."""
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def sign_in_path(back: str, *, ended: bool) -> str:
    """Return the path of the sign-in page that leads back; `ended`: it says that a session has ended."""
    return f"{SIGN_IN}?return_to={quote(safe_return(back), safe='')}{'&ended=1' if ended else ''}"
