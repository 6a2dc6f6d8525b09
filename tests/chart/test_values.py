"""Values, schema, flags and table say the same."""

import itertools
import json
import os
import re
import shutil
import subprocess
import textwrap
import tomllib

import kubernetes_validate
import yaml

import chart

# Flags that are decided by values with a meaning of their own.
OWN_VALUES = {"GATEWAY_AUTH", "GATEWAY_ALLOW", "GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY", "GATEWAY_TLS_CLIENT_CA"}
JWT = {"GATEWAY_JWT_ISSUER", "GATEWAY_JWT_AUDIENCE", "GATEWAY_JWT_JWKS", "GATEWAY_JWT_CA", "GATEWAY_JWT_JWKS_TOKEN_FILE"}
TRACES = {"OTEL_EXPORTER_OTLP_ENDPOINT"}
# Of no use here: for parent charts. Not to be changed alone, and different in the scenarios: who may call.
NOT_CHANGED = {("global",), ("auth", "mode")}


def templates():
    return "\n".join(path.read_text(encoding="utf-8") for path in (chart.HELM / "templates").iterdir())


NULLABLE = {"minAvailable", "maxUnavailable", "targetCPUUtilizationPercentage", "targetMemoryUtilizationPercentage"}


def test_every_value_that_a_template_uses_is_there():
    used = set(re.findall(r"(?:\.Values|\$v)((?:\.[a-zA-Z]+)+)", templates()))
    assert len(used) > 80
    for path in used:
        found = chart.values()
        for key in path.strip(".").split("."):
            # A pass-through's own fields are its user's.
            if found == {}:
                break
            assert key in found, f"a template uses {path[1:]}, which values.yaml doesn't have"
            found = found[key]


# Where "another value of the same type" would be refused.
OTHERS = {
    ("aws", "region"): "us-east-1",
    ("aws", "auth"): "none",
    ("aws", "roleArn"): "arn:aws:iam::111122223333:role/other",
    ("aws", "endpointUrl"): "https://vpce.example",
    ("auth", "allow"): ["sub:other"],
    ("auth", "jwt", "jwks"): "https://other.example/keys",
    ("auth", "jwt", "ca"): "/etc/other/ca.crt",
    ("auth", "jwt", "jwksTokenFile"): "/etc/other/token",
    ("tls", "certManager", "dnsNames"): ["other.example"],
    ("tls", "certManager", "duration"): "1000h",
    ("tls", "certManager", "renewBefore"): "100h",
    ("gateway", "operations"): ["poll"],
    ("gateway", "actionTypes"): ["Deploy/ThirdParty/Other/*"],
    ("gateway", "artifactCredentials"): "withhold",
    ("gateway", "grpcAddr"): "0.0.0.0:1234",
    ("gateway", "adminAddr"): "0.0.0.0:1234",
    ("gateway", "logFormat"): "text",
    ("gateway", "logLevel"): "warn",
    ("gateway", "otlpEndpoint"): "http://other:4317",
    ("image", "digest"): "sha256:" + 64 * "f",
    ("image", "pullPolicy"): "Never",
    ("gateway", "maxDeadline"): "40s",
    ("autoscaling", "minReplicas"): 4,
    ("autoscaling", "targetMemoryUtilizationPercentage"): 90,
    ("podDisruptionBudget", "minAvailable"): 2,
    ("service", "type"): "NodePort",
    ("grpcRoute", "hostnames"): ["other.example"],
    ("grpcRoute", "rules"): [{"matches": [{"method": {"service": "other"}}]}],
    ("networkPolicy", "egress", "https", "cidrs"): ["192.0.2.0/24"],
    **{("metrics", monitor, time): "7s" for monitor in ("podMonitor", "serviceMonitor") for time in ("interval", "scrapeTimeout")},
    ("metrics", "dashboard", "grafanaUrl"): "https://other.example",
    ("metrics", "prometheusRule", "errorBudgetPercentage"): 1,
    ("metrics", "prometheusRule", "disabled"): ["CodepipelineGatewayBug"],
    ("extraObjects",): [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}],
}


# What has to be set beside some of them.
BESIDE = {
    ("auth", "jwt", "clusterKeys"): {"auth": {"jwt": {"jwks": "", "ca": "", "jwksTokenFile": ""}}},
    ("tls", "enabled"): {"tls": {"existingSecret": "other"}},
    ("tls", "certManager", "enabled"): {"tls": {"existingSecret": "", "certManager": {"issuerRef": {"name": "other"}}}},
    ("aws", "useFips"): {"aws": {"region": "us-east-1"}},
    ("extraVolumeMounts",): {"extraVolumes": [{"name": "other"}]},
    ("serviceAccount", "create"): {"serviceAccount": {"name": "other"}},
    ("grpcRoute", "enabled"): {"grpcRoute": {"parentRefs": [{"name": "other"}]}},
    ("podDisruptionBudget", "maxUnavailable"): {"podDisruptionBudget": {"minAvailable": ""}},
}


