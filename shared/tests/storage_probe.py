"""A process that stores and reads a blob of many MiB at STORAGE_URL, and prints how much its memory grew, in MiB."""

import asyncio
import os
import resource
import sys

from shared.storage.locations import open_store

PIECE = bytes(range(256)) * 256


async def content(mebibytes):
    for _ in range(mebibytes * 16):
        yield PIECE


async def main(mebibytes):
    store = open_store(os.environ["STORAGE_URL"])
    await store.put("warm/up", content(20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await store.put("large/blob", content(mebibytes)) == mebibytes * 2**20
    read = 0
    async for chunk in (await store.open("large/blob")).chunks():
        read += len(chunk)
    assert read == mebibytes * 2**20
    sys.stdout.write(str((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


asyncio.run(main(int(sys.argv[1])))
