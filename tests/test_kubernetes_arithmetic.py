"""The numbers in the manifests fit together: the grace, the connections, the providers' quota, the edges."""

import ipaddress

import pytest

from shared.messaging import subscriber
from shared.service import runtime, server
from tests.kubernetes_manifests import OVERLAYS, SERVICES, combined, environment, of_kind, pods, renderer
from tests.test_kubernetes_structure import SETTINGS, services  # noqa: F401  # a fixture

pytestmark = pytest.mark.skipif(renderer() is None, reason="not run: needs kubectl 1.27 or newer, or kustomize")

FCM_A_SECOND = 10_000
"""FCM's default quota of a project: 600,000 messages a minute."""
RESERVED = 30
"""Connections for the migration step, CloudNativePG, backups and people."""


def given(objects, name):
    pod = of_kind(objects, "Deployment")[name]["spec"]["template"]["spec"]
    secret = {"database_url": "postgresql://demo@example.org/demo", "amqp_url": "amqp://example.org/"}
    found = {key.lower(): value for key, value in environment(pod, objects).items() if value is not None}
    return SETTINGS[name](**(secret | found))


def most(objects, name):
    """The most replicas of a service, with the one that a replacement adds."""
    scaled = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    if name in scaled:
        spec = scaled[name]["spec"]
        return (spec.get("maxReplicas") or spec["maxReplicaCount"]) + 1
    return of_kind(objects, "Deployment")[name]["spec"].get("replicas", 1) + 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_grace_is_longer_than_the_longest_stop(overlay):
    objects = combined(overlay, ())
    for name in SERVICES:
        pod = pods(objects)[name]
        (main,) = pod["containers"]
        ending = 2 * runtime.STOP_ATTEMPTS * runtime.STOP_SECONDS
        open_requests = given(objects, name).last_answers + server.GRACEFUL_SECONDS
        drained = given(objects, name).drain + subscriber.CANCEL_SECONDS + 2 * subscriber.SETTLE_SECONDS
        waited = main["lifecycle"]["preStop"]["sleep"]["seconds"]
        probe = main["readinessProbe"]
        assert waited >= probe["periodSeconds"], "balancers look away before requests are refused"
        assert pod["terminationGracePeriodSeconds"] >= waited + open_requests + drained + ending + 5, name


def test_the_most_replicas_fit_into_the_databases_connections(services):  # noqa: F811
    objects = combined("prod", ())
    needed = 0
    for name in SERVICES:
        settings = given(objects, name)
        readers = sum(len(each.streams) for each in services[name].projections.values())
        needed += most(objects, name) * (settings.database_pool + settings.database_request_pool + readers)
    (cluster,) = of_kind(objects, "Cluster").values()
    assert needed + RESERVED <= int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_where_files_are_in_a_folder_only_one_pod_of_each_service_uses_it(overlay):
    objects = combined(overlay, ())
    for name in ("gateway", "files", "reports"):
        assert not given(objects, name).storage_url.startswith("file:") or most(objects, name) - 1 == 1, name


def test_files_lose_one_pod_in_the_time_that_it_may_finish_in():
    objects = combined("prod", ())
    scaled = of_kind(objects, "ScaledObject")["files"]["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    (down,) = scaled["behavior"]["scaleDown"]["policies"]
    assert (down["type"], down["value"]) == ("Pods", 1)
    assert down["periodSeconds"] >= pods(objects)["files"]["terminationGracePeriodSeconds"]


def test_the_most_notifiers_stay_within_the_quota_of_fcm():
    objects = combined("prod", ())
    assert given(objects, "notifier").push_rate * most(objects, "notifier") <= FCM_A_SECOND


def chosen(selector, labels):
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))


def labels_of(objects):
    """The labels of every pod, those that operators make included."""
    found = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for name, each in of_kind(objects, "Deployment", "Job", "StatefulSet").items()
    }
    for name, each in of_kind(objects, "RabbitmqCluster").items():
        found[name] = each["metadata"]["labels"]
    for name, each in of_kind(objects, "Cluster").items():
        found[name] = each["spec"]["inheritedMetadata"]["labels"]
    return found


