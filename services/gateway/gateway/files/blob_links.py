"""Short-lived addresses of a file's blobs: the original, and thumbnails by their width."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.downloads.links import address
from shared.http.download_links import Download, DownloadLinks
from shared.storage.keys import blob_key

WITHOUT_LINKS = frozenset({"deleted", "purging"})
DANGEROUS = frozenset({"malware"})
"""Codes of refused files that are not handed out."""
PICTURE = "image/webp"
UNKNOWN = "application/octet-stream"


def links_of(links: DownloadLinks, file: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses by `original`, `256` and `1024`; none for a deleted file, no original of malware."""
    if file["state"] in WITHOUT_LINKS:
        return {}
    found = {width: _link(links, file, f"thumbnail-{width}.webp", PICTURE) for width in file["thumbnails"]}
    if file["code"] not in DANGEROUS:
        # Until it is read, the type is only what the sender claims.
        found["original"] = _link(links, file, "original", file["media_type"] if file["revision"] else UNKNOWN)
    return found


def _link(links: DownloadLinks, file: Mapping[str, Any], part: str, media_type: str) -> str:
    school, file_id = UUID(file["school_id"]), UUID(file["id"])
    key = blob_key("files", school, file_id, part)
    name = file["name"] if part == "original" else f"{file['name']}.webp"
    return address(links, Download(key=key, name=name, media_type=media_type, school=school))
