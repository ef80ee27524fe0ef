"""STORAGE_URL: which store an address means, and its options."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import GCSStore, S3Store

from shared.errors import Refused
from shared.storage.blob_store import BlobStore
from shared.storage.folder_store import FolderStore
from shared.storage.keys import check_prefix
from shared.storage.object_store import ObjectBlobStore

if TYPE_CHECKING:  # obstore has these in its stubs only
    from obstore.store import ClientConfig, GCSConfig, RetryConfig, S3Config

EXAMPLES = "file:///var/lib/schoolconnect/blobs, s3://bucket/prefix?region=eu-central-1 or gs://bucket/prefix"
TIMEOUT = dt.timedelta(seconds=60)
CONNECT_TIMEOUT = dt.timedelta(seconds=5)
RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=20)}


def open_store(url: str) -> BlobStore:
    """Return the store at an address; raises Refused, which says what is wrong with the address.

    `file:///folder`; `s3://bucket/prefix?region=…&endpoint=…` with the credentials that AWS tools find in the
    environment; `gs://bucket/prefix` (also Firebase Storage) with Google's application default credentials.
    Nothing is connected yet.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    try:
        prefix = check_prefix(parts.path.strip("/")) if parts.scheme != "file" else ""
    except ValueError as problem:
        raise Refused(f"STORAGE_URL {url}: a prefix is lower-case words and digits, such as {EXAMPLES}") from problem
    if parts.scheme == "file" and not parts.netloc and not options and parts.path.strip("/"):
        return _folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc and options.keys() <= {"region", "endpoint"}:
        return _s3(parts.netloc, prefix, options)
    if parts.scheme == "gs" and parts.netloc and options.keys() <= {"endpoint"}:
        return _google(parts.netloc, prefix, options)
    raise Refused(f"STORAGE_URL {url} names no store. Write {EXAMPLES}")


def _folder(folder: Path) -> BlobStore:
    try:
        return FolderStore(folder)
    except (BaseError, OSError) as problem:
        raise Refused(f"STORAGE_URL: the folder {folder} cannot be made: {problem}") from problem


def _s3(bucket: str, prefix: str, options: dict[str, str]) -> BlobStore:
    config: S3Config = {}
    if "region" in options:
        config["region"] = options["region"]
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
    store = S3Store(bucket, prefix=prefix or None, config=config, client_options=_client(options), retry_config=RETRIES)
    return ObjectBlobStore(store, f"the bucket s3://{bucket}")


def _google(bucket: str, prefix: str, options: dict[str, str]) -> BlobStore:
    config: GCSConfig = {}
    if "endpoint" in options:
        config = {"base_url": options["endpoint"], "skip_signature": True}
    store = GCSStore(
        bucket, prefix=prefix or None, config=config, client_options=_client(options), retry_config=RETRIES
    )
    return ObjectBlobStore(store, f"the bucket gs://{bucket}")


def _client(options: dict[str, str]) -> "ClientConfig":
    plain = options.get("endpoint", "").startswith("http://")
    return {"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT, "allow_http": plain}
