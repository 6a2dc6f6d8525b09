"""The objects of operators: of cert-manager, the Gateway API and the Prometheus operator."""

import json

import definitions
from cluster import Failed, Skipped, check, equal, helm, kubectl

KINDS = {"Certificate", "GRPCRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
# What the API server adds to an object that it takes.
ADDED = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp")


def operators(stage):
    """With the operators' own definitions in the API server it takes all that the files of helm/ci render to, without a
    warning, and refuses a field that they don't have (dry run on the server). Installed for real, the objects are there
    until the release goes."""
    if not definitions.names():
        raise Skipped("no definitions in e2e/crds: e2e/crds.sh makes them")
    files = sorted(stage.chart.glob("ci/*-values.yaml"))
    check(files, f"no values in {stage.chart}/ci")
    version = json.loads(kubectl("version", "--output", "json"))["serverVersion"]["gitVersion"]
    taken = [each for file in files for each in dry_run(rendered(stage, file, version))]
    custom = [each for each in taken if each["kind"] in KINDS]
    equal({each["kind"] for each in custom}, KINDS, "kinds of operators in helm/ci")
    for kind in sorted(KINDS):
        refuses_what_it_does_not_know(next(each for each in custom if each["kind"] == kind))

    release = stage.install(
        replicaCount=1,
        metrics={"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
        grpcRoute={"enabled": True, "parentRefs": [{"name": "public"}]},
    )
    stage.caller().acknowledges(release.service, stage.job("operators"))
    equal(len(objects(stage, release)), 3, "objects of operators in the release")
    release.uninstall()
    equal(objects(stage, release), [], "objects of operators that helm uninstall left")
    return f"{len(taken)} objects of {len(files)} files taken, {len(custom)} of them of operators; unknown fields refused"


def rendered(stage, file, version):
    """What helm makes of a file of values for this version of Kubernetes, in this scenario's namespace."""
    where = ("--namespace", stage.where, "--set", "namespaceOverride=", "--kube-version", version)
    return helm("template", "gw", str(stage.chart), *where, "--values", str(file))


def dry_run(text):
    """What the API server would keep of these objects; it has to take all of them, and to say nothing."""
    options = ("--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--output", "json")
    found = json.loads(kubectl("apply", *options, "--filename", "-", stdin=text))
    return found["items"] if found["kind"] == "List" else [found]


def refuses_what_it_does_not_know(found):
    """The proof that the API server looks at an object."""
    metadata = {key: value for key, value in found["metadata"].items() if key not in ADDED}
    wrong = {**found, "metadata": metadata, "spec": {**found["spec"], "nonesuch": 1}}
    try:
        dry_run(json.dumps(wrong))
    except Failed as refused:
        check("nonesuch" in str(refused), f"the wrong {found['kind']} was refused otherwise: {refused}")
    else:
        raise Failed(f"a {found['kind']} with spec.nonesuch is taken")


def objects(stage, release):
    """The release's objects of these kinds."""
    kinds = ",".join(definitions.names().values())
    found = kubectl("--namespace", stage.where, "get", kinds, "--selector", release.selector, "--output=name")
    return sorted(found.split())