def other_than(path, value):
    """Another value, as different as it may be."""
    if path in OTHERS:
        return OTHERS[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [{"name": "other", "topologyKey": "other"}]
    if isinstance(value, dict):
        return {"other": "other"}
    return "3s" if re.fullmatch(r"\d+(ms|s|m)", value) else "other"


def test_every_value_does_something(tmp_path):
    """Each is changed, in one scenario after the other, until what is rendered differs."""
    file, beside, idle = tmp_path / "other.yaml", tmp_path / "beside.yaml", []
    for path, value in chart.leaves(chart.values()):
        if path in NOT_CHANGED:
            continue
        other = other_than(path, value)
        for key in reversed(path):
            other = {key: other}
        file.write_text(yaml.safe_dump(other), encoding="utf-8")
        beside.write_text(yaml.safe_dump(BESIDE.get(path, {})), encoding="utf-8")
        # "everything" has the most switches on.
        order = sorted(chart.SCENARIOS, key="everything".__ne__)
        if not any(differs_with(scenario, beside, file) for scenario in order):
            idle.append(".".join(path))
    assert not idle, f"these do nothing in any scenario: {idle}"


def differs_with(scenario, *files):
    """Whether these values, on top of a scenario's own, change what is rendered. A refusal changes nothing."""
    code, out, errors = chart.attempt(scenario, *itertools.chain(*(("--values", str(file)) for file in files)))
    assert "meet the specifications" not in errors, errors
    return code == 0 and objects(out) != chart.render(scenario).objects


def test_a_list_or_a_map_can_be_taken_away():
    """With null, as people do; what is needed has its sentence, and nothing ends in a template's error."""
    for path, value in chart.leaves(chart.values()):
        if isinstance(value, (dict, list)) or path[-1] in NULLABLE:
            for scenario in "default", "everything":
                code, _, errors = chart.attempt(scenario, "--set", f"{'.'.join(path)}=null")
                assert code == 0 or "Error: execution error at" in errors, f"{path}: {errors}"
    for path in "metrics", "metrics.podMonitor", "test", "gateway.grpcAddr":
        assert "missing property" in chart.attempt("default", "--set", f"{path}=null")[2]


def test_the_schema_has_the_same_keys_as_the_values():
    schema = json.loads((chart.HELM / "values.schema.json").read_text(encoding="utf-8"))

    def compare(properties, values, path):
        extra = {"enabled"} if not path else set()
        assert set(properties) - extra == set(values), path
        for key, value in values.items():
            found = properties[key]
            found = schema["definitions"][found["$ref"].split("/")[-1]] if "$ref" in found else found
            if "properties" in found:
                assert found["additionalProperties"] is False, f"{path}{key} is open"
                # A null takes a key away: what the templates lean on has to stay.
                needed = {name for name, below in value.items() if not isinstance(below, (dict, list))} - NULLABLE
                assert needed <= set(found.get("required", [])), f"{path}{key}"
                compare(found["properties"], value, f"{path}{key}.")

    compare(schema["properties"], chart.values(), "")
    assert schema["$schema"].startswith("http://json-schema.org/draft-07/")


def flags():
    """Each variable of `serve` with its default, from the fields of src/config."""
    found = {}
    for path in (chart.ROOT / "src" / "config").rglob("*.rs"):
        for attributes in re.findall(r"#\[arg\((.*?)\)\]\n", path.read_text(encoding="utf-8"), re.DOTALL):
            variable = re.search(r'env = "([A-Z_]+)"', attributes)
            default = re.search(r'default_value = "([^"]*)"', attributes)
            if variable:
                found[variable.group(1)] = default.group(1) if default else None
    assert len(found) >= 20
    return found


def rendered_env():
    return {entry["name"] for name in chart.SCENARIOS for entry in chart.render(name).gateway()["env"]}


def test_every_flag_of_serve_has_its_value():
    missing = set(flags()) - rendered_env()
    assert not missing, f"no value of the chart sets {missing}"


def test_every_variable_that_the_chart_sets_is_a_flag():
    gateway = {name for name in rendered_env() if name.startswith("GATEWAY_")}
    assert gateway <= set(flags())
    assert OWN_VALUES < gateway and JWT < gateway and TRACES < rendered_env()


def test_the_defaults_are_the_programs_own():
    env = {entry["name"]: entry.get("value") for entry in chart.render("default").gateway()["env"]}
    # The chart has the headless Service, whose callers need more: docs/operations.md.
    own = {"GATEWAY_SHUTDOWN_DELAY": "40s"}
    for variable, default in (flags() | own).items():
        if default is not None:
            assert env[variable] == default, variable
    keys = {re.sub("(?<!^)(?=[A-Z])", "_", key).upper() for key in chart.values()["gateway"]} - {"OTLP_ENDPOINT"}
    assert {name.removeprefix("GATEWAY_") for name in set(flags()) - OWN_VALUES - JWT - TRACES} == keys


def test_chart_image_and_crate_have_one_version():
    cargo = tomllib.loads((chart.ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    about = yaml.safe_load((chart.HELM / "Chart.yaml").read_text(encoding="utf-8"))
    assert (about["version"], about["appVersion"]) == (cargo, cargo)
    assert chart.render("default").gateway()["image"] == f"registry.example/codepipeline-gateway:{cargo}"


def test_the_table_of_values_is_the_values_own(tmp_path):
    """helm-docs makes helm/README.md from the comments; UPDATE_GOLDEN regenerates it."""
    copy = tmp_path / "helm"
    shutil.copytree(chart.HELM, copy)
    subprocess.run(["helm-docs", "--chart-search-root", str(copy), "--sort-values-order", "file"], check=True, timeout=60)
    made = (copy / "README.md").read_text(encoding="utf-8")
    readme = chart.HELM / "README.md"
    if os.environ.get("UPDATE_GOLDEN"):
        readme.write_text(made, encoding="utf-8")
    assert readme.read_text(encoding="utf-8") == made, "helm/README.md is stale: `just chart-golden` regenerates it"
    rows = re.findall(r"^\| (\S+) \|.*\| (.*) \|$", made, re.MULTILINE)
    assert len(rows) > 100 and all(described for _, described in rows), rows


def test_a_package_has_what_it_needs_and_no_more(tmp_path):
    code, out, errors = chart.helm("package", str(chart.HELM), "--destination", str(tmp_path))
    assert code == 0, out + errors
    (package,) = tmp_path.iterdir()
    names = subprocess.run(["tar", "tzf", str(package)], capture_output=True, text=True, check=True, timeout=60).stdout
    held = {name.removeprefix("codepipeline-gateway/") for name in names.split()}
    assert {"Chart.yaml", "README.md", "values.schema.json", "files/alerts.yaml", "templates/NOTES.txt"} <= held
    assert not [name for name in held if name.startswith("ci/") or name.endswith(".gotmpl")]



def test_a_released_chart_names_its_image_and_its_runbooks(tmp_path):
    script = chart.ROOT / "tools" / "package-chart.sh"
    image, runbooks = f"registry.example/owner/name@sha256:{'a1' * 32}", "https://a.example/owner/name/blob/v1/docs/runbook.md"
    subprocess.run([script, image, runbooks, tmp_path], check=True, capture_output=True, timeout=60)
    (package,) = tmp_path.iterdir()
    on = "aws.region=eu-west-1,metrics.prometheusRule.enabled=true"
    code, out, errors = chart.helm("template", "gw", str(package), "--set", on)
    assert code == 0, errors
    assert f'image: "{image}"' in out and f"runbook_url: {runbooks}#codepipelinegatewaydown" in out
    _, readme, _ = chart.helm("show", "readme", str(package))
    about = yaml.safe_load(chart.helm("show", "chart", str(package))[1])
    assert "](../" not in readme and "](https://a.example/owner/name/blob/v1/docs/eks.md)" in readme
    assert f"helm install gw oci://registry.example/owner/charts/codepipeline-gateway --version {about['version']} --set aws.region=" in readme
    assert "cosign verify registry.example/owner/charts/codepipeline-gateway:" in readme
    assert "/owner/name/.github/workflows/release.yml@refs/tags/v1" in readme
    assert not re.search("REGISTRY|REPOSITORY|VERSION|heckout", readme.partition("## Values")[0])
    assert about["home"] == "https://a.example/owner/name" and about["sources"] == [about["home"]]
    assert about["icon"] == "https://a.example/owner/name/raw/v1/docs/icon.svg" and (chart.ROOT / "docs" / "icon.svg").exists()
    assert about["maintainers"] == [{"name": "owner", "url": "https://a.example/owner"}]
    (held,) = yaml.safe_load(about["annotations"]["artifacthub.io/images"])
    assert held["image"] == image and about["annotations"]["artifacthub.io/prerelease"] == "false"
    code, out, errors = chart.helm("lint", "--strict", str(package), "--set", on)
    assert code == 0 and "icon is recommended" not in out, out + errors
    refused = subprocess.run([script, image.partition("@")[0], runbooks, tmp_path], capture_output=True, check=False, timeout=60)
    assert refused.returncode == 1 and b"has no digest" in refused.stderr


PAGES = ["README.md", "docs/eks.md", "docs/mesh.md", "helm/README.md"]


def fenced(page, language):
    text = (chart.ROOT / page).read_text(encoding="utf-8")
    # A block of a numbered step is indented.
    blocks = re.findall(rf"^( *)```{language}\b[^\n]*\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in blocks]


def test_values_on_the_pages_are_values(tmp_path):
    seen = 0
    file = tmp_path / "page.yaml"
    for page in PAGES:
        for block in fenced(page, "yaml"):
            # What isn't values is an object of its own.
            if "apiVersion" not in yaml.safe_load(block):
                file.write_text(block, encoding="utf-8")
                code, out, errors = chart.attempt("default", "--values", str(file), "--set", "networkPolicy.enabled=true")
                assert code == 0, f"{page}: {errors}"
                for found in yaml.load_all(out, chart.Loader):
                    if found and found["kind"] == "NetworkPolicy":
                        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
                seen += 1
    assert seen >= 8


def test_installations_on_the_pages_install():
    seen = 0
    for page in PAGES:
        text = "\n".join(fenced(page, "sh")).replace("\\\n", " ")
        for line in re.findall(r"^helm install gw helm (.*)$", text, re.MULTILINE):
            words = [word for word in line.split() if word != "--create-namespace"]
            code, _, errors = chart.helm("template", "gw", str(chart.HELM), *words)
            assert code == 0, f"{page}: {line}: {errors}"
            seen += 1
    assert seen >= 5


def examples():
    """The commented examples of values.yaml: the path of each key with one, and the example's value."""
    lines = (chart.HELM / "values.yaml").read_text(encoding="utf-8").splitlines()
    path, found = [], {}
    for number, line in enumerate(lines):
        key = re.match(r"( *)([a-zA-Z]+):", line)
        if key:
            path = [*path[: len(key[1]) // 2], key[2]]
        if line.strip() == "# Example:":
            text = itertools.takewhile(lambda after: re.match(r" *# (?!-- |Example:)", after), lines[number + 1 :])
            example = yaml.load("\n".join(re.sub(r"^ *# ", "", after) for after in text), chart.Loader)
            assert list(example) == [path[-1]], f"line {number + 1}: the example of {path[-1]} is about {list(example)}"
            found[tuple(path)] = example[path[-1]]
    return found


def test_a_key_whose_form_is_not_obvious_has_an_example():
    empty = {path for path, value in chart.leaves(chart.values()) if value in ([], {})} - {("global",)}
    assert len(empty) > 40
    assert not {".".join(path) for path in empty - set(examples())}
    assert {("aws", "roleArn"), ("auth", "jwt", "issuer"), ("image", "digest")} <= set(examples())


def test_an_example_is_taken(tmp_path):
    """Each changes what a scenario renders."""
    file, beside, idle = tmp_path / "example.yaml", tmp_path / "beside.yaml", []
    for path, example in examples().items():
        given = example
        for key in reversed(path):
            given = {key: given}
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        needed = {"extraVolumes": examples()[("extraVolumes",)]} if path == ("extraVolumeMounts",) else {}
        beside.write_text(yaml.safe_dump(needed), encoding="utf-8")
        order = sorted(chart.SCENARIOS, key="everything".__ne__)
        if not any(differs_from_none(scenario, path, beside, file) for scenario in order):
            idle.append(".".join(path))
    assert not idle, f"no scenario takes these examples: {idle}"


def differs_from_none(scenario, path, *files):
    """Whether these values change what a scenario renders without a value at this path."""
    without = chart.attempt(scenario, "--set", f"{'.'.join(path)}=null")
    given = chart.attempt(scenario, *itertools.chain(*(("--values", str(file)) for file in files)))
    return given[0] == 0 and (without[0] != 0 or objects(given[1]) != objects(without[1]))


def objects(text):
    return [found for found in yaml.load_all(text, chart.Loader) if found and found["kind"] != "Notes"]
