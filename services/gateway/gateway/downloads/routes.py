"""Downloads: the token in the address says which blob, and is all that is needed."""

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Path
from fastapi.responses import Response, StreamingResponse

from gateway.downloads.file_names import attachment
from gateway.downloads.links import PATH, Links
from gateway.downloads.ranges import NotSatisfiable, part_of
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import by_link
from shared.errors import BlobMissing
from shared.http.download_links import Download, DownloadLinks, LinkExpired, LinkRefused
from shared.http.provided import Provided
from shared.storage.blob_store import BlobInfo
from shared.storage.threaded_store import ThreadedStore

log = structlog.get_logger()

router = APIRouter(prefix=PATH, tags=["downloads"], route_class=GuardedRoute)

Store = Annotated[ThreadedStore, Depends(Provided(ThreadedStore))]
RangeHeader = Annotated[str | None, Header(alias="Range")]
IfRange = Annotated[str | None, Header()]

HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""Whatever the blob holds, a browser saves it: it shows and runs nothing of it, and keeps nothing in a cache."""

BINARY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/{token}",
    response_class=StreamingResponse,
    dependencies=[by_link()],
    responses={
        200: {"description": "The content, with the media type of the file.", **BINARY},
        206: {"description": "The part that Range names.", **BINARY},
        410: {},
        416: {},
    },
)
async def download(
    token: Annotated[str, Path(max_length=5_000, pattern=r"^[^\x00-\x1f\x7f\\/]+$")],
    links: Links,
    store: Store,
    wanted: RangeHeader = None,
    if_range: IfRange = None,
) -> Response:
    """Stream a blob or a part of it. One range at a time; If-Range takes the ETag of an answer before."""
    meant = _meant(links, token)
    try:
        blob = await store.open(meant.key)
        etag = _etag(blob.info)
        part = part_of(blob.info.size, etag, wanted, if_range)
        chunks = blob.chunks(part.start, part.end)
        # Read before the answer begins, because only then a store that is away can be a problem.
        first = await anext(chunks, b"")
    except BlobMissing as problem:
        raise Problem(404, "not_found", "The file was deleted.") from problem
    except NotSatisfiable as problem:
        size = {"Content-Range": f"bytes */{blob.info.size}"}
        raise Problem(416, "range_not_satisfiable", headers=size) from problem
    log.info("blob.downloaded", school_id=str(meant.school), key=meant.key, bytes=part.end - part.start)
    headers = HEADERS | {
        "Content-Disposition": attachment(meant.name),
        "Content-Length": str(part.end - part.start),
        "Content-Type": meant.media_type,
        "ETag": etag,
    }
    if not part.whole:
        headers["Content-Range"] = part.content_range
    return StreamingResponse(_all(first, chunks), 200 if part.whole else 206, headers)


def _meant(links: DownloadLinks, token: str) -> Download:
    try:
        return links.read(token)
    except LinkExpired as problem:
        raise Problem(410, "link_expired") from problem
    except LinkRefused as problem:
        raise Problem(404, "link_unknown") from problem


def _etag(info: BlobInfo) -> str:
    return f'"{info.size:x}-{int(info.modified.timestamp() * 1_000_000):x}"'


async def _all(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in others:
        yield chunk
