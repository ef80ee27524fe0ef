"""The rules of the console that need no database: the way back, origins, cookies."""

import pytest

from gateway.console.cookie import SessionCookie
from gateway.console.return_path import safe_return
from gateway.console.same_origin import is_same_origin
from gateway.settings import Settings


@pytest.mark.parametrize(
    "given",
    [
        "https://evil.example.org/console",
        "//evil.example.org",
        "/console//evil",
        "/consoles",
        "/console\\evil",
        "/console/sign-in",
        "/v1/people",
        "/console/x\r\nSet-Cookie: a=b",
        "/console/" + "x" * 2_000,
    ],
)
def test_the_way_back_never_leaves_the_console(given):
    assert safe_return(given) == "/console"


def test_the_way_back_is_the_page_asked_for():
    assert safe_return("/console/tasks?state=failed&after=1") == "/console/tasks?state=failed&after=1"


def test_an_older_browser_is_known_by_its_origin():
    assert is_same_origin(None, "https://connect.example.org", "https://connect.example.org")
    assert not is_same_origin(None, "https://other.example.org", "https://connect.example.org")
    assert not is_same_origin(None, "", "")


def test_over_https_the_cookie_is_bound_to_its_host(backing):
    environment = {name.lower(): value for name, value in backing.environment("gateway").items()}
    secure = SessionCookie.of(Settings(**environment | {"public_origin": "https://connect.example.org"}))
    assert (secure.name, secure.secure) == ("__Host-console", True)
    production = SessionCookie.of(Settings(**environment | {"environment": "production"}))
    assert (production.name, production.secure) == ("__Host-console", True)
    for wrong in ("http://connect.example.org", "https://connect.example.org/console", "connect.example.org"):
        with pytest.raises(ValueError, match="PUBLIC_ORIGIN"):
            Settings(**environment | {"public_origin": wrong})
