"""Write the passwords of RabbitMQ and PostgreSQL as files: `docker inspect` shows all variables of a container."""

from pathlib import Path

from cli.layout import write_private

RABBITMQ = """\
default_vhost = schoolconnect
default_user = schoolconnect
default_pass = {password}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
loopback_users.guest = true
log.console = true
log.file = false
"""


def write_server_secrets(folder: Path, rabbitmq: str, postgres: str) -> None:
    """Write one folder for each server, which only its container mounts."""
    _write(folder / "rabbitmq" / "rabbitmq.conf", RABBITMQ.format(password=rabbitmq))
    _write(folder / "postgres" / "password", postgres)


def _write(path: Path, content: str) -> None:
    write_private(path, content.encode())
    # The servers' images have users of their own; what is around the folder is closed.
    path.parent.chmod(0o755)
    path.chmod(0o444)
