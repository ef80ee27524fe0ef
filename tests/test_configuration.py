"""docs/configuration.md and .env.example are what the settings classes say."""

from pathlib import Path

import pytest

from cli.operations import configuration
from shared.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
AGAIN = "run `python -m cli.operations.configuration`"


def test_the_page_of_settings_is_up_to_date():
    assert (ROOT / configuration.DOCUMENT).read_text() == configuration.document(), AGAIN


def test_the_example_of_an_environment_is_up_to_date():
    compose = (ROOT / "compose.yaml").read_text()
    assert (ROOT / configuration.EXAMPLE).read_text() == configuration.example(compose), AGAIN


@pytest.mark.parametrize("settings", [ServiceSettings, *configuration.OWN.values()])
def test_every_setting_says_what_it_is(settings):
    assert not [name for name, field in settings.model_fields.items() if not field.description]


def test_the_example_holds_no_secret_and_sets_nothing_by_itself():
    lines = (ROOT / configuration.EXAMPLE).read_text().splitlines()
    assert all(line == "" or line.startswith("#") for line in lines)
    assert not [line for line in lines if "DATABASE_URL" in line or "AMQP_URL" in line]
