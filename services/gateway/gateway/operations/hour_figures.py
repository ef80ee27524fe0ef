"""Latency and the age of queues in the last hour, from the Prometheus that scrapes the services, if one is named."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

import httpx
import structlog
from pydantic import BaseModel

from gateway.http.trust import authorities

log = structlog.get_logger()

MINUTES = 60
KEPT_SECONDS = 15.0
"""As often as services are scraped: a newer answer says nothing new."""
WAITS = httpx.Timeout(1.5)
ANSWERS = "schoolconnect_http_server_request_duration_seconds"
AGES = "schoolconnect_message_age_seconds"
POSTS = 'service="gateway",http_request_method="POST",http_route=~"/v1/.+",http_route!~"/v1/(files|imports|sessions).*"'
"""Without uploads and sign-ins, which take long by their nature."""


def p95(metric: str, where: str) -> str:
    """Return the query of the time that 95 of 100 do not exceed."""
    return f"histogram_quantile(0.95, sum by (le) (rate({metric}_bucket{{{where}}}[2m])))"


QUERIES = {
    "answered": p95(ANSWERS, POSTS),
    "planned": p95(AGES, 'queue=~"notifier[.]notification[.](requested|safety|due)"'),
    "sent": p95(AGES, 'queue=~"notifier[.]work[.](push|mail)[.].+"'),
    "oldest": (
        "max(time() - max by (queue) (schoolconnect_queue_newest_received_timestamp_seconds)"
        " and on (queue) sum by (queue) (rabbitmq_detailed_queue_messages_ready) > 0)"
    ),
}
"""Each answers in seconds. `oldest` is the most that the first waiting message can be old; no value: none waits."""


class Series(BaseModel):
    """Times in seconds, each with its value."""

    values: list[tuple[float, float]]


class Found(BaseModel):
    """What a query found."""

    result: list[Series]


class Answer(BaseModel):
    """An answer of Prometheus about a range of time."""

    data: Found


@dataclass(frozen=True, slots=True)
class HourFigures:
    """Seconds by figure and minute, up to `last`. `unset`: no Prometheus is named; `away`: it did not answer."""

    state: Literal["read", "unset", "away"]
    last: dt.datetime
    seconds: Mapping[str, Mapping[dt.datetime, float]]


class Prometheus:
    """Asks Prometheus, at most every 15 seconds: many who look must not make many questions."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._transport = transport
        self._lock = asyncio.Lock()
        self._until = -inf
        self._found = HourFigures("unset", dt.datetime.now(dt.UTC), {})

    async def read(self) -> HourFigures:
        """Return the figures of the last hour."""
        if not self._url:
            return self._found
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                self._found = await self._ask()
                self._until = now + KEPT_SECONDS
            return self._found

    async def _ask(self) -> HourFigures:
        last = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
        first = last - dt.timedelta(minutes=MINUTES - 1)
        span: dict[str, str | float] = {"start": first.timestamp(), "end": last.timestamp(), "step": 60}
        try:
            async with httpx.AsyncClient(
                base_url=self._url, timeout=WAITS, verify=authorities(), trust_env=False, transport=self._transport
            ) as client:
                asked = [client.get("/api/v1/query_range", params=span | {"query": text}) for text in QUERIES.values()]
                answers = [answer.raise_for_status().content for answer in await asyncio.gather(*asked)]
            found = [_values(Answer.model_validate_json(content)) for content in answers]
            return HourFigures("read", last, dict(zip(QUERIES, found, strict=True)))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
            log.warning("prometheus.away", error=type(problem).__name__)
            return HourFigures("away", last, {})


def _values(answer: Answer) -> dict[dt.datetime, float]:
    """Return the values of an answer; a minute in which nothing was measured has none, or is not a number."""
    pairs = answer.data.result[0].values if answer.data.result else ()
    return {dt.datetime.fromtimestamp(at, dt.UTC): value for at, value in pairs if isfinite(value)}
