"""The time that the gateway measures for its pages: from the head of a request to the end of its answer."""

from dataclasses import dataclass
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

METRIC = "schoolconnect_http_server_request_duration_seconds"


@dataclass(frozen=True, slots=True)
class Served:
    """How many requests for pages of the console were answered since the gateway's start, and the sum of seconds."""

    requests: float
    seconds: float

    @classmethod
    async def read(cls, client: httpx.AsyncClient) -> Self:
        """Read both from the gateway's metrics."""
        page = (await client.get("/metrics")).raise_for_status().text
        [found] = [family for family in text_string_to_metric_families(page) if family.name == METRIC]
        pages = [each for each in found.samples if each.labels["http_route"].startswith("/console")]
        requests, seconds = (
            sum(each.value for each in pages if each.name == f"{METRIC}_{part}") for part in ("count", "sum")
        )
        return cls(requests, seconds)

    def milliseconds_since(self, before: "Served") -> float:
        """Return the time of the one request that came since; fails if there were none or several."""
        if self.requests != before.requests + 1:
            raise AssertionError(f"{self.requests - before.requests:.0f} requests for pages at the same time, not one")
        return 1_000 * (self.seconds - before.seconds)
