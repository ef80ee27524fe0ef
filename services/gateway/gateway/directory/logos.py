"""A school's logo: the picture of an uploaded file, as the file service's limited child process has drawn it.

The small picture is copied into the school's row and its event, so that a report needs no file that may be deleted.
"""

from base64 import b64encode
from typing import NoReturn
from uuid import UUID

from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.errors import BlobMissing
from shared.storage.blob_store import BlobStore
from shared.storage.keys import blob_key

WIDTH = "256"
"""Pixels of the longer side. A report shows it two centimetres wide."""
MOST_BYTES = 64 * 1024


async def read_logo(owners: ServiceClients, store: BlobStore, caller: Caller, school: UUID, file: UUID) -> str:
    """Return the picture of a file of kind `other`: WebP in base64. 422 says why it cannot be a logo."""
    response = await owners.get("files", f"/v1/files/{file}", caller, school)
    if response.is_error:
        _refuse("is no file of this school that was read; upload it to /v1/files as kind other, and await its task")
    found = response.json()
    if found["kind"] != "other" or found["state"] != "processed" or not found["media_type"].startswith("image/"):
        _refuse("is not a picture of kind other that was read; its state and code say why")
    try:
        blob = await store.open(blob_key("files", school, file, f"thumbnail-{WIDTH}.webp"))
    except BlobMissing:
        _refuse("has no picture any more; upload it again")
    if blob.info.size > MOST_BYTES:
        _refuse("has too much detail for a logo")
    return b64encode(b"".join([part async for part in blob.chunks()])).decode()


def _refuse(message: str) -> NoReturn:
    raise Problem(422, "invalid", errors=[{"loc": ["body", "logo_file"], "code": "no_logo", "message": message}])
