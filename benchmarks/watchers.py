"""Prometheus and Alertmanager beside a running system, with the rules that are delivered."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from cli.processes.ports import pick
from cli.processes.probes import answers
from cli.processes.specs import Spec
from cli.testing.system import System
from shared.errors import Refused

FOLDER = Path(__file__).parents[1] / "deploy" / "observability"
PROGRAMS = ("prometheus", "prometheus-alertmanager")
"""Debian's packages and programs have the same names."""


def configuration(system: System, broker: str, *, every: str, rules: list[Path]) -> dict[str, Any]:
    """Return the delivered Prometheus configuration, for the ports of this system.

    `broker`: host and port of RabbitMQ's metrics; `every`: the interval of scrapes and evaluations.
    """
    found: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    found["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    found["rule_files"] = [str(path) for path in rules]
    services, queues = found["scrape_configs"]
    for each in services["static_configs"]:
        each["targets"] = [f"127.0.0.1:{system.ports[each['labels']['service']]}"]
    queues["static_configs"] = [{"targets": [broker]}]
    return found


@dataclass(frozen=True, slots=True)
class Watchers:
    """The addresses of both."""

    prometheus: str
    alertmanager: str

    async def firing(self) -> frozenset[str]:
        """Return the names of the alerts that reach people: they fire, and nothing inhibits them."""
        async with httpx.AsyncClient(base_url=self.alertmanager, trust_env=False) as client:
            asked = {"active": "true", "inhibited": "false", "silenced": "false"}
            found = (await client.get("/api/v2/alerts", params=asked)).raise_for_status().json()
        return frozenset(each["labels"]["alertname"] for each in found)


async def start(system: System, broker: str, *, every: str, waits: str | None) -> Watchers:
    """Start both and return when they are ready; `waits` replaces the `for` of each alert."""
    folder = system.folder
    if absent := [name for name in PROGRAMS if not shutil.which(name)]:
        raise Refused(f"Install Debian's {' and '.join(absent)}: alerts are judged by the real programs")
    ports = pick(("prometheus", "alertmanager", "gossip"))
    watchers = Watchers(f"http://127.0.0.1:{ports['prometheus']}", f"http://127.0.0.1:{ports['alertmanager']}")
    config = configuration(system, broker, every=every, rules=_rules(folder, waits))
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]
    routes = yaml.safe_load((FOLDER / "alertmanager.yml").read_text(encoding="utf-8"))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routes), encoding="utf-8")
    await system.fleet.start(
        _program("prometheus-alertmanager", watchers.alertmanager, folder, "alertmanager"),
        _program("prometheus", watchers.prometheus, folder, "prometheus"),
    )
    return watchers


def _rules(folder: Path, waits: str | None) -> list[Path]:
    files = sorted((FOLDER / "rules").glob("*.yml"))
    if waits is None:
        return files
    found = []
    for path in files:
        rules = yaml.safe_load(path.read_text(encoding="utf-8"))
        for rule in (rule for group in rules["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = waits
        found.append(folder / path.name)
        found[-1].write_text(yaml.safe_dump(rules), encoding="utf-8")
    return found


def _program(name: str, url: str, folder: Path, kind: str) -> Spec:
    data = "--storage.path" if kind == "alertmanager" else "--storage.tsdb.path"
    return Spec(
        name=name,
        argv=(
            shutil.which(name) or name,
            f"--config.file={folder / kind}.yml",
            f"{data}={folder / kind}",
            f"--web.listen-address={url.removeprefix('http://')}",
            *(("--cluster.listen-address=",) if kind == "alertmanager" else ()),
        ),
        env={"PATH": os.environ["PATH"]},
        ready=answers(f"{url}/-/ready"),
        grace=10.0,
    )
