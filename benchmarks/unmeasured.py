"""Takes the metrics out of a process, to measure what they cost: `python -m benchmarks.unmeasured gateway`.

The metrics exist, but nothing is counted, and the middleware of requests is not there. Product code has no such switch.
"""

import runpy
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import Receive, Scope, Send

from shared.service.http_metrics import RequestMetrics

RECORDING = ((Counter, "inc"), (Gauge, "inc"), (Gauge, "dec"), (Gauge, "set"), (Histogram, "observe"))


@contextmanager
def unmeasured() -> Iterator[None]:
    """Record nothing in services that are built and run within."""

    def nothing(*_: object, **__: object) -> None:
        """Record nothing."""

    async def passed(measured: RequestMetrics, scope: Scope, receive: Receive, send: Send) -> None:
        await measured._app(scope, receive, send)  # noqa: SLF001  # a switch of its own would be product code

    with ExitStack() as patches:
        for kind, method in RECORDING:
            patches.enter_context(patch.object(kind, method, nothing))
        patches.enter_context(patch.object(RequestMetrics, "__call__", passed))
        yield


if __name__ == "__main__":
    with unmeasured():
        runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
