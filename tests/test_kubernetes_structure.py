"""What the manifests name exists: secrets, selectors, ports, paths, settings, queues, metrics, edges."""

import re
import runpy
from functools import cache

import pytest

from cli.operations.service_builders import BUILDS
from files.settings import Settings as FilesSettings
from gateway.settings import Settings as GatewaySettings
from notifier.settings import Settings as NotifierSettings
from reports.settings import Settings as ReportsSettings
from scheduler.settings import Settings as SchedulerSettings
from shared.service import health
from shared.telemetry import installed_version
from shared.testing.fixtures import Backing, write_keys
from tests.kubernetes_manifests import (
    K8S,
    OVERLAYS,
    SERVICES,
    combined,
    containers,
    environment,
    of_kind,
    pods,
    renderer,
)

pytestmark = pytest.mark.skipif(renderer() is None, reason="not run: needs kubectl 1.27 or newer, or kustomize")

SETTINGS = {
    "gateway": GatewaySettings,
    "notifier": NotifierSettings,
    "files": FilesSettings,
    "reports": ReportsSettings,
    "scheduler": SchedulerSettings,
}
PROCESS = {"TMPDIR", "HOME", "SECRETS_DIR", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
"""Read by Python, by the settings themselves, or by the libraries of the store."""
OF_OTHERS = set(GatewaySettings.model_fields) | set(NotifierSettings.model_fields) | {"storage_url"}
"""One config map is for all services: each reads its own settings from it."""
BEFOREHAND = {
    "trust": {"verify-key.pem", "vault-key"},
    "signing-key": {"signing-key.pem"},
    "providers": {"SMTP_URL", "service-account.json"},
    "broker": {"AMQP_URL", "RABBITMQ_MANAGEMENT_URL"},
    "database-administrator": {"MIGRATION_DATABASE_URL"},
    "database-logins": {f"{name.upper()}_DATABASE_URL" for name in SERVICES},
    "bucket": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "backup-bucket": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "migration-login": {"username", "password"},
}
"""The secrets that docs/kubernetes.md says to make, and their keys."""


@pytest.fixture(params=OVERLAYS)
def objects(request):
    return combined(request.param, ())


@pytest.fixture
def prod():
    return combined("prod", ())


@cache
def built(folder):
    """Each service, built as the topology Job does."""
    write_keys(folder)
    with pytest.MonkeyPatch.context() as patch:
        backing = Backing("postgresql://unknown@127.0.0.1:1/none", "amqp://127.0.0.1:1/", folder)
        for name, value in backing.environment("gateway").items():
            patch.setenv(name, value)
        return {name: build() for name, build in BUILDS.items()}


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    return built(tmp_path_factory.mktemp("keys"))


def secret_keys(objects):
    """The keys of each secret, the generated ones by their hashed names."""
    generated = {name: set(each["data"]) for name, each in of_kind(objects, "Secret").items()}
    return BEFOREHAND | generated


def asked_of_secrets(value):
    """Every (secret, key) below a value; the key is None where the whole secret is named."""
    if isinstance(value, list):
        for each in value:
            yield from asked_of_secrets(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            found = list(named(name, each))
            yield from found or asked_of_secrets(each)


def named(field, value):
    """The secrets that one field names itself."""
    if field == "secretRef":
        yield value["name"], None
    elif field in ("secretKeyRef", "accessKeyId", "secretAccessKey"):
        yield value["name"], value["key"]
    elif field == "secretTargetRef":
        yield from ((each["name"], each["key"]) for each in value)
    elif field in ("secret", "passwordSecret"):
        items = [item["key"] for item in value.get("items", ())]
        whole = [None] if "secretName" in value else ["password"]
        yield from ((value.get("secretName") or value["name"], key) for key in items or whole)


def test_each_secret_and_key_that_is_named_exists_and_each_documented_one_is_used(objects):
    keys = secret_keys(objects)
    for name, key in asked_of_secrets(list(objects)):
        assert name in keys, name
        assert key is None or key in keys[name], (name, key)


def test_the_documented_secrets_are_those_of_production(prod):
    assert {name for name, _ in asked_of_secrets(list(prod))} == set(BEFOREHAND)
    written = (K8S.parents[1] / "docs" / "kubernetes.md").read_text()
    for name, keys in BEFOREHAND.items():
        assert f"`{name}`" in written
        assert [key for key in keys if f"`{key}`" not in written and not key.endswith("_DATABASE_URL")] == [], name


def test_selectors_find_the_pods_they_are_for(objects):
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for name, each in of_kind(objects, "Deployment", "StatefulSet").items()
    }
    for name, each in of_kind(objects, "Deployment", "StatefulSet").items():
        wanted = each["spec"]["selector"]["matchLabels"]
        assert [found for found, have in labels.items() if wanted.items() <= have.items()] == [name]
        for spread in each["spec"]["template"]["spec"].get("topologySpreadConstraints", ()):
            assert spread["labelSelector"]["matchLabels"] == wanted
    for kind, path in (("Service", ("selector",)), ("PodDisruptionBudget", ("selector", "matchLabels"))):
        for name, each in of_kind(objects, kind).items():
            wanted = each["spec"]
            for step in path:
                wanted = wanted[step]
            assert [found for found, have in labels.items() if wanted.items() <= have.items()] == [name]


def test_a_service_is_spread_and_replaced_without_a_gap_and_a_sick_pod_keeps_no_node(objects):
    for name, each in of_kind(objects, "Deployment").items():
        pod = each["spec"]["template"]["spec"]
        spread = {constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]}
        assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        # The old pods serve until the new ones are ready, and for good when the migration of the new ones failed.
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        budget = of_kind(objects, "PodDisruptionBudget")[name]["spec"]
        assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_ports_that_are_named_are_those_of_the_containers_and_of_the_settings(objects):
    for name, each in of_kind(objects, "Deployment").items():
        (main,) = each["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: str(port["containerPort"]) for port in main["ports"]}
        given = environment(each["spec"]["template"]["spec"], objects)
        assert ports == {"http": given["PORT"], "operations": given["OPERATIONS_PORT"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert main[probe]["httpGet"]["port"] == "operations"
        service = of_kind(objects, "Service")[name]
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"], "only the API is in a Service"


def test_probes_ask_paths_that_each_service_answers(objects):
    paths = {route.path for route in health.router.routes}
    for each in of_kind(objects, "Deployment").values():
        (main,) = each["spec"]["template"]["spec"]["containers"]
        asked = [main[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert asked == ["/health/live", "/health/live", "/health/ready"]
        assert {*asked, "/metrics"} <= paths
        assert main["livenessProbe"]["timeoutSeconds"] >= 5


def test_each_variable_is_a_setting_and_each_required_setting_has_one(objects):
    for name, pod in pods(objects).items():
        if name not in SERVICES:
            continue
        given = environment(pod, objects)
        fields = SETTINGS[name].model_fields
        assert {each.lower() for each in given.keys() - PROCESS} <= set(fields) | OF_OTHERS
        assert {each for each, field in fields.items() if field.is_required()} <= {each.lower() for each in given}
        own = {each["name"].lower() for each in pod["containers"][0].get("env", ()) if each["name"] not in PROCESS}
        assert own <= set(fields), name
        values = {key.lower(): value for key, value in given.items() if value is not None and key not in PROCESS}
        secret = {"database_url": "postgresql://demo@example.org/demo", "amqp_url": "amqp://example.org/"}
        SETTINGS[name](**(secret | values))


def test_files_that_settings_name_are_mounted(objects):
    for name, pod in pods(objects).items():
        if name not in SERVICES:
            continue
        (main,) = pod["containers"]
        mounted = {each["mountPath"] for each in main["volumeMounts"]}
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert {each["name"] for each in main["volumeMounts"]} <= set(volumes)
        assert {"TMPDIR", "HOME"} <= environment(pod, objects).keys()
        for variable, value in environment(pod, objects).items():
            if value and (variable.endswith("_FILE") or variable == "GOOGLE_APPLICATION_CREDENTIALS"):
                assert value.rpartition("/")[0] in mounted, (name, variable)
            if variable == "SECRETS_DIR":
                assert value in mounted
            if variable in ("TMPDIR", "HOME"):
                (volume,) = (each["name"] for each in main["volumeMounts"] if each["mountPath"] == value)
                assert "emptyDir" in volumes[volume]


def test_no_container_has_rights_that_it_does_not_need(objects):
    for name, pod in pods(objects).items():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in containers(pod):
            rights = each["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert rights.get("readOnlyRootFilesystem") is True or name in ("rabbitmq", "postgres")
            assert {"cpu", "memory"} <= each["resources"]["limits"].keys() & each["resources"]["requests"].keys()
            assert ":" in each["image"]
            assert not each["image"].endswith(":latest")
    (space,) = of_kind(objects, "Namespace").values()
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_each_service_has_an_account_of_its_own(objects):
    accounts = of_kind(objects, "ServiceAccount")
    for name, each in of_kind(objects, "Deployment").items():
        assert each["spec"]["template"]["spec"]["serviceAccountName"] == name
        assert accounts[name]["automountServiceAccountToken"] is False


def test_the_release_is_the_one_of_the_code(objects):
    release = installed_version("gateway")
    for each in (each for pod in pods(objects).values() for each in containers(pod)):
        if each["image"].startswith("schoolconnect-"):
            assert each["image"].endswith(f":{release}")
    assert set(of_kind(objects, "Job")) == {f"{step}-{release.replace('.', '-')}" for step in ("migrate", "topology")}


def test_what_is_scaled_has_no_number_of_replicas_and_each_queue_and_metric_exists(prod, services):
    deployments = of_kind(prod, "Deployment")
    scaled = of_kind(prod, "ScaledObject", "HorizontalPodAutoscaler")
    assert set(scaled) == {"gateway", "notifier", "files"}
    assert {name: each["spec"].get("replicas") for name, each in deployments.items()} == {
        "gateway": None, "notifier": None, "files": None, "reports": 2, "scheduler": 2,
    }  # fmt: skip
    for each in scaled.values():
        assert each["spec"]["scaleTargetRef"]["name"] in deployments
    queues = {queue.name for service in services.values() for queue in service.topology().queues}
    authentications = of_kind(prod, "TriggerAuthentication")
    for name, each in of_kind(prod, "ScaledObject").items():
        assert each["spec"]["minReplicaCount"] >= 1
        assert each["spec"]["fallback"]["replicas"] >= each["spec"]["minReplicaCount"]
        (trigger,) = each["spec"]["triggers"]
        facts = trigger["metadata"]
        if trigger["type"] == "prometheus":
            assert facts["ignoreNullValues"] == "false"
            named = set(re.findall(r"schoolconnect_\w+", facts["query"]))
            exported = {
                f"{family.name}_total" if family.type == "counter" else family.name
                for family in services[name].metrics.registry.collect()
            }
            assert named
            assert named <= exported
        else:
            assert (facts["protocol"], facts["excludeUnacknowledged"]) == ("http", "false")
            assert facts["queueName"] in queues
            assert trigger["authenticationRef"]["name"] in authentications


def test_a_generated_secret_has_its_hashed_name_inside_custom_resources():
    objects = combined("base", ("try-out", "autoscaling"))
    (hashed,) = (name for name in of_kind(objects, "Secret") if name.startswith("broker-"))
    (account,) = of_kind(objects, "TriggerAuthentication").values()
    assert [each["name"] for each in account["spec"]["secretTargetRef"]] == [hashed]


def test_prometheus_gets_the_rules_that_are_tested_and_the_labels_that_they_ask_for(prod):
    made = runpy.run_path(str(K8S / "prometheus_rules.py"))
    assert made["WRITTEN"].read_text() == made["text"]()
    assert len(of_kind(prod, "PrometheusRule")) == 2
    monitors = of_kind(prod, "PodMonitor")
    (services,) = monitors["schoolconnect"]["spec"]["podMetricsEndpoints"]
    label = monitors["schoolconnect"]["spec"]["jobLabel"]
    for each in of_kind(prod, "Deployment").values():
        assert each["spec"]["template"]["metadata"]["labels"][label] == "schoolconnect"
    assert (services["port"], services["path"]) == ("operations", "/metrics")
    assert [each["targetLabel"] for each in services["relabelings"]] == ["service"]


def test_production_has_three_brokers_and_three_databases_with_a_nightly_copy_and_no_pooler(prod):
    (broker,) = of_kind(prod, "RabbitmqCluster").values()
    assert broker["spec"]["replicas"] == 3
    assert broker["spec"]["terminationGracePeriodSeconds"] <= 600, "the operator's own is a week"
    pod = broker["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    for each in (*pod["containers"], *pod["initContainers"]):
        assert each["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    (database,) = of_kind(prod, "Cluster").values()
    assert database["spec"]["instances"] == 3
    for each in (broker, database):  # the database's operator runs its pods as a user of its own by itself
        assert {"cpu", "memory"} <= each["spec"]["resources"]["limits"].keys()
    assert [(role["login"], role["createrole"]) for role in database["spec"]["managed"]["roles"]] == [(True, True)]
    (plugin,) = database["spec"]["plugins"]
    (copy,) = of_kind(prod, "ScheduledBackup").values()
    assert copy["spec"]["cluster"]["name"] == database["metadata"]["name"]
    assert copy["spec"]["pluginConfiguration"]["name"] == plugin["name"] == "barman-cloud.cloudnative-pg.io"
    assert plugin["parameters"]["barmanObjectName"] in of_kind(prod, "ObjectStore")
    assert not of_kind(prod, "Pooler"), "roles are chosen by an option of the connection's start"


def test_the_public_door_is_the_gateway_only():
    for component, kind in (("ingress", "Ingress"), ("http-route", "HTTPRoute")):
        objects = combined("base", (component,))
        (door,) = of_kind(objects, kind).values()
        text = str(door["spec"])
        assert "'name': 'gateway'" in text
        assert not [
            name for name in ("notifier", "files", "reports", "scheduler", "9000", "operations") if name in text
        ]
