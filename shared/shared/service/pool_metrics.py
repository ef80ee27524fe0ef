"""Exports how busy the connections to the database are, asked of the pools at each scrape."""

from functools import partial

from prometheus_client import CollectorRegistry, Gauge

from shared.persistence.database import Database, Pool


def export_pools(registry: CollectorRegistry, database: Database) -> None:
    """Export both pools of a service."""
    used = Gauge(
        "schoolconnect_database_connections_in_use", "Connections that are in use, by pool", ["pool"], registry=registry
    )
    most = Gauge("schoolconnect_database_connections_max", "Connections of a full pool", ["pool"], registry=registry)
    waiting = Gauge(
        "schoolconnect_database_connections_waited_for",
        "Handlers or requests that wait for a connection, by pool",
        ["pool"],
        registry=registry,
    )
    for name, pool in (("workers", database.workers), ("requests", database.requests)):
        most.labels(name).set(pool.max_size)
        used.labels(name).set_function(partial(_in_use, pool))
        waiting.labels(name).set_function(partial(_figure, pool, "requests_waiting"))


def _in_use(pool: Pool) -> float:
    return max(0.0, _figure(pool, "pool_size") - _figure(pool, "pool_available"))


def _figure(pool: Pool, name: str) -> float:
    """Return a figure of the pool; it leaves out those that are 0."""
    return float(pool.get_stats().get(name, 0))
