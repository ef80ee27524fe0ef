"""Prometheus really scrapes the running system: every panel and every alert asks for something that exists."""

import asyncio
import os
import re
import runpy
import shutil
import uuid
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import watchers
from cli.operations import tokens
from cli.operations.service_names import NAMES
from cli.processes.ports import pick
from cli.processes.probes import answers
from cli.processes.specs import Spec
from shared.testing.fixtures import eventually

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
OTHER_EXPORTERS = frozenset({"CertificateExpires", "DiskFillsUp"})
"""Alerts on what the blackbox and the node exporter say: only their rule tests cover them."""
MOST_SERIES = 2000

pytestmark = pytest.mark.timeout(400)  # all services start first


@pytest.fixture(scope="module")
def prometheus(system, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("prometheus"), pick(("prometheus",))["prometheus"]
    if not os.environ["TEST_RABBITMQ_METRICS_URL"]:
        pytest.skip("RabbitMQ is not our own process here: its metrics have no address")
    broker = os.environ["TEST_RABBITMQ_METRICS_URL"].split("/")[2]
    config = watchers.configuration(system, broker, every="1s", rules=sorted((FOLDER / "rules").glob("*.yml")))
    del config["alerting"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{port}"
    spec = Spec(
        name="prometheus",
        argv=(
            shutil.which("prometheus") or "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
        env={"PATH": os.environ["PATH"]},
        ready=answers(f"{url}/-/ready"),
        grace=10.0,
    )
    started = [name for name in NAMES if name not in system.fleet.running]
    asyncio.run(system.start(*started))
    asyncio.run(system.fleet.start(spec))
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client
    asyncio.run(system.fleet.stop("prometheus", *started))  # other journeys start these themselves


def ask(prometheus, query: str) -> list[dict]:
    answer = prometheus.get("/api/v1/query", params={"query": query}).raise_for_status().json()
    return answer["data"]["result"]


async def send(system) -> None:
    """One notification, so that every part has something to count."""
    token = tokens.make(system.backing.keys / "signing.pem", "platform_admin", None, None)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex}
    async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=30, trust_env=False) as client:
        school = (await client.get("/v1/schools")).raise_for_status().json()["items"][0]["id"]
        body = {"type": "general", "title": "Made-up news", "body": "For a class.", "school": school}
        (await client.post("/v1/notifications", json=body | {"audience": {"school": True}})).raise_for_status()
        for path in ("/v1/files", "/nowhere", "/v1/tasks/%00", "/v1/" + "x" * 2000):
            await client.get(path)
        await client.request("HACK", "/v1/tasks")


def panels() -> list[tuple[str, str]]:
    pages = runpy.run_path(str(FOLDER / "dashboards.py"))["PAGES"]
    return [
        (f"{page.title}: {panel.title}", query.replace("$__rate_interval", "1m"))
        for page in pages
        for _, row in page.rows
        for panel in row
        for query, _ in panel.queries
    ]


def conditions() -> list[tuple[str, str]]:
    """Each alert's left-hand side: its first operand, without the comparison."""
    groups = yaml.safe_load((FOLDER / "rules" / "alerts.yml").read_text())["groups"]
    found = []
    for rule in (rule for group in groups for rule in group["rules"] if rule["alert"] not in OTHER_EXPORTERS):
        first = re.split(r"\n(?:and|unless)|\bor absent", rule["expr"])[0]
        found.append((rule["alert"], re.sub(r"\s*(==|>|<)\s*[0-9.]+\s*$", "", first)))
    return found


async def test_every_panel_and_every_alert_asks_for_series_that_exist(system, prometheus):
    await send(system)
    asked = panels() + conditions()

    async def empty() -> list[str]:
        return [name for name, query in asked if not await asyncio.to_thread(ask, prometheus, query)]

    assert await eventually(empty, lambda names: not names, within=60) == []


async def test_labels_stay_bounded_whatever_is_requested(system, prometheus):
    await send(system)
    for service in NAMES:
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"http://127.0.0.1:{system.ports[service]}/metrics")).text
        families = list(text_string_to_metric_families(text))
        samples = [sample for family in families for sample in family.samples]
        assert len(samples) < MOST_SERIES, service
        values = {value for sample in samples for value in sample.labels.values()}
        assert not [value for value in values if re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|@|xxx|HACK|%00", value)], service
