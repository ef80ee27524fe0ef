"""A private RabbitMQ node: its own name, cookie, ports and epmd, all on the loopback interface."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import httpx

from cli.layout import private_folder, write_private
from cli.local.specs import NotReady, Spec

VHOST = "schoolconnect"
USER = "schoolconnect"


@dataclass(frozen=True, slots=True)
class RabbitMQ:
    """One private node. `ports`: amqp, rabbitmq_management, rabbitmq_dist, epmd."""

    program: Path
    folder: Path
    ports: dict[str, int]
    password: str

    @property
    def url(self) -> str:
        """AMQP URL of our own virtual host."""
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.ports['amqp']}/{VHOST}"

    @property
    def management(self) -> str:
        """URL of the management API."""
        return f"http://127.0.0.1:{self.ports['rabbitmq_management']}"

    def prepare(self) -> None:
        """Write the node's configuration; its data stays."""
        private_folder(self.folder)
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.ports['amqp']}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self.ports["rabbitmq_management"],
            "management.rates_mode": "basic",
            "collect_statistics_interval": 10_000,
            "default_vhost": VHOST,
            "default_user": USER,
            "default_pass": self.password,
            "default_user_tags.administrator": "true",
            "default_permissions.configure": ".*",
            "default_permissions.read": ".*",
            "default_permissions.write": ".*",
            "disk_free_limit.absolute": "500MB",
            "log.console": "true",
            "log.console.level": "warning",
            "log.file": "false",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        write_private(self.folder / "rabbitmq.conf", "\n".join(lines).encode() + b"\n")
        write_private(
            self.folder / "advanced.config",
            b"[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].\n",
        )
        write_private(self.folder / "enabled_plugins", b"[rabbitmq_management].\n")
        write_private(self.folder / "env.conf", b"")
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, secrets.token_hex(16).encode())
            cookie.chmod(0o400)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"schoolconnect-{self.ports['amqp']}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_DIST_PORT": str(self.ports["rabbitmq_dist"]),
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # An idle scheduler that spins would take a core from everybody else on a small machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def specs(self) -> list[Spec]:
        """The port mapper as a process of ours (the node's own would outlive it), and the node."""
        environment = self._environment()
        epmd = Spec(
            name="epmd",
            argv=("epmd", "-port", str(self.ports["epmd"]), "-address", "127.0.0.1"),
            env=environment,
            ready=_at_once,
            grace=2.0,
        )
        node = Spec(
            name="rabbitmq",
            argv=(str(self.program),),
            env=environment,
            ready=self.ready,
            needs=frozenset({"epmd"}),
            grace=15.0,
        )
        return [epmd, node]

    async def ready(self) -> None:
        """Returns once the management API says that the node and our virtual host are up."""
        try:
            async with httpx.AsyncClient(base_url=self.management, auth=(USER, self.password), timeout=3) as client:
                response = await client.get("/api/health/checks/virtual-hosts")
        except httpx.TransportError as problem:
            raise NotReady(type(problem).__name__) from problem
        if response.is_error:
            raise NotReady(f"management API: {response.status_code}")


async def _at_once() -> None:
    """The port mapper has nothing to wait for."""
