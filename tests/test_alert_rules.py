"""The alert rules and dashboards that are delivered: each alert fires in a rule test and has a runbook."""

import json
import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "observability"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
TESTS = FOLDER / "rule_tests" / "alerts.yml"
DASHBOARDS = runpy.run_path(str(FOLDER / "dashboards.py"))


def alerts() -> list[dict]:
    found = yaml.safe_load((FOLDER / "rules" / "alerts.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def promtool(*words) -> str:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_its_rules_are_valid():
    promtool("check", "config", FOLDER / "prometheus.yml")


def test_the_rules_pass_their_tests():
    promtool("test", "rules", TESTS)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_each_alert_fires_in_a_rule_test_and_names_what_to_do(alert):
    name = alert["alert"]
    asked = yaml.safe_load(TESTS.read_text())["tests"]
    fired = {
        re.search('alertname="(.+?)"', question["expr"])[1]
        for test in asked
        for question in test["promql_expr_test"]
        if question["exp_samples"]
    }
    assert name in fired
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert {"summary", "description", "runbook_url"} <= alert["annotations"].keys()
    assert f"\n## {name}\n" in (ROOT / "docs" / "runbooks.md").read_text()


def test_the_runbooks_have_no_section_without_an_alert():
    sections = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]


def test_the_dashboards_are_what_their_code_builds(tmp_path):
    built = {path.name: path.read_text() for path in DASHBOARDS["write"](tmp_path)}
    assert built == {path.name: path.read_text() for path in (FOLDER / "dashboards").glob("*.json")}


def test_dashboards_have_titles_and_uids_of_their_own_and_ask_for_their_data_source():
    found = [json.loads(path.read_text()) for path in (FOLDER / "dashboards").glob("*.json")]
    assert len({each["uid"] for each in found}) == len({each["title"] for each in found}) == len(found)
    sources = {
        target["datasource"]["uid"] for each in found for panel in each["panels"] for target in panel.get("targets", ())
    }
    assert sources == {"${datasource}"}
