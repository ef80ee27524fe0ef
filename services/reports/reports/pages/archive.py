"""ZIP archives with the same bytes for the same files: their time is the report's moment, not now."""

import datetime as dt
import io
import zipfile
from collections.abc import Iterable

ZIP_STARTS = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
"""The format knows no earlier moment."""


def pack(files: Iterable[tuple[str, bytes]], as_of: dt.datetime, *, compressed: bool) -> bytes:
    """Return a ZIP of named files, in the given order, with UTF-8 names."""
    target = io.BytesIO()
    moment = max(as_of.astimezone(dt.UTC), ZIP_STARTS).timetuple()[:6]
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, moment), content, compress_type=kind)
    return target.getvalue()
