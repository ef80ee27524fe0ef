"""A small service of the spine's own, on a fresh database and virtual host per module."""

import pytest

from shared.testing import Backing, fresh_database, fresh_vhost, write_keys


@pytest.fixture(scope="module")
def backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["notifier"]) as database, fresh_vhost() as amqp:
        yield Backing(database, amqp, keys)
