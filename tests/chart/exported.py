"""Whether a gateway exports what the alert rules and the dashboard ask for: each metric, each label, each value.

PromQL is read by its tokens: good enough for the expressions here, and it refuses what it can't read.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import yaml

# What Prometheus adds to each series of a pod.
TARGET_LABELS = {"cluster", "namespace", "pod"}
# Metrics of kube-state-metrics, with their labels.
FOREIGN = {f"kube_deployment_{what}": {"cluster", "namespace", "deployment"} for what in ("spec_replicas", "status_replicas_available", "status_replicas_unavailable")} | {
    "kube_pod_container_resource_limits": {"cluster", "namespace", "pod", "container", "resource"}
}
WORDS = {
    *("sum", "min", "max", "count", "avg", "absent", "rate", "increase", "time", "histogram_quantile", "label_values", "vector"),
    *("by", "on", "group_left", "and", "or", "unless", "bool", "offset"),
}  # fmt: skip

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
MATCHER = re.compile(rf'\s*({NAME})\s*(=~|!~|!=|=)\s*"([^"]*)"\s*,?')
TOKEN = re.compile(rf'(?P<labels>\b(?:by|on)\s*\([^)]*\))|(?P<name>{NAME})(?P<matchers>\{{[^}}]*\}})?|(?P<rest>"[^"]*"|\[[^]]*\]|[\d.]+|.)', re.DOTALL)


def exported(page):
    """Of each series name of a page: its labels, and of each the values."""
    found = defaultdict(lambda: defaultdict(set))
    for line in page.splitlines():
        series = re.match(rf"({NAME})(?:\{{(.*)\}})? \S+", line)
        if series and not line.startswith("#"):
            labels = found[series.group(1)]
            for name, _, value in MATCHER.findall(series.group(2) or ""):
                labels[name].add(value)
    return found


def asked(expression):
    """Each metric of an expression with its matchers, and the labels that it groups by."""
    metrics, grouped = [], set()
    # Grafana's variables are values.
    for token in TOKEN.finditer(re.sub(r"\$\w+", "1", re.sub(r"\[\$\w+\]", "[1m]", expression))):
        if token["labels"]:
            grouped |= set(re.findall(NAME, token["labels"].split("(")[1]))
        elif token["name"] and token["name"] not in WORDS:
            matchers = token["matchers"] or "{}"
            parsed = MATCHER.findall(matchers[1:-1])
            assert MATCHER.sub("", matchers[1:-1]).strip() == "", f"can't read {matchers}"
            metrics.append((token["name"], parsed))
    return metrics, grouped


def missing(expression, found):
    """What an expression asks for that isn't exported, as sentences."""
    # A limit line: a number of the release.
    if re.fullmatch(r"vector\([\d.* /]*\$\w+[\d. /]*\)", expression):
        return
    metrics, grouped = asked(re.sub(r"label_values\((.*), (\w+)\)", r"sum by (\2) (\1)", expression))
    if not metrics:
        yield f"names no metric: {expression}"
    known = set(TARGET_LABELS)
    for name, matchers in metrics:
        if name in FOREIGN:
            known |= FOREIGN[name]
            yield from (f"{name} has no label {label}" for label, _, _ in matchers if label not in FOREIGN[name])
            continue
        if name not in found:
            yield f"there is no {name}"
            continue
        known |= set(found[name])
        for label, how, value in matchers:
            if label in TARGET_LABELS:
                continue
            if label not in found[name]:
                yield f"{name} has no label {label}"
                continue
            for word in value.split("|") if how == "=~" else [value]:
                if word not in found[name][label]:
                    yield f'{name} has no {label}="{word}"'
    yield from (f"none of its metrics has the label {label}: {expression}" for label in grouped - known)


def expressions(rules, dashboard):
    """Each expression, with where it stands."""
    for manifest in yaml.safe_load_all(rules.read_text(encoding="utf-8")):
        if manifest and manifest["kind"] == "PrometheusRule":
            for rule in manifest["spec"]["groups"][0]["rules"]:
                yield rule["alert"], rule["expr"]
    board = json.loads(dashboard.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]


def self_test(found):
    """A check that finds nothing wrong has to be able to."""
    for wrong in [
        "codepipeline_gateway_inflight > 1",
        'sum(rate(codepipeline_gateway_errors_total{cause="X"}[5m]))',
        'sum(rate(codepipeline_gateway_errors_total{reason="AWS_TROTTLED"}[5m]))',
        'sum(rate(grpc_server_handled_total{grpc_code=~"Unknown|UNAVAILABLE"}[5m]))',
        "sum by (grpc_code) (rate(grpc_server_started_total[5m]))",
        "label_values(codepipeline_gateway_build_info, release)",
        "codepipeline_gateway_inflight / $max_in_flight",
        'kube_deployment_status_replicas_unavailable{name="a"}',
        "1 > 0",
    ]:
        assert list(missing(wrong, found)), f"passes: {wrong}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, required=True)
    parser.add_argument("--dashboard", type=Path, required=True)
    parser.add_argument("pages", type=Path, nargs="+")
    arguments = parser.parse_args()
    passed = failed = 0
    for page in arguments.pages:
        found = exported(page.read_text(encoding="utf-8"))
        self_test(found)
        for where, expression in expressions(arguments.rules, arguments.dashboard):
            wrong = list(missing(expression, found))
            passed, failed = passed + (not wrong), failed + bool(wrong)
            for sentence in wrong:
                print(f"NOT OK  {page.name}, {where}: {sentence}")
    assert passed + failed >= 60, "where are the rules and panels?"
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
