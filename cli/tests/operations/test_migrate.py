"""The URL of a service's login, on the server of the administrator's."""

import pytest

from cli.operations.migrate import service_url


@pytest.mark.parametrize(
    ("admin", "own"),
    [
        ("postgresql://root:a@db:5432/x", "postgresql://files:b@db:5432/x"),
        (
            "postgresql://root:a@one:5432,two:5433/x?target_session_attrs=read-write",
            "postgresql://files:b@one:5432,two:5433/x?target_session_attrs=read-write",
        ),
    ],
)
def test_a_login_keeps_every_host_and_option(admin, own):
    assert service_url(admin, "files", "b") == own
