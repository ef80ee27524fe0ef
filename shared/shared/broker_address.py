"""The address of a broker: one host, or several hosts of a cluster with commas between."""

import re
from urllib.parse import urlsplit


def each_host(url: str) -> list[str]:
    """Split an address into one for each host, with the same login, virtual host and options.

    Raises ValueError for a host without a name, a port that is no number, and another scheme; it may quote the address.
    """
    # Several hosts are no URL: Python 3.13 refuses brackets that do not stand in front.
    scheme, slashes, address = url.partition("://")
    authority = re.split("[/?#]", address, maxsplit=1)[0]
    login, at, hosts = authority.rpartition("@")
    rest = address.removeprefix(authority)
    found = [urlsplit(f"{scheme}{slashes}{login}{at}{host.strip()}{rest}") for host in hosts.split(",")]
    if scheme not in ("amqp", "amqps") or not all(each.hostname and each.port != 0 for each in found):
        raise ValueError("an address has a scheme, amqp or amqps, and a name for each host")
    return [each.geturl() for each in found]
