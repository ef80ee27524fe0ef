"""The plan of the local stack, without starting any of it."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.backing import postgres, select
from cli.layout import Layout
from cli.processes.ports import PREFERRED
from cli.processes.specs import depth
from cli.stack import definition

AMQP, DATABASE = "amqp://me:secret@broker.example.org/school", "postgresql://me:secret@db.example.org/school"


@pytest.fixture
def here():
    # Not pytest's own folder: PostgreSQL's user has to get in.
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        Path(folder).chmod(0o755)
        yield Layout(Path(folder) / "state", Path(folder) / "outside")


def _plan(here, given):
    backing = select.choose(here, dict(PREFERRED), given)
    return backing, definition.plan(here, dict(PREFERRED), backing)


def _stop_budget(specs):
    """Seconds until the last of them is killed at a stop; those of one depth end together."""
    graces = {}
    for spec in specs:
        if spec.ready is not None:
            level = depth(spec, specs)
            graces[level] = max(graces.get(level, 0.0), spec.grace)
    return sum(graces.values())


def _names(plan):
    return {spec.name for spec in plan.specs}


@pytest.mark.parametrize("again", [False, True])
def test_stopping_everything_stays_under_30_seconds(here, again):
    backing, plan = _plan(here, {})
    if again:
        version = backing.databases / "postgres" / "data" / "PG_VERSION"
        version.parent.mkdir(parents=True)
        version.write_text(f"{postgres.find()[0].version}\n")
        _, plan = _plan(here, {})
        assert "initdb" not in _names(plan)
    assert _stop_budget(plan.specs) <= 28


def test_services_drain_within_their_grace(here):
    _, plan = _plan(here, {})
    services = [spec for spec in plan.specs if spec.name in plan.contract["services"]]
    assert len(services) == 5
    for spec in services:
        # 2 s more for the broker, up to 5 s for open requests: see shared.service.server.
        assert float(spec.env["DRAIN"]) + 7 <= spec.grace


def test_every_process_must_be_ready_within_120_seconds(here):
    _, plan = _plan(here, {})
    assert max(spec.limit for spec in plan.specs) <= 120


def test_only_the_broker_may_be_given(here):
    backing, plan = _plan(here, {"AMQP_URL": AMQP})
    assert backing.amqp_url == AMQP
    assert backing.management_url == ""
    assert "postgres" in _names(plan)
    assert not {"rabbitmq", "epmd"} & _names(plan)
    assert urlsplit(backing.database_url).hostname == "127.0.0.1"


def test_only_the_database_may_be_given(here):
    backing, plan = _plan(here, {"DATABASE_URL": DATABASE})
    assert backing.database_url == DATABASE
    assert {"rabbitmq", "epmd"} <= _names(plan)
    assert not {"postgres", "initdb"} & _names(plan)
    gateway = next(spec for spec in plan.specs if spec.name == "gateway")
    assert urlsplit(gateway.env["DATABASE_URL"]).hostname == "db.example.org"
    assert urlsplit(gateway.env["DATABASE_URL"]).username == "gateway"


def test_a_management_url_needs_a_given_broker(here):
    page = "http://broker.example.org:15672"
    assert _plan(here, {"RABBITMQ_MANAGEMENT_URL": page})[0].management_url != page
    assert _plan(here, {"AMQP_URL": AMQP, "RABBITMQ_MANAGEMENT_URL": page})[0].management_url == page


def test_given_servers_need_no_installation(monkeypatch):
    monkeypatch.setattr(select.rabbitmq, "find", lambda: None)
    monkeypatch.setattr(select.postgres, "find", list)
    assert select.missing({"AMQP_URL": AMQP}) == ["postgres"]
    assert select.missing({"DATABASE_URL": DATABASE}) == ["rabbitmq"]
    assert select.missing({"AMQP_URL": AMQP, "DATABASE_URL": DATABASE}) == []


def test_only_the_gateway_can_sign(here):
    _, plan = _plan(here, {})
    signing = {
        spec.name for spec in plan.specs if spec.name in plan.contract["services"] and "SIGNING_KEY_FILE" in spec.env
    }
    assert signing == {"gateway"}
