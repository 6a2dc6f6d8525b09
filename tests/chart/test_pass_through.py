"""What is passed through to Kubernetes as it is given: every such value is taken, and none can repeat a key of the chart's own."""

import os
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import chart

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
VERSIONS = ["1.29.0", kubernetes_validate.latest_version()]

# For each value that is passed through, something that Kubernetes takes there.
VOLUMES = {"extraVolumes": [{"name": "more", "emptyDir": {}}]}
GIVEN = {
    "imagePullSecrets": [{"name": "registry"}],
    "autoscaling.metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
    "autoscaling.behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
    "resources": {"limits": {"memory": "2Gi"}},
    "probes.startup": {"periodSeconds": 2, "timeoutSeconds": 3},
    "probes.readiness": {"successThreshold": 2},
    "probes.liveness": {"initialDelaySeconds": 5},
    "podSecurityContext": {"supplementalGroups": [1]},
    "securityContext": {"seLinuxOptions": {"level": "s0"}},
    "serviceAccount.annotations": {"a.example/b": "c"},
    "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}],
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "podLabels": {"team": "delivery"},
    "commonLabels": {"team": "delivery"},
    "deploymentAnnotations": {"a.example/b": "c"},
    "strategy": {"rollingUpdate": {"maxSurge": 1}},
    "podExtraSpec": {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}, "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a"]}]},
    "envFrom": [{"secretRef": {"name": "more"}}],
    "extraInitContainers": [{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}],
    "podAnnotations": {"a.example/b": "c"},
    "service.annotations": {"a.example/b": "c"},
    "service.extraSpec": {"internalTrafficPolicy": "Local", "sessionAffinity": "ClientIP"},
    "grpcRoute.parentRefs": [{"name": "gateway", "sectionName": "grpc"}],
    "grpcRoute.rules": [{"matches": [{"method": {"service": "a.B"}}], "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}]}],
    "grpcRoute.annotations": {"a.example/b": "c"},
    "networkPolicy.ingress.from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicy.ingress.monitoring": [{"namespaceSelector": {}}],
    "networkPolicy.ingress.extra": [{"ports": [{"port": 1, "protocol": "TCP"}], "from": [{"podSelector": {}}]}],
    "networkPolicy.egress.dns.to": [{"namespaceSelector": {}}],
    "networkPolicy.egress.otherPorts.to": [{"namespaceSelector": {}}],
    "networkPolicy.egress.extra": [{"ports": [{"port": 1, "protocol": "TCP"}]}],
    "metrics.podMonitor.labels": {"a.example/b": "c"},
    "metrics.podMonitor.relabelings": [{"action": "labeldrop", "regex": "container"}],
    "metrics.podMonitor.metricRelabelings": [{"action": "labeldrop", "regex": "version"}],
    "metrics.serviceMonitor.labels": {"a.example/b": "c"},
    "metrics.serviceMonitor.relabelings": [{"action": "labeldrop", "regex": "container"}],
    "metrics.serviceMonitor.metricRelabelings": [{"action": "labeldrop", "regex": "version"}],
    "metrics.prometheusRule.labels": {"a.example/b": "c"},
    "metrics.prometheusRule.alertLabels": {"shift": "night"},
    "metrics.prometheusRule.extraRules": [{"record": "a", "expr": "vector(1)"}],
    "metrics.dashboard.labels": {"a": "b"},
    "metrics.dashboard.annotations": {"grafana_folder": "a"},
    "extraEnv": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "extraVolumes": VOLUMES["extraVolumes"],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "extraContainers": [{"name": "more", "image": "more:1"}],
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside"}}],
}
# Where each pass-through is rendered that has keys of the chart's own beside it: all of them are refused.
BESIDE = {
    "probes.startup": lambda rendered: rendered.gateway()["startupProbe"],
    "probes.readiness": lambda rendered: rendered.gateway()["readinessProbe"],
    "probes.liveness": lambda rendered: rendered.gateway()["livenessProbe"],
    "service.extraSpec": lambda rendered: rendered.of("Service")[0]["spec"],
    "podLabels": lambda rendered: rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"],
    "podExtraSpec": lambda rendered: rendered.one("Deployment")["spec"]["template"]["spec"],
    "commonLabels": lambda rendered: rendered.one("Deployment")["metadata"]["labels"],
    "metrics.podMonitor.labels": lambda rendered: rendered.one("PodMonitor")["metadata"]["labels"],
    "metrics.serviceMonitor.labels": lambda rendered: rendered.one("ServiceMonitor")["metadata"]["labels"],
    "metrics.prometheusRule.labels": lambda rendered: rendered.one("PrometheusRule")["metadata"]["labels"],
    "metrics.dashboard.labels": lambda rendered: next(o for o in rendered.of("ConfigMap") if o["metadata"]["name"] != "beside")["metadata"]["labels"],
}


def paths():
    return {".".join(path) for path in chart.pass_throughs()} - {"global", "enabled"}


def tree(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


@pytest.fixture(scope="session", name="kubeconform")
def _kubeconform(tmp_path_factory):
    """What kubeconform says about the built-in kinds of a text; custom kinds have the check of their own Go types."""
    folder = tmp_path_factory.mktemp("schemas")
    for version in VERSIONS:
        (folder / version).mkdir()
        for schema in (SCHEMAS / f"v{version}-local-strict").iterdir():
            if schema.name == "_definitions.json" or schema.name.split("-")[0] in BUILT_IN:
                # Their names are URLs; here they are files beside each other.
                text = re.sub(r',?\s*"\$id": "https://kubernetes.io/[^"]*"', "", schema.read_text(encoding="utf-8"))
                (folder / version / schema.name).write_text(text.replace("/api/_definitions.json", "_definitions.json"), encoding="utf-8")

    def run(text, version):
        location = str(folder / version / "{{.ResourceKind}}{{.KindSuffix}}.json")
        command = ["kubeconform", "-strict", "-summary", "-schema-location", location, "-skip", ",".join(CUSTOM)]
        ran = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr

    return run


BUILT_IN = {"deployment", "service", "serviceaccount", "poddisruptionbudget", "pod", "horizontalpodautoscaler", "networkpolicy", "configmap"}
CUSTOM = ["GRPCRoute", "Certificate", "PodMonitor", "ServiceMonitor", "PrometheusRule"]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubeconform_takes_every_scenario(scenario, version, kubeconform):
    code, told = kubeconform(chart.render(scenario).text, version)
    assert code == 0 and "Invalid: 0, Errors: 0" in told, told


def test_kubeconform_sees_a_key_that_is_there_twice_and_one_that_is_unknown(kubeconform):
    text = chart.render("default").text
    for wrong in text.replace("  type: ClusterIP\n", "  type: ClusterIP\n  type: NodePort\n"), text.replace("replicas: 2", "replica: 2"):
        assert wrong != text and kubeconform(wrong, VERSIONS[1])[0] != 0


def test_every_pass_through_is_in_the_table():
    assert paths() == set(GIVEN)
    assert set(BESIDE) <= paths()


@pytest.mark.parametrize("path", sorted(GIVEN))
def test_a_pass_through_is_rendered_and_kubernetes_takes_it(path, tmp_path, kubeconform):
    scenario = next(name for name in ("everything", "cert-manager", *chart.SCENARIOS) if shown(name, path, tmp_path))
    rendered = chart.render(scenario, "--values", str(tmp_path / "given.yaml"))
    code, told = kubeconform(rendered.text, VERSIONS[1])
    assert code == 0, told
    program = subprocess.run([os.environ["CRDS_BIN"]], input=rendered.text, capture_output=True, text=True, check=False, timeout=60)
    assert program.returncode == 0, program.stderr


def shown(scenario, path, folder):
    """Whether a scenario with this value renders what it doesn't render without it."""
    file = folder / "given.yaml"
    beside = VOLUMES if path == "extraVolumeMounts" else {}
    file.write_text(yaml.safe_dump(tree(path, GIVEN[path]) | beside), encoding="utf-8")
    code, out, errors = chart.attempt(scenario, "--values", str(file))
    assert "meet the specifications" not in errors, errors
    return code == 0 and [o for o in yaml.load_all(out, chart.Loader) if o and o["kind"] != "Notes"] != chart.render(scenario).objects


def test_common_labels_are_on_every_object_and_pod_and_in_no_selector():
    for scenario in "everything", "cert-manager":
        rendered = chart.render(scenario, "--set", "commonLabels.team=delivery")
        for found in [*rendered.objects, *rendered.pods()]:
            if found["metadata"].get("name") != "beside":
                assert found["metadata"]["labels"]["team"] == "delivery", found["kind"]
        assert "team" not in str(rendered.one("Deployment")["spec"]["selector"])
        assert "team" not in str([service["spec"]["selector"] for service in rendered.of("Service")])


def test_a_name_of_its_own_leaves_the_selector_alone():
    rendered = chart.render("default", "--set", "nameOverride=relay")
    assert rendered.one("Deployment")["metadata"]["name"] == "gw-relay"
    assert rendered.one("Deployment")["spec"]["selector"] == chart.render("default").one("Deployment")["spec"]["selector"]


@pytest.mark.parametrize("path", sorted(BESIDE))
def test_what_the_chart_has_itself_cannot_be_given(path, tmp_path):
    scenario = next(name for name in ("everything", "cert-manager", *chart.SCENARIOS) if shown(name, path, tmp_path))
    without = chart.render(scenario, "--set", f"{path}=null")
    own = set(BESIDE[path](without))
    assert own
    for key in own:
        escaped = key.replace(".", "\\.")
        assert chart.refusal(scenario, "--set-string", f"{path}.{escaped}=a") == [f"{path} has {key}, which the chart sets: remove it"]
