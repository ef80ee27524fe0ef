"""Keeps the fields of a form with a file when its session has ended: they come back in the address of its page."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from urllib.parse import urlencode

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from gateway.console.return_path import asked_for
from gateway.console.texts import N_

NOT_KEPT = N_("Your session had ended, so that nothing was stored. Choose the file again.")
MOST_FIELDS = 20
LONGEST_FIELD = 1_000
MOST_BYTES = 65_536
"""What is read of a body without a session, at most and a chunk more."""
OWN = frozenset({"key"})
"""Each form has a new one."""


async def address_with_fields(request: Request) -> str:
    """Return the address of a form that was sent, with its fields up to the file, and `ended`.

    A file cannot be kept, and nothing of it is read, because its sender has no session.
    """
    parser = MultiPartParser(
        request.headers, _beginning(request), max_files=0, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD
    )
    with suppress(MultiPartException):  # the file begins, or the body cannot be read: the fields before it remain
        await parser.parse()
    fields = [(name, value) for name, value in parser.items if isinstance(value, str) and name not in OWN]
    address = asked_for(request)
    return f"{address}{'&' if '?' in address else '?'}{urlencode([*fields, ('ended', 'yes')])}"


async def _beginning(request: Request) -> AsyncGenerator[bytes, None]:
    read = 0
    async for chunk in request.stream():
        yield chunk
        read += len(chunk)
        if read > MOST_BYTES:
            return
