"""Addresses of downloads, for the answers of other routes."""

from typing import Annotated

from fastapi import Depends

from shared.http.download_links import Download, DownloadLinks
from shared.http.provided import Provided

PATH = "/v1/blobs"

Links = Annotated[DownloadLinks, Depends(Provided(DownloadLinks))]


def address(links: DownloadLinks, download: Download) -> str:
    """Return the address of a download, relative to the gateway. Make it for each answer: it ends after minutes."""
    return f"{PATH}/{links.sign(download)}"
