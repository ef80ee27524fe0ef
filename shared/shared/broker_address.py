"""The address of a broker: one host, or several hosts of a cluster with commas between."""

from urllib.parse import urlsplit


def each_host(url: str) -> list[str]:
    """Split an address into one for each host, with the same login, virtual host and options.

    Raises ValueError for a host without a name, a port that is no number, and another scheme; it may quote the address.
    """
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    found = [parts._replace(netloc=f"{login}{at}{host.strip()}") for host in hosts.split(",")]
    if parts.scheme not in ("amqp", "amqps") or not all(each.hostname and each.port != 0 for each in found):
        raise ValueError("an address has a scheme, amqp or amqps, and a name for each host")
    return [each.geturl() for each in found]
