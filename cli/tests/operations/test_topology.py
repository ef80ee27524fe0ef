"""The topology step, as operators run it: afterwards all that services need is on the broker."""

import asyncio

from cli.operations import topology
from cli.operations.service_builders import BUILDS
from shared.messaging import topology_admin
from shared.messaging.connection import connected
from shared.testing.fixtures import Backing, fresh_vhost, write_keys


async def missing(url, wanted):
    async with connected(url, "test") as connection:
        return await topology_admin.missing(connection, wanted)


def test_the_step_declares_what_every_service_needs(tmp_path, monkeypatch):
    # given
    write_keys(tmp_path)
    with fresh_vhost() as amqp:
        for name, value in Backing("postgresql://127.0.0.1:1/none", amqp, tmp_path).environment("gateway").items():
            monkeypatch.setenv(name, value)
        wanted = [build().topology() for build in BUILDS.values()]
        assert all(asyncio.run(missing(amqp, each)) for each in wanted)
        # when
        assert topology.main() == 0
        # then
        assert [asyncio.run(missing(amqp, each)) for each in wanted] == [[]] * len(BUILDS)


def test_without_a_broker_the_step_says_so(tmp_path, monkeypatch, capsys):
    write_keys(tmp_path)
    away = Backing("postgresql://127.0.0.1:1/none", "amqp://127.0.0.1:1/", tmp_path)
    for name, value in away.environment("gateway").items():
        monkeypatch.setenv(name, value)
    assert topology.main() == 1
    assert "the broker at AMQP_URL does not answer" in capsys.readouterr().err


def test_without_an_address_the_step_says_so(monkeypatch, capsys):
    monkeypatch.delenv("AMQP_URL", raising=False)
    assert topology.main() == 1
    assert "AMQP_URL is not set" in capsys.readouterr().err
