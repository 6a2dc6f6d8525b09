"""What holds for every scenario, whatever its values."""

import itertools
import re

import pytest

import chart
from chart import LONG_RELEASE, SELECTOR, render

MILLISECONDS = {"h": 3600_000, "m": 60_000, "s": 1000, "ms": 1}


def labels(found):
    return found["metadata"].get("labels", {})


def selects(selector, found):
    return selector.items() <= labels(found).items()


def test_every_pod_meets_the_restricted_pod_security_standard(scenario):
    for pod in render(scenario).pods():
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in spec.get("volumes", []):
            (kind,) = set(volume) - {"name"}
            assert kind in {"configMap", "emptyDir", "projected", "secret"}, volume
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context.get("privileged")
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_no_pod_has_more_than_it_needs(scenario):
    for pod in render(scenario).pods():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False
    resources = render(scenario).gateway()["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}, "a CPU limit only throttles"
    (test,) = render(scenario).of("Pod") or [None]
    if test:
        assert "serviceAccountName" not in test["spec"], "the test needs no AWS credentials"


def test_the_selector_is_frozen(scenario):
    rendered = render(scenario)
    frozen = {"app.kubernetes.io/name": "codepipeline-gateway", "app.kubernetes.io/instance": "gw"}
    assert rendered.one("Deployment")["spec"]["selector"] == {"matchLabels": frozen}
    for service in rendered.of("Service"):
        assert service["spec"]["selector"] == frozen
    for kind in "PodDisruptionBudget", "PodMonitor":
        for found in rendered.of(kind):
            assert found["spec"]["selector"] == {"matchLabels": frozen}
    for policy in rendered.of("NetworkPolicy"):
        assert policy["spec"]["podSelector"] == {"matchLabels": frozen}
    assert selects(frozen, rendered.one("Deployment")["spec"]["template"])
    assert not any(selects(frozen, pod) for pod in rendered.of("Pod")), "a test pod would get calls"


def test_the_service_monitor_finds_one_service(scenario):
    rendered = render(scenario)
    for monitor in rendered.of("ServiceMonitor"):
        found = [s for s in rendered.of("Service") if selects(monitor["spec"]["selector"]["matchLabels"], s)]
        assert [port["name"] for port in found[0]["spec"]["ports"]] == [monitor["spec"]["endpoints"][0]["port"]]
        assert len(found) == 1


@pytest.mark.parametrize("release", ["gw", "codepipeline-gateway", LONG_RELEASE])
def test_names_fit_and_are_the_releases_own(scenario, release):
    rendered = render(scenario, release=release)
    extra = {"beside"}
    names = [(found["kind"], found["metadata"]["name"]) for found in rendered.objects]
    assert len(names) == len(set(names))
    prefix = rendered.one("Deployment")["metadata"]["name"]
    for kind, name in names:
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name), name
        assert name.startswith(prefix) or kind == "ServiceAccount" or name in extra, name
    for found in rendered.objects:
        for key, value in labels(found).items():
            assert len(value) <= 63, (key, value)
        if found["metadata"]["name"] not in extra:
            namespace = "delivery" if scenario == "everything" else "gateways"
            assert found["metadata"]["namespace"] == namespace


def test_two_releases_with_long_names_never_share_one():
    one = render("default", release=LONG_RELEASE).one("Deployment")["metadata"]["name"]
    other = render("default", release=LONG_RELEASE[:-1] + "z").one("Deployment")["metadata"]["name"]
    assert one != other and len(one) == len(other) == 50


def test_no_secret_is_in_the_rendered_text(scenario):
    rendered = render(scenario)
    assert not rendered.of("Secret")
    given = [entry for found in (rendered.gateway()["env"],) for entry in found if "value" in entry]
    for entry in given:
        if re.search(r"KEY|TOKEN|SECRET|PASSWORD", entry["name"]) and scenario != "simulator":
            assert entry["value"].startswith("/"), f"{entry['name']} is no path"


def test_nothing_stands_twice(scenario):
    """A server-side apply, helm 4's default, takes these lists for maps and refuses what stands twice."""
    rendered = render(scenario)
    for pod in rendered.pods():
        spec = pod["spec"]
        unique(volume["name"] for volume in spec.get("volumes", []))
        unique(container["name"] for container in spec["containers"])
        for container in spec["containers"]:
            unique(entry["name"] for entry in container.get("env", []))
            unique(mount["mountPath"] for mount in container.get("volumeMounts", []))
            unique(port["containerPort"] for port in container.get("ports", []))
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
    for service in rendered.of("Service"):
        unique(port["port"] for port in service["spec"]["ports"])


def unique(names):
    names = list(names)
    assert len(names) == len(set(names)), names


def test_a_secret_that_changes_is_seen_by_the_pod(scenario):
    for pod in render(scenario).pods():
        for container in pod["spec"]["containers"]:
            assert not any("subPath" in mount for mount in container.get("volumeMounts", []))


