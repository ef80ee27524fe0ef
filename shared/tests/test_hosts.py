"""A broker with several hosts: each connection goes to one that answers."""

import asyncio
import dataclasses
import random
from urllib.parse import urlsplit

import pytest

from shared.broker_address import each_host
from shared.events import SchoolChanged
from shared.messaging import connection
from shared.messaging.connection import HostRotation
from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import Recorder, eventually

DEAD = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("given", "split"),
    [
        ("amqp://a", ["amqp://a"]),
        ("amqp://u:p@a:5672,b/v?x=1", ["amqp://u:p@a:5672/v?x=1", "amqp://u:p@b/v?x=1"]),
        (
            "amqps://u:p%2C%40@a, b,[::1]:5671/%2F",
            [f"amqps://u:p%2C%40@{each}/%2F" for each in ("a", "b", "[::1]:5671")],
        ),
    ],
)
def test_an_address_is_split_into_one_for_each_host(given, split):
    assert each_host(given) == split


@pytest.mark.parametrize(
    "given", ["amqp://", "amqp://u:p@a,,b/", "amqp://a:x,b", "amqp://a,b:99999", "amqp://a,", "amqp://[a", "http://a"]
)
def test_an_address_without_a_name_or_with_a_wrong_port_is_refused(given):
    with pytest.raises(ValueError):  # noqa: PT011  # whatever urlsplit says
        each_host(given)


def test_every_host_has_its_turn_from_a_random_one_on():
    firsts = set()
    while len(firsts) < 3:
        rotation = HostRotation("amqp://a,b,c/")
        firsts.add(rotation.upcoming.host)
    assert firsts == {"a", "b", "c"}


def with_hosts(url, *hosts):
    """The address with these hosts in place of its own; None is its own."""
    parts = urlsplit(url)
    login, _, own = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}@{','.join(host or own for host in hosts)}").geturl()


@pytest.fixture
def in_order(monkeypatch):
    """Hosts have their turn in the order in which they are written."""
    monkeypatch.setattr(random, "sample", lambda found, _: found)


@pytest.mark.usefixtures("in_order")
async def test_a_connection_goes_on_past_a_dead_host_and_one_that_does_not_greet(spine, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 3)
    async with proxied(spine.backing.amqp_url) as (url, proxy):
        proxy.black_hole(on=True)
        silent = urlsplit(url).netloc.rpartition("@")[2]
        address = with_hosts(spine.backing.amqp_url, DEAD, silent, None)
        async with connection.connected(address, "test") as found, found.channel() as channel:
            assert not channel.is_closed


@pytest.mark.usefixtures("in_order")
async def test_promise_15_a_service_goes_to_another_host_when_its_own_dies(spine):
    schools = Recorder()
    async with proxied(spine.backing.amqp_url) as (first, dies), proxied(spine.backing.amqp_url) as (second, lives):
        # given: a service on the first host that answers
        hosts = [urlsplit(each).netloc.rpartition("@")[2] for each in (first, second)]
        address = with_hosts(spine.backing.amqp_url, DEAD, *hosts)
        spine.backing = dataclasses.replace(spine.backing, amqp_url=address)
        async with spine.running(lambda service: service.on(SchoolChanged, schools.one)) as service:
            before = spine.school()
            await spine.emit(service, before)
            await schools.until(lambda seen: [each.school_id for each in seen] == [before.school_id], within=30)
            assert dies.connections
            # when
            dies.die()
            # then
            after = spine.school()
            await spine.emit(service, after)
            await schools.until(lambda seen: after.school_id in {each.school_id for each in seen}, within=30)
            await spine.outbox_drained(service)
            await eventually(lambda: asyncio.sleep(0, lives.connections), bool, within=30)
        assert [each.school_id for each in schools.seen] == [before.school_id, after.school_id]
