"""Where a setting is read from: the environment first, then files of secrets."""

import pytest

from shared.settings import FromSecrets, ServiceSettings
from shared.testing.fixtures import write_keys


@pytest.fixture
def needed(tmp_path, monkeypatch):
    """Everything that a service needs but its logins; returns two folders of secrets."""
    write_keys(tmp_path)
    monkeypatch.setenv("VAULT_KEY_FILE", str(tmp_path / "vault-key"))
    monkeypatch.setenv("VERIFY_KEY_FILE", str(tmp_path / "verify.pem"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("AMQP_URL", raising=False)
    folders = tmp_path / "first", tmp_path / "second"
    for each in folders:
        each.mkdir()
    monkeypatch.setenv("SECRETS_DIR", f"{folders[0]}:{tmp_path / 'missing'}:{folders[1]}")
    return folders


def test_secrets_are_read_from_files_and_a_later_folder_wins(needed):
    first, second = needed
    (first / "amqp_url").write_text("amqp://given\n")
    (first / "database_url").write_text("postgresql://first")
    (second / "database_url").write_text("postgresql://second\n")
    settings = ServiceSettings()
    assert settings.amqp_url.get_secret_value() == "amqp://given"
    assert settings.database_url.get_secret_value() == "postgresql://second"


def test_the_environment_wins_over_files_and_an_empty_variable_is_none(needed, monkeypatch):
    (needed[0] / "database_url").write_text("postgresql://file")
    (needed[0] / "amqp_url").write_text("amqp://file")
    monkeypatch.setenv("DATABASE_URL", "postgresql://variable")
    monkeypatch.setenv("AMQP_URL", "")
    settings = ServiceSettings()
    assert settings.database_url.get_secret_value() == "postgresql://variable"
    assert settings.amqp_url.get_secret_value() == "amqp://file"


def test_a_missing_secret_is_named(needed):
    with pytest.raises(ValueError, match="amqp_url") as refused:
        ServiceSettings()
    assert "database_url" in str(refused.value)


def test_folders_that_do_not_exist_are_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "nowhere"))

    class Optional(FromSecrets):
        made_up: str = "default"

    assert Optional().made_up == "default"
