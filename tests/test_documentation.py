"""What the documents say about the code is what the code says."""

import re
from pathlib import Path

import pytest

from cli.builds import BUILDS
from cli.event_table import table
from gateway.auth import ACCESS
from gateway.main import app
from gateway.settings import Settings
from shared.events import Event
from shared.testing import Backing, write_keys

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    write_keys(tmp_path)
    backing = Backing("postgresql://nobody@127.0.0.1:1/none", "amqp://127.0.0.1:1/", tmp_path)
    for name, value in backing.environment("gateway").items():
        monkeypatch.setenv(name, value)


def test_the_event_table_is_true(environment):
    text = (ROOT / "docs/architecture.md").read_text()
    written = re.search(r"<!-- events -->\n(.*?)\n<!-- /events -->", text, re.DOTALL)
    assert written
    assert written[1] == table({name: build() for name, build in BUILDS.items()})


def test_every_event_is_emitted_and_taken_or_says_that_it_is_for_the_log_only(environment):
    rows = table({name: build() for name, build in BUILDS.items()})
    assert "nobody" not in rows


def test_personal_fields_have_a_default_that_means_erased():
    for event in Event.known.values():
        for name in event.personal:
            assert not event.model_fields[name].is_required(), f"{event.__name__}.{name}"


def test_every_public_route_says_who_may_use_it(environment):
    paths = app(Settings()).openapi()["paths"]
    public = {(method.upper(), path) for path, methods in paths.items() if path.startswith("/v1") for method in methods}
    assert public == set(ACCESS)


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("benchmarks", "shared", "cli", "services", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := path.read_text().count("\n")) > 300
    }
    assert long == {}
