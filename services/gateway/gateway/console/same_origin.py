"""Refuses changes that a page of another origin sends with a person's cookie (CSRF).

Browsers say where a request comes from: in Sec-Fetch-Site (W3C Fetch Metadata), older ones in Origin. Another host of
the same site is refused too, because it may belong to others; so is `none`, which is a form that a browser repeats by
itself when it is opened again.
"""

from starlette.requests import Request

from gateway.problems import Problem

SAFE = frozenset({"GET", "HEAD"})


def check_origin(request: Request, origin: str) -> None:
    """Raise 403 unless the request changes nothing or comes from a page of `origin`."""
    if request.method in SAFE or is_same_origin(
        request.headers.get("sec-fetch-site"), request.headers.get("origin"), origin
    ):
        return
    raise Problem(
        403, "forbidden", "The request does not come from a page of this console. Open the page and try again."
    )


def is_same_origin(site: str | None, origin: str | None, ours: str) -> bool:
    """Return whether headers of a request name our own origin."""
    if site is not None:
        return site == "same-origin"
    return bool(ours) and origin == ours