def test_a_large_number_stays_a_whole_one():
    env = {entry["name"]: entry.get("value") for entry in render("everything").gateway()["env"]}
    assert env["GATEWAY_MAX_CONNECTIONS"] == "1000000"


def milliseconds(text):
    return sum(int(number) * MILLISECONDS[unit] for number, unit in re.findall(r"(\d+)(ms|h|m|s)", text))


def test_a_public_issuer_gets_no_names_of_the_cluster():
    public = "tls.certManager.inClusterNames=false,tls.certManager.dnsNames={gateway.example}"
    assert render("cert-manager", "--set", public).one("Certificate")["spec"]["dnsNames"] == ["gateway.example"]


def test_the_memory_limit_has_room_for_as_many_hostile_connections_as_are_allowed():
    """64 KiB each, docs/performance.md, and the calls in flight and waiting, with a quarter to spare."""
    values = chart.values()
    limit = {"1Gi": 1 << 30}[values["resources"]["limits"]["memory"]]
    gateway = values["gateway"]
    needed = (gateway["maxConnections"] * 64 + gateway["maxInFlight"] * 60 + gateway["maxPollWaiters"] * 9 + 15 * 1024) * 1024
    assert needed * 1.25 < limit


def test_a_pod_has_the_time_to_stop(scenario):
    rendered = render(scenario)
    env = {entry["name"]: entry.get("value") for entry in rendered.gateway()["env"]}
    needed = milliseconds(env["GATEWAY_SHUTDOWN_DELAY"]) + milliseconds(env["GATEWAY_DRAIN_TIMEOUT"])
    grace = rendered.one("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert needed / 1000 + 10 <= grace < needed / 1000 + 11
    assert rendered.one("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "lifecycle" not in rendered.gateway(), "the gateway waits for its endpoints itself"


def test_a_container_beside_the_gateway_does_not_stop_the_scaling(scenario):
    """A share of the whole pod's requests fails as soon as one container, such as a mesh's, has none."""
    rendered = render(scenario)
    for scaler in rendered.of("HorizontalPodAutoscaler"):
        shares = [metric for metric in scaler["spec"]["metrics"] if "Resource" in metric["type"]]
        assert shares and all(metric["containerResource"]["container"] == rendered.gateway()["name"] for metric in shares)


@pytest.mark.parametrize("values, bound", [
    ("minAvailable=1,podDisruptionBudget.maxUnavailable=", {"minAvailable": 1}),
    ("minAvailable=0,podDisruptionBudget.maxUnavailable=", {"minAvailable": 0}),
    ("minAvailable=0,podDisruptionBudget.maxUnavailable=null", {"minAvailable": 0}),
    ("minAvailable=0%,podDisruptionBudget.maxUnavailable=", {"minAvailable": "0%"}),
    ("minAvailable=null,podDisruptionBudget.maxUnavailable=1", {"maxUnavailable": 1}),
    ("minAvailable=,podDisruptionBudget.maxUnavailable=50%", {"maxUnavailable": "50%"}),
])  # fmt: skip
def test_a_disruption_budget_has_the_bound_that_was_given(values, bound):
    """Neither, or a null, would forbid every eviction."""
    spec = render("default", "--set", f"podDisruptionBudget.{values}").one("PodDisruptionBudget")["spec"]
    assert {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec} == bound


def test_a_spread_constraint_keeps_a_selector_of_its_own(scenario):
    """In "everything" one has its own, which counts the pods that it says and no fewer."""
    rendered = render(scenario)
    frozen = rendered.one("Deployment")["spec"]["selector"]
    given = chart.settings(scenario)[("topologySpreadConstraints",)]
    found = rendered.one("Deployment")["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
    assert found == [{"labelSelector": frozen} | constraint for constraint in given]


def test_ports_fit_together(scenario):
    rendered = render(scenario)
    env = {entry["name"]: entry.get("value") for entry in rendered.gateway()["env"]}
    ports = {port["name"]: port["containerPort"] for port in rendered.gateway()["ports"]}
    assert env["GATEWAY_GRPC_ADDR"].endswith(f":{ports['grpc']}")
    assert env["GATEWAY_ADMIN_ADDR"].endswith(f":{ports['admin']}")
    for service in rendered.of("Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports
            if service["spec"].get("clusterIP") == "None":
                assert port["port"] == ports[port["targetPort"]], "its addresses are the pods' own"
    for probe in "startupProbe", "readinessProbe", "livenessProbe":
        assert rendered.gateway()[probe]["httpGet"]["port"] == "admin", "TLS must not break a probe"


def allowed(policy, port):
    """The rules of egress that let this TCP port through."""
    fits = {"port": port, "protocol": "TCP"}
    return [rule for rule in policy["spec"]["egress"] if fits in rule.get("ports", [])]


def test_a_network_policy_lets_through_what_the_values_need(scenario):
    rendered = render(scenario)
    for policy in lasting(rendered, "NetworkPolicy"):
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert allowed(policy, 53) and allowed(policy, 443)
        assert all(rule.get("from") for rule in policy["spec"]["ingress"]), "an empty list would be everybody"
        agent = [peer["ipBlock"]["cidr"] for rule in allowed(policy, 80) for peer in rule["to"]]
        pod_identity = scenario in ("jwt-cluster", "jwt-issuer", "everything")
        assert ("169.254.170.23/32" in agent) == ("fd00:ec2::23/128" in agent) == pod_identity
        assert ("169.254.169.254/32" in agent) == (scenario == "simulator")
        for container in rendered.gateway(), *[c for pod in rendered.of("Pod") for c in pod["spec"]["containers"]]:
            for entry in container.get("env", []):
                for port in re.findall(r"^https?://[^/]+:(\d+)", entry.get("value", "")):
                    assert allowed(policy, int(port)), f"{entry['name']} needs port {port}"
    if scenario == "jwt-cluster":
        assert allowed(lasting(rendered, "NetworkPolicy")[0], 6443), "the API server, behind its Service"


def lasting(rendered, kind):
    """The objects of a kind that aren't a hook's."""
    return [found for found in rendered.of(kind) if "helm.sh/hook" not in found["metadata"].get("annotations", {})]


def test_the_tests_pod_has_a_way_in_that_ends_with_the_test(scenario):
    rendered = render(scenario)
    policies = lasting(rendered, "NetworkPolicy")
    hooks = [found for found in rendered.of("NetworkPolicy") if found not in policies]
    tests = rendered.of("Pod")
    assert len(hooks) == (len(tests) if policies else 0)
    for policy, test in zip(hooks, tests):
        (rule,) = policy["spec"]["ingress"]
        assert rule["from"] == [{"podSelector": {"matchLabels": labels(test)}}]
        assert policy["spec"]["policyTypes"] == ["Ingress"] and policy["metadata"]["name"] == test["metadata"]["name"]
        how, then = policy["metadata"]["annotations"], test["metadata"]["annotations"]
        assert how["helm.sh/hook"] == then["helm.sh/hook"] == "test"
        assert int(how["helm.sh/hook-weight"]) < int(then.get("helm.sh/hook-weight", 0)), "it is there before the pod asks"
        assert {"hook-succeeded", "hook-failed"} <= set(how["helm.sh/hook-delete-policy"].split(","))
        for found in policies:
            assert labels(test)["app.kubernetes.io/name"] not in str(found), "who wears the test's labels gets in"


def immutable(found):
    """What of an object can't be changed once it is there."""
    spec = found.get("spec", {})
    if found["kind"] == "Deployment":
        return spec["selector"]
    if found["kind"] == "Service":
        return spec.get("clusterIP")
    if found["kind"] == "ConfigMap":
        return found.get("immutable")
    return None


@pytest.mark.parametrize("switch", [[], ["--set-string", "fullnameOverride=another"], ["--set-string", "namespaceOverride=another"]])
def test_an_upgrade_from_any_scenario_to_any_other_never_hits_an_immutable_field(switch):
    def state(scenario, *args):
        objects = render(scenario, *args).objects
        return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): immutable(o) for o in objects}

    pairs = 0
    for before, after in itertools.permutations(chart.SCENARIOS, 2):
        old, new = state(before), state(after, *switch)
        for key in old.keys() & new.keys():
            pairs += 1
            assert old[key] == new[key], f"{before} → {after}: {key}"
    assert switch or pairs > 300


def test_an_upgrade_that_would_fail_is_seen():
    service = render("default").of("Service")
    assert {immutable(found) for found in service} == {None, "None"}


def test_rules_of_the_allowlist_keep_their_operations():
    rules = "auth.allow={sub:a=poll\\,details,sub:b,sub:c=d=failure}"
    env = {entry["name"]: entry.get("value") for entry in render("jwt-cluster", "--set", rules).gateway()["env"]}
    assert env["GATEWAY_ALLOW"] == "sub:a=poll,details,sub:b,sub:c=d=failure"


def test_the_tests_pod_keeps_its_log_and_says_why_it_failed(scenario):
    for test in render(scenario).of("Pod"):
        assert test["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation", "--logs is read after deletions"
        assert [container["terminationMessagePolicy"] for container in test["spec"]["containers"]] == ["FallbackToLogsOnError"]


def test_each_rule_of_a_route_has_the_backend():
    backend = {"name": "gw-codepipeline-gateway", "port": 50051}
    assert render("grpc-route").one("GRPCRoute")["spec"]["rules"] == [{"backendRefs": [backend]}]
    rules = "grpcRoute.rules[0].matches[0].method.method=PollForThirdPartyJobs,grpcRoute.rules[1].name=others"
    first, second = render("grpc-route", "--set", rules).one("GRPCRoute")["spec"]["rules"]
    assert first == {"matches": [{"method": {"method": "PollForThirdPartyJobs"}}], "backendRefs": [backend]}
    assert second == {"name": "others", "backendRefs": [backend]}
