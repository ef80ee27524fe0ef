"""What compose.yaml and the Dockerfile promise, read from the files: no engine is needed."""

import re
from pathlib import Path

import pytest
import yaml

from cli.operations.service_names import NAMES

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SERVERS = {"rabbitmq", "postgres"}
STEPS = {"secrets", "secrets-of-fakes", "migrate", "topology"}
FAKES = {"fcm", "smtp"}
OURS = {*NAMES, *STEPS, *FAKES, "demo"}
WATCHERS = {"prometheus", "alertmanager", "grafana"}


def sources(name):
    """The volumes that a container mounts."""
    return {each.split(":")[0] for each in SERVICES[name].get("volumes", [])}


def test_every_container_is_known_to_these_tests():
    assert set(SERVICES) == OURS | SERVERS | WATCHERS


def test_only_the_gateway_grafana_and_the_pages_of_the_fakes_are_published_and_on_loopback_only():
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(published) == {"gateway", "grafana", "fcm", "smtp"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert [port.rsplit(":", 1)[1] for port in published["gateway"]] == ["8000"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_environment_holds_a_password(name):
    environment = SERVICES[name].get("environment", {})
    for variable, value in environment.items():
        assert not re.search(r"PASS(WORD)?$|_PASS_|DATABASE_URL|AMQP_URL|SMTP_URL", variable), variable
        assert not re.search(r"//[^/]*:[^/]*@", str(value)), variable


@pytest.mark.parametrize("name", sorted(OURS | WATCHERS))
def test_a_container_has_no_rights_no_writable_root_and_a_temporary_folder(name):
    each = SERVICES[name]
    assert each["read_only"] is True
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert any(folder.startswith("/tmp:") for folder in each["tmpfs"])
    assert "user" not in each  # the image's, a number


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_has_limits(name):
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", sorted({*NAMES, *SERVERS, *FAKES, *WATCHERS}))
def test_what_runs_on_is_restarted_and_has_a_health_check(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_up_with_wait_ends_well_because_each_step_is_waited_for_until_it_is_done():
    waited = {
        step
        for each in SERVICES.values()
        for step, how in each.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert waited == STEPS


def test_no_container_lives_in_the_network_of_another():
    assert not [name for name, each in SERVICES.items() if "service:" in each.get("network_mode", "")]


def test_the_fakes_share_a_network_with_the_notifier_only():
    members = {name for name, each in SERVICES.items() if "standins" in each.get("networks", [])}
    assert members == {*FAKES, "notifier", "demo"}
    assert all(SERVICES[name]["networks"] == ["standins"] for name in FAKES)


def test_each_container_has_its_own_secrets_only():
    for name in NAMES:
        assert {each for each in sources(name) if each.startswith("secrets-")} == {f"secrets-{name}"}
    for name in FAKES:
        assert sources(name) == {"fakes"}
    assert {name for name in SERVICES if "keys" in sources(name)} == {"secrets", "secrets-of-fakes", "demo"}
    # The signing key is in the gateway's volume.
    assert {name for name in SERVICES if "secrets-gateway" in sources(name)} <= {
        "gateway", "topology", "secrets", "secrets-of-fakes",
    }  # fmt: skip
    assert {name for name in SERVICES if "SIGNING_KEY_FILE" in SERVICES[name].get("environment", {})} == {
        "gateway",
        "topology",
    }


def test_metrics_and_status_are_on_a_port_that_is_not_published():
    for name in NAMES:
        assert SERVICES[name]["environment"]["OPERATIONS_PORT"] == "9000"
    scraped = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for each in scraped[0]["static_configs"] for target in each["targets"]]
    assert targets == [f"{name}:9000" for name in ("gateway", "notifier", "files", "reports", "scheduler")]


def test_grafana_is_given_its_data_sources_and_dashboards():
    mounted = dict(each.split(":")[:2] for each in SERVICES["grafana"]["volumes"])
    folders = {inside: ROOT / outside for outside, inside in mounted.items() if outside.startswith("./")}
    provisioning = folders["/etc/grafana/provisioning"]
    (sources_file,) = (provisioning / "datasources").glob("*.yml")
    urls = [each["url"] for each in yaml.safe_load(sources_file.read_text())["datasources"]]
    assert urls == ["http://prometheus:9090", "http://alertmanager:9093"]
    (dashboards_file,) = (provisioning / "dashboards").glob("*.yml")
    (provider,) = yaml.safe_load(dashboards_file.read_text())["providers"]
    assert list(folders[provider["options"]["path"]].glob("*.json"))


def test_without_the_profile_nothing_of_the_fakes_is_needed():
    needed = {
        other
        for name, each in SERVICES.items()
        if "profiles" not in each
        for other, how in each.get("depends_on", {}).items()
        if how.get("required", True)
    }
    assert not [other for other in needed if "profiles" in SERVICES[other]]
    mounted = {each["source"] for each in SERVICES["notifier"]["secrets"]}
    assert mounted == {"firebase", "smtp_url"}


def test_one_container_builds_the_image_of_the_steps():
    built = [name for name, each in SERVICES.items() if each.get("image") == "schoolconnect-local" and "build" in each]
    assert built == ["secrets"]


def test_the_broker_is_of_version_4():
    assert SERVICES["rabbitmq"]["image"] == "${RABBITMQ_IMAGE:-rabbitmq:4-management}"


def test_the_image_runs_as_a_number_with_a_group_and_writes_to_tmp_only():
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert "TMPDIR=/tmp" in text
    assert "HOME=/tmp" in text
    assert text.count("--require-hashes") == 1
    # What builds stays in the first stage, and not even pip goes along.
    assert re.findall(r"^FROM (.*)$", text, re.MULTILINE) == ["${BUILD_BASE} AS build", "${BASE}"]
    assert "pip uninstall --quiet --yes hatchling editables pip setuptools" in text
    assert "# syntax" not in text
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    assert re.search(r"^LABEL ", text, re.MULTILINE)


def test_a_step_writes_to_every_volume_of_secrets():
    volumes = {name for name in COMPOSE["volumes"] if name.startswith("secrets-")}
    assert {each for each in sources("secrets") if each.startswith("secrets-")} == volumes
    assert {each for each in sources("secrets-of-fakes") if each.startswith("secrets-")} == volumes
