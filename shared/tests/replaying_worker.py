"""A worker of the mirror service in a process of its own, slow enough to be killed in the middle of a rebuild."""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mirror_service import build

from shared.settings import ServiceSettings


async def work():
    service = build(ServiceSettings(), pause=float(os.environ["PAUSE"]))
    async with service.runtime.running():
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work())
