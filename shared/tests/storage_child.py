"""A process that stores an endless blob, or one of some MiB, at STORAGE_URL; prints what came of it."""

import asyncio
import os
import resource
import signal
import sys

from shared.errors import SchoolConnectError
from shared.storage.locations import open_store

PIECE = b"x" * 65_536


async def content(mebibytes):
    for _ in range(mebibytes * 16):
        yield PIECE


async def main(key, mebibytes, largest_file):
    store = open_store(os.environ["STORAGE_URL"])
    if largest_file:
        # The nearest to a full disk that needs no rights: each file has a largest size.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    try:
        sys.stdout.write(f"stored {await store.put(key, content(mebibytes))}")
    except SchoolConnectError as problem:
        sys.stdout.write(f"{type(problem).__name__}: {problem}")


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
