"""STORAGE_URL: which store an address means, and its options."""

import datetime as dt
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from shared.errors import Refused
from shared.storage.bucket import Bucket
from shared.storage.folder_bucket import FolderBucket
from shared.storage.keys import check_prefix
from shared.storage.object_bucket import ObjectBucket
from shared.storage.threaded_store import ThreadedStore

if TYPE_CHECKING:  # obstore has these in its stubs only
    from obstore.store import ClientConfig, RetryConfig, S3Config

EXAMPLES = "file:///var/lib/schoolconnect/blobs, s3://bucket/prefix?region=eu-central-1 or gs://bucket/prefix"
TIMEOUT = dt.timedelta(seconds=60)
CONNECT_TIMEOUT = dt.timedelta(seconds=5)
RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=5)}


def open_store(url: str) -> ThreadedStore:
    """Return the store at an address; raises Refused, which says what is wrong with the address.

    `file:///folder`; `s3://bucket/prefix?region=…&endpoint=…` with the credentials that AWS tools find in the
    environment; `gs://bucket/prefix` (also Firebase Storage) with Google's application default credentials.
    Nothing is connected yet.
    """
    return ThreadedStore(_bucket(url))


def _bucket(url: str) -> Bucket:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "file" and not parts.netloc and not options and parts.path.strip("/"):
        return _folder(Path(unquote(parts.path)))
    try:
        prefix = check_prefix(parts.path.strip("/"))
    except ValueError as problem:
        raise Refused(f"STORAGE_URL {url}: a prefix is lower-case words and digits, such as {EXAMPLES}") from problem
    if parts.scheme == "s3" and parts.netloc and options.keys() <= {"region", "endpoint"}:
        return _s3(parts.netloc, prefix, options)
    if parts.scheme == "gs" and parts.netloc and options.keys() <= {"endpoint"}:
        return _google(parts.netloc, prefix, options)
    raise Refused(f"STORAGE_URL {url} names no store. Write {EXAMPLES}")


def _folder(folder: Path) -> Bucket:
    try:
        return FolderBucket(folder)
    except (BaseError, OSError) as problem:
        raise Refused(f"STORAGE_URL: the folder {folder} cannot be made: {problem}") from problem


def _s3(bucket: str, prefix: str, options: dict[str, str]) -> Bucket:
    config: S3Config = {}
    if "region" in options:
        config["region"] = options["region"]
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
    plain = options.get("endpoint", "").startswith("http://")
    client: ClientConfig = {"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT, "allow_http": plain}
    store = S3Store(bucket, prefix=prefix or None, config=config, client_options=client, retry_config=RETRIES)
    return ObjectBucket(store, f"the bucket s3://{bucket}")


def _google(bucket: str, prefix: str, options: dict[str, str]) -> Bucket:
    # Google's library takes 35 MiB of memory: only a service that uses it imports it.
    google: Bucket = import_module("shared.storage.google_bucket").connect(bucket, prefix, options.get("endpoint"))
    return google
