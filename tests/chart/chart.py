"""The chart as helm renders it, and small questions about what came out."""

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HELM = ROOT / "helm"
GOLDEN = HELM / "ci" / "golden"
SCENARIOS = sorted(path.name.removesuffix("-values.yaml") for path in HELM.glob("ci/*-values.yaml"))
# The longest name that helm takes for a release.
LONG_RELEASE = "a-release-with-the-longest-name-that-helm-would-takes"
SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}


class Loader(yaml.CSafeLoader):
    """YAML in which a key that stands twice is an error, as it is for the API server."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Rendered:
    """One rendering: the text, the objects in it, and what helm would print."""

    text: str
    notes: str
    objects: list

    def of(self, kind):
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind):
        (found,) = self.of(kind)
        return found

    def pods(self):
        """Each pod that comes of it: its metadata and spec."""
        return self.of("Pod") + [deployment["spec"]["template"] for deployment in self.of("Deployment")]

    def gateway(self):
        return self.one("Deployment")["spec"]["template"]["spec"]["containers"][0]


def helm(*args):
    """Runs helm, without anything of the machine's own configuration. Returns its exit code, output and errors."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
    ran = subprocess.run(["helm", *args], capture_output=True, text=True, env=environment, check=False, timeout=60)
    return ran.returncode, ran.stdout, ran.stderr


@functools.cache
def chart_with_notes():
    """A copy of the chart that renders its notes as an object: helm prints them for an installation alone."""
    scratch = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, scratch)
    copy = scratch / "helm"
    shutil.copytree(HELM, copy)
    notes = '{{ dict "apiVersion" "v1" "kind" "Notes" "text" (include "codepipeline-gateway.notes" .) | toYaml }}'
    (copy / "templates" / "notes.yaml").write_text(notes, encoding="utf-8")
    return copy


def values_of(scenario):
    return ["--values", str(HELM / "ci" / f"{scenario}-values.yaml")]


def attempt(scenario, *args, release="gw", namespace="gateways"):
    """Renders a scenario, with further arguments for helm."""
    where = [release, str(chart_with_notes()), "--namespace", namespace]
    return helm("template", *where, *values_of(scenario), *args)


@functools.cache
def render(scenario, *args, release="gw", namespace="gateways"):
    code, out, errors = attempt(scenario, *args, release=release, namespace=namespace)
    assert code == 0, errors
    objects = [found for found in yaml.load_all(out, Loader) if found]
    (notes,) = [found["text"] for found in objects if found["kind"] == "Notes"]
    text = re.sub(r"---\n# Source: \S+/notes\.yaml\n.*?(?=---\n# Source|\Z)", "", out, flags=re.DOTALL)
    return Rendered(text, notes + "\n", [found for found in objects if found["kind"] != "Notes"])


def refusal(scenario, *args):
    """The sentences with which a scenario is refused; none if it isn't."""
    code, _, errors = attempt(scenario, *args)
    if code == 0:
        return []
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    noise = ("Error: ", "Use --debug", "codepipeline-gateway:")
    return [line for line in lines if not line.startswith(noise)]


SCHEMA = json.loads((HELM / "values.schema.json").read_text(encoding="utf-8"))


def pass_throughs(schema=None, path=()):
    """The path of each value whose content isn't the chart's: maps of any keys, maps of texts, and lists of objects."""
    schema = schema or SCHEMA
    for key, found in schema["properties"].items():
        found = SCHEMA["definitions"][found["$ref"].split("/")[-1]] if "$ref" in found else found
        if "properties" in found:
            yield from pass_throughs(found, (*path, key))
        elif found.get("type") == "object" or found.get("items", {}).get("type") == "object":
            yield (*path, key)


def leaves(tree, path=()):
    """Each value of a tree that isn't a map with something in it, with its path."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def values():
    return read(HELM / "values.yaml")


def settings(scenario):
    """Each value of a scenario with its path, the chart's own where it gives none."""
    given = dict(leaves(read(HELM / "ci" / f"{scenario}-values.yaml")))
    return dict(leaves(values())) | given


def read(file):
    return yaml.load(file.read_text(encoding="utf-8"), Loader)
