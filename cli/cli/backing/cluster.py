"""Define servers that outlive one of them: three RabbitMQ nodes, and PostgreSQL with a standby.

For `make chaos ONLY=cluster`: on one machine, they show what holds on three.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from cli.backing import postgres, rabbitmq
from cli.layout import write_private
from cli.processes.specs import Spec

NODES = ("rabbitmq-1", "rabbitmq-2", "rabbitmq-3")
EPMD = "cluster-epmd"
PRIMARY, STANDBY = "primary", "standby"
NODE_PORTS = ("amqp", "rabbitmq_management", "rabbitmq_metrics", "rabbitmq_dist")
PORTS = (EPMD, PRIMARY, STANDBY, *(f"{node}-{port}" for node in NODES for port in NODE_PORTS))

CLUSTERED = """
# The first node knows only itself, so that it waits for no other; the others join it.
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {first}@localhost
cluster_partition_handling = pause_minority
# A node that falls silent is given up after 4 to 6 s; with the default of 60 its streams stand still for a minute.
net_ticktime = 5
"""


@dataclass(frozen=True, slots=True)
class Brokers:
    """The nodes: `amqp_url` names all of them, `management_url` the first."""

    amqp_url: str
    management_url: str
    specs: tuple[Spec, ...]


@dataclass(frozen=True, slots=True)
class Databases:
    """Primary and standby: `url` names both and leads to the one that accepts writes. Start one after the other."""

    url: str
    standby_url: str
    primary: tuple[Spec, ...]
    standby: tuple[Spec, ...]


def brokers(script: Path, folder: Path, ports: Mapping[str, int], password: str) -> Brokers:
    """Define three nodes with one epmd. They find one another by it, and trust one another by a cookie."""
    cookie, specs, nodes = secrets.token_hex(16).encode(), [], []
    for name in NODES:
        own = {port: ports[f"{name}-{port}"] for port in NODE_PORTS} | {"epmd": ports[EPMD]}
        epmd, node = rabbitmq.specs(script, folder / name, own, password)
        with (folder / name / "rabbitmq.conf").open("a") as config:
            config.write(CLUSTERED.format(first=NODES[0]))
        write_private(folder / name / ".erlang.cookie", cookie)
        first = name == NODES[0]
        needs = frozenset({EPMD} if first else {NODES[0]})
        specs += [replace(epmd, name=EPMD)] if first else []
        specs += [replace(node, name=name, env={**node.env, "RABBITMQ_NODENAME": f"{name}@localhost"}, needs=needs)]
        nodes.append(rabbitmq.node(own, password))
    return Brokers(_together([node.amqp_url for node in nodes]), nodes[0].management_url, tuple(specs))


def databases(folder: Path, ports: Mapping[str, int], password: str) -> Databases:
    """Define a primary and a standby that copies it, which must start when the primary runs."""
    installed, user = postgres.find(), postgres.server_user()
    urls = [postgres.url(ports[name], password) for name in (PRIMARY, STANDBY)]
    initdb, primary = postgres.specs(installed, folder / PRIMARY, ports[PRIMARY], password, user)
    _, standby = postgres.specs(installed, folder / STANDBY, ports[STANDBY], password, user)
    program = installed[0].programs / "pg_basebackup"
    data = str(folder / STANDBY / "data")
    copy = Spec(
        name="basebackup",
        argv=(str(program), "-d", urls[0], "-D", data, "-R", "--checkpoint=fast", "--wal-method=stream"),
        env=standby.env,
        user=user,
    )
    return Databases(
        url=f"{_together(urls)}?target_session_attrs=read-write",
        standby_url=urls[1],
        primary=(initdb, replace(primary, name=PRIMARY)),
        standby=(
            copy,
            replace(
                standby,
                name=STANDBY,
                argv=(*standby.argv, f"--cluster-name={STANDBY}"),  # by which the primary knows it
                needs=frozenset({copy.name}),
            ),
        ),
    )


def _together(urls: list[str]) -> str:
    """Return one address with the hosts of all, which have the same login and path."""
    parts = [urlsplit(url) for url in urls]
    login = parts[0].netloc.rpartition("@")[0]
    hosts = ",".join(each.netloc.rpartition("@")[2] for each in parts)
    return urlunsplit(parts[0]._replace(netloc=f"{login}@{hosts}"))
