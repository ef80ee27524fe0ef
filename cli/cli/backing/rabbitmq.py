"""Run a private RabbitMQ node with its own folder, ports, epmd, cookie and name; it listens on loopback only."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.layout import private_folder, write_private
from cli.processes.probes import broker, listens
from cli.processes.specs import Spec

SCRIPTS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),)
"""The script behind Debian's command in /usr/sbin, which allows only root and rabbitmq and switches to the latter."""

PORTS = ("amqp", "rabbitmq_management", "rabbitmq_metrics", "rabbitmq_dist", "epmd")
USER = VHOST = "schoolconnect"
NODE = "schoolconnect@localhost"

CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
default_vhost = {vhost}
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*

# The write-ahead log of quorum queues is held in memory as well; its default of 512 MB is for servers.
raft.wal_max_size_bytes = 67108864
disk_free_limit.absolute = 200MB
log.console = true
log.console.level = info
log.file = false

# Numbers for the management page: few and short-lived, so that an idle stack stays idle.
management.tcp.ip = 127.0.0.1
management.tcp.port = {rabbitmq_management}
management.sample_retention_policies.global.minute = 5
management.sample_retention_policies.basic.minute = 5
management.sample_retention_policies.detailed.10 = 5
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {rabbitmq_metrics}
"""


@dataclass(frozen=True, slots=True)
class Node:
    """The addresses of a node."""

    amqp_url: str
    management_url: str
    metrics_url: str


def find() -> Path | None:
    """Return the start script, if RabbitMQ is installed on this machine."""
    candidates = [*SCRIPTS, *sorted(Path("/opt").glob("rabbitmq*/sbin/rabbitmq-server"))]
    runs = shutil.which("erl") is not None
    return next((path for path in candidates if runs and os.access(path, os.X_OK)), None)


def node(ports: dict[str, int], password: str) -> Node:
    secret = quote(password, safe="")
    return Node(
        amqp_url=f"amqp://{USER}:{secret}@127.0.0.1:{ports['amqp']}/{VHOST}",
        management_url=f"http://{USER}:{secret}@127.0.0.1:{ports['rabbitmq_management']}",
        metrics_url=f"http://127.0.0.1:{ports['rabbitmq_metrics']}/metrics",
    )


def specs(script: Path, folder: Path, ports: dict[str, int], password: str) -> list[Spec]:
    """Write its configuration into `folder` and define its processes.

    epmd, the name server of Erlang nodes, is one of them: otherwise the node would start it, on the port that all
    Erlang nodes of the machine share, and it would outlive the node.
    """
    home = private_folder(folder)
    config = CONFIG.format(user=USER, vhost=VHOST, password=password, **ports)
    write_private(home / "rabbitmq.conf", config.encode())
    write_private(home / "enabled_plugins", b"[rabbitmq_management,rabbitmq_management_agent,rabbitmq_prometheus].\n")
    write_private(home / "environment", b"# nothing: the machine's own file must not be read\n")
    env = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "environment"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_DIST_PORT": str(ports["rabbitmq_dist"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
        # Makes the script become the node instead of its parent: one process, which gets the signals.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    epmd = shutil.which("epmd") or "epmd"
    return [
        Spec(
            name="epmd",
            argv=(epmd, "-port", str(ports["epmd"]), "-address", "127.0.0.1"),
            env=env,
            ready=listens(ports["epmd"]),
            grace=2.0,
        ),
        Spec(
            name="rabbitmq",
            argv=(str(script),),
            env=env,
            ready=broker(node(ports, password).amqp_url),
            needs=frozenset({"epmd"}),
            grace=12.0,  # an idle node needs 6 s
        ),
    ]


def control(folder: Path, epmd: int, *words: str) -> None:
    """Run `rabbitmqctl` on the private node in `folder`; raises CalledProcessError."""
    script = find()
    assert script is not None
    env = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
    }
    program = script.with_name("rabbitmqctl")
    subprocess.run([program, "--quiet", *words], env=env, check=True, capture_output=True, timeout=60)
