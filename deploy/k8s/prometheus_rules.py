"""Write the rules of deploy/observability as a PrometheusRule: `python deploy/k8s/prometheus_rules.py`."""

from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
RULES = HERE.parent / "observability" / "rules"
WRITTEN = HERE / "components" / "monitoring" / "rules.yaml"
HEAD = "# Made by deploy/k8s/prometheus_rules.py from deploy/observability/rules; change it there.\n"


def text() -> str:
    """Return both files of rules as objects of the Prometheus operator."""
    objects = [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"schoolconnect-{path.stem}"},
            "spec": yaml.safe_load(path.read_text()),
        }
        for path in sorted(RULES.glob("*.yml"))
    ]
    return HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=120)


if __name__ == "__main__":
    WRITTEN.write_text(text())
