"""What the scenarios render to: as it was, and as Kubernetes takes it."""

import os
import subprocess

import kubernetes_validate
import pytest
import yaml

import chart

# The oldest that Chart.yaml allows, and the newest whose schemas there are.
KUBERNETES = ["1.29.0", kubernetes_validate.latest_version()]
CUSTOM = {"GRPCRoute", "Certificate", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


def test_a_scenario_renders_as_it_did(scenario):
    rendered = chart.render(scenario)
    for name, text in (f"{scenario}.yaml", rendered.text), (f"{scenario}.notes.txt", rendered.notes):
        golden = chart.GOLDEN / name
        if UPDATE:
            golden.write_text(text, encoding="utf-8")
        before = golden.read_text(encoding="utf-8")
        assert text == before, f"{name} changed: if that is intended, `just chart-golden` regenerates it"


def test_no_golden_is_left_of_a_scenario_that_is_gone():
    files = {path.name for path in chart.GOLDEN.iterdir()}
    assert files == {f"{name}.{kind}" for name in chart.SCENARIOS for kind in ("yaml", "notes.txt")}


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_field(scenario, version):
    for found in chart.render(scenario).objects:
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, version, strict=True)


def test_the_oldest_and_the_newest_kubernetes_are_apart():
    minors = [int(version.split(".")[1]) for version in KUBERNETES]
    assert minors[0] == 29 and minors[1] >= 37
    allowed = yaml.safe_load((chart.HELM / "Chart.yaml").read_text(encoding="utf-8"))["kubeVersion"]
    assert allowed == ">=1.29.0-0"


def test_a_field_that_kubernetes_does_not_know_is_seen():
    found = {**chart.render("default").one("Deployment"), "sepc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, KUBERNETES[1], strict=True)


def decode(text):
    """Has the program in crds/ decode all custom objects of a text into their own Go types."""
    program = os.environ["CRDS_BIN"]
    return subprocess.run([program], input=text, capture_output=True, text=True, check=False, timeout=60)


def test_the_operators_take_every_field_of_custom_kinds(scenario):
    rendered = chart.render(scenario)
    ran = decode(rendered.text)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) == sum(found["kind"] in CUSTOM for found in rendered.objects)


# What YAML takes for a number, a boolean or nothing, and Kubernetes for a name.
WORDS = ["1234", "1e3", "on", "null"]
# Values that are names or the like; each is set where a scenario has one.
NAMES = [
    *("aws.existingSecret.name", "aws.existingSecret.accessKeyIdKey", "aws.existingSecret.secretAccessKeyKey"),
    *("aws.existingSecret.sessionTokenKey", "aws.existingSecret.fileKey", "aws.existingSecret.profile"),
    *("tls.existingSecret", "tls.clientCa.existingSecret", "tls.clientCa.key", "tls.certManager.issuerRef.name"),
    *("tls.certManager.issuerRef.kind", "tls.certManager.issuerRef.group", "auth.jwt.audience", "namespaceOverride"),
    *("serviceAccount.name", "priorityClassName", "service.appProtocol", "clusterDomain"),
    *("test.caKey", "test.serverName", "test.clientSecret"),
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_name_stays_a_name_whatever_it_looks_like(scenario, word):
    given = chart.settings(scenario)
    own = word if word[0].isalpha() else "name"
    words = [f"{name}={word}" for name in NAMES if given[tuple(name.split("."))]] + [f"fullnameOverride={own}"]
    rendered = chart.render(scenario, "--set-string", ",".join(words), release=word, namespace=word)
    for found in rendered.objects:
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, KUBERNETES[1], strict=True)
        if found["metadata"]["name"] != "beside":
            assert found["metadata"]["namespace"] == found["metadata"]["labels"]["app.kubernetes.io/instance"] == word
    assert decode(rendered.text).returncode == 0, decode(rendered.text).stderr
    (name,) = {found["metadata"]["name"] for found in rendered.of("Deployment")}
    assert name == own


def test_all_custom_kinds_are_in_some_scenario_and_a_wrong_field_is_seen():
    seen = {}
    for scenario in chart.SCENARIOS:
        seen.update({found["kind"]: found for found in chart.render(scenario).objects if found["kind"] in CUSTOM})
    assert set(seen) == CUSTOM
    for found in seen.values():
        assert decode(yaml.safe_dump({**found, "spec": {**found["spec"], "nonesuch": 1}})).returncode == 1


def test_helm_lint_has_nothing_to_say(scenario):
    code, out, errors = chart.helm("lint", "--strict", str(chart.HELM), *chart.values_of(scenario))
    assert code == 0, out + errors
    assert "Fail:" not in errors, errors