UNUSED = "postgresql://unused.invalid/unused"
"""Of the topology step, which asks no database."""
NEEDS = {
    5672: lambda given: "AMQP_URL" in given,
    5432: lambda given: given.get("DATABASE_URL", UNUSED) != UNUSED or "MIGRATION_DATABASE_URL" in given,
    8000: lambda given: given.get("SIGNING_KEY_FILE") == "/signing/signing-key.pem",
    443: lambda given: {"GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID"} & given.keys(),
    587: lambda given: "SMTP_URL" in given,
}
"""Port → whether a pod with these variables goes there. The gateway needs 443 for Firebase's certificates, too."""
WAYS_IN = {
    "HTTPRoute": {("ingress", "http")},
    "PodMonitor": {("monitoring", "operations"), ("monitoring", 15692)},
    "TriggerAuthentication": {("keda", 15672)},
    "RabbitmqCluster": {("rabbitmq-system", 15672)},
    "Cluster": {("cnpg-system", 5432), ("cnpg-system", 8000)},
}
"""Kind of object → the namespaces from which it is served, and the ports."""


@pytest.mark.parametrize(("overlay", "more"), [("prod", ()), ("dev", ("network-policies",))])
def test_each_edge_is_between_pods_that_exist(overlay, more):
    objects = combined(overlay, more)
    labels = labels_of(objects).values()
    for name, policy in of_kind(objects, "NetworkPolicy").items():
        spec = policy["spec"]
        here = [each["podSelector"] for rule in rules(spec) for each in peers(rule) if "namespaceSelector" not in each]
        for selector in [spec["podSelector"], *here]:
            assert any(chosen(selector, have) for have in labels), (name, selector)


def rules(spec):
    return [*spec.get("ingress", ()), *spec.get("egress", ())]


def peers(rule):
    return [each for each in rule.get("to", rule.get("from", ())) if "ipBlock" not in each]


def test_everything_is_closed_but_the_edges_that_a_setting_uses():
    objects = combined("prod", ())
    everything = of_kind(objects, "NetworkPolicy")
    assert everything.pop("closed")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    edges = {
        (pod, port["port"])
        for name, policy in everything.items()
        for rule in policy["spec"].get("egress", ())
        for port in rule["ports"]
        for pod, have in labels_of(objects).items()
        if chosen(policy["spec"]["podSelector"], have) and pod in pods(objects) and name != "names"
    }
    used = {
        (pod, port)
        for pod, spec in pods(objects).items()
        for port, needs in NEEDS.items()
        if needs(environment(spec, objects))
    }
    assert edges == used


def test_each_way_in_from_another_namespace_is_for_what_is_installed():
    objects = combined("prod", ())
    found = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for policy in of_kind(objects, "NetworkPolicy").values()
        for rule in policy["spec"].get("ingress", ())
        for peer in peers(rule)
        if "namespaceSelector" in peer
        for port in rule["ports"]
    }
    assert found == {each for kind, names in WAYS_IN.items() if of_kind(objects, kind) for each in names}


def test_the_way_out_leaves_out_private_and_link_local_addresses():
    policies = of_kind(combined("prod", ()), "NetworkPolicy")
    for name in ("to-https", "to-mail"):
        (rule,) = policies[name]["spec"]["egress"]
        closed = [ipaddress.ip_network(each) for peer in rule["to"] for each in peer["ipBlock"]["except"]]
        for address in ("10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "127.0.0.1", "fd00::1", "fe80::1"):
            found = ipaddress.ip_address(address)
            assert any(found.version == each.version and found in each for each in closed), address


def test_names_are_asked_for_over_tcp_too():
    (rule,) = of_kind(combined("prod", ()), "NetworkPolicy")["names"]["spec"]["egress"]
    assert {(each["protocol"], each["port"]) for each in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
