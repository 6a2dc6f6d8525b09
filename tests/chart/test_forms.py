"""The form of single values: each has a sentence without a regular expression, and a text that looks like a number is refused."""

import json
import re

import pytest
import yaml

import chart

QUOTE = "use --set-string instead of --set, or quotes in a values file"
UNIT = "a time has a unit, such as 500ms, 5s, or 1m30s"


def table(name):
    """A table of _forms.tpl."""
    text = (chart.HELM / "templates" / "_forms.tpl").read_text(encoding="utf-8")
    (body,) = re.findall(rf'define "codepipeline-gateway\.{name}" -\}}\}}\n(.*?)\{{\{{- end', text, re.DOTALL)
    return yaml.safe_load(body)


def of_schema(kind, schema=chart.SCHEMA, path=()):
    """The paths of the values that the schema gives a definition to."""
    for key, found in schema["properties"].items():
        named = found.get("$ref", "").split("/")[-1]
        found = chart.SCHEMA["definitions"].get(named, found)
        if named == kind:
            yield ".".join((*path, key))
        elif "properties" in found:
            yield from of_schema(kind, found, (*path, key))


FORMS = {path: form for form in table("forms") for path in form["values"]}
WRONG = {"clusterDomain": "", "metrics.prometheusRule.runbookUrl": "", "tls.certManager.issuerRef.kind": "", "tls.certManager.issuerRef.group": ""}
RIGHT = {"aws.region": ["us-isob-east-1"], "aws.existingSecret.name": ["a.b-1"], "image.tag": ["V1.2_3-rc"], "metrics.podMonitor.interval": ["1d", "1m30s"]}


def refused(path, value, how="--set-string"):
    """The sentences about one value, whatever else it makes wrong."""
    return [line for line in chart.refusal("default", how, f"{path}={value}") if line.startswith(f"{path} ")]


@pytest.mark.parametrize("path", sorted(FORMS))
def test_a_form_has_a_sentence(path):
    value = WRONG.get(path, "no such/thing!")
    assert f'{path} is "{value}": {FORMS[path]["says"]}' in refused(path, value)
    for good in RIGHT.get(path, []):
        assert not [line for line in refused(path, good) if FORMS[path]["says"] in line]


@pytest.mark.parametrize("path, value", [("fullnameOverride", "a" * 51), ("fullnameOverride", "1a"), ("nameOverride", "A"), ("namespaceOverride", "a" * 64), ("image.digest", "sha256:1"), ("image.repository", "a@sha256:1")])
def test_a_form_has_a_limit(path, value):
    assert refused(path, value) == [f'{path} is "{value}": {FORMS[path]["says"]}']


@pytest.mark.parametrize("share", ["0", "0.0", "5.1", "half", "-1"])
def test_an_error_budget_is_a_share(share):
    path = "metrics.prometheusRule.errorBudgetPercentage"
    assert refused(path, share) == [f"{path} is {share}: it must be greater than 0 and at most 5"]


@pytest.mark.parametrize("path", sorted(of_schema("text")))
def test_a_number_is_no_text(path):
    unit = re.fullmatch(r"gateway\.\w+(Deadline|Interval|Age|Delay|Timeout)", path)
    assert refused(path, "40", "--set") == [f"{path} is a number: {UNIT if unit else QUOTE}"]
    # Whatever else is rendered from it.
    assert chart.refusal("everything", "--set", f"{path}=40") == [f"{path} is a number: {UNIT if unit else QUOTE}"]
    assert refused(path, "true", "--set") == [f"{path} is a boolean: {UNIT if unit else QUOTE}"]


@pytest.mark.parametrize("path", sorted(of_schema("texts")))
def test_a_label_that_is_a_number_is_no_text(path):
    assert chart.refusal("default", "--set", f"{path}.release=5") == [f"{path} has release, which is a number: {QUOTE}"]
    assert chart.refusal("default", "--set", f"{path}.release=true") == [f"{path} has release, which is a boolean: {QUOTE}"]
    assert chart.refusal("default", "--set-string", f"{path}.release=5") == []


def test_a_number_in_a_values_file_is_no_text(tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text("image: {tag: 1.10}\nextraEnv: [{name: A, value: 1}]\n", encoding="utf-8")
    assert chart.refusal("default", "--values", str(file)) == [f"image.tag is a number: {QUOTE}", f"extraEnv has A, whose value is a number: {QUOTE}"]
    assert ":1.10" in chart.render("default", "--set-string", "image.tag=1.10").gateway()["image"]


def test_the_tables_have_every_text_of_the_schema():
    assert sorted(table("texts")) == sorted(of_schema("text")) and len(table("texts")) > 50
    assert sorted(table("textMaps")) == sorted(of_schema("texts"))
    assert "pattern" not in json.dumps(chart.SCHEMA), "helm would print it"


def test_a_sentence_has_no_regular_expression():
    assert refused("aws.region", "eu_west") == ['aws.region is "eu_west": a region looks like eu-west-1']
    for form in table("forms"):
        assert len(form["says"].split()) > 3 and not set(form["says"]) & set("^$[]\\+*{}|"), form["says"]
