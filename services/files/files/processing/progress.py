"""Publishes the progress of a reading: at most one commit a second, always the newest state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.jobs.job import Job

PAUSE = 1.0


class PageProgress:
    """Remembers the newest progress; `publish` commits it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._newest = (0, 0)

    def __call__(self, done: int, total: int) -> None:
        """Remember that `done` of `total` pages are read."""
        self._newest = (done, total)

    @asynccontextmanager
    async def publish(self) -> AsyncIterator[None]:
        """Publish changes while the body runs. An error of publishing, such as a lost lease, ends the body."""
        try:
            async with asyncio.TaskGroup() as group:
                publishing = group.create_task(self._publish())
                yield
                publishing.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several

    async def _publish(self) -> None:
        published = (0, 0)
        while True:
            await asyncio.sleep(PAUSE)
            if (newest := self._newest) != published:
                async with self._job.commit() as tx:
                    await self._job.report_progress(tx, *newest)
                published = newest
