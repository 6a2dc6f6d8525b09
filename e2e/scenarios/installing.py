"""A first installation, from helm install to helm uninstall."""

import json
import re
import subprocess
import time
from datetime import datetime

import notes
from cluster import check, command, equal, kubectl
from pods import figures, pod


def install(stage):
    """The chart with access keys and otherwise its defaults, in a namespace that takes restricted pods only: the first
    call is answered seconds after helm install began; both addresses work from a pod, and over the headless one both
    pods get calls; the notes' commands work as printed, helm test among them; uninstalling leaves nothing but the pod of helm test."""
    takes_restricted_pods_only(stage)
    caller, before = stage.caller(), objects(stage)
    release = stage.release()
    start = time.monotonic()
    first = first_call(caller, release.headless, stage.job("first"))
    printed = release.install({}, wait=False)
    installed = time.monotonic() - start
    answer = json.loads(first.communicate(timeout=120)[0])
    answered = time.monotonic() - start
    equal(answer["code"], "OK", f"the first call: {answer}")

    release.wait_for_ready(2)
    pods = release.pods()
    has_no_api_token(pods)
    caller.acknowledges(release.service, stage.job("by-service"))
    caller.acknowledges(release.headless, stage.job("by-headless"))
    with stage.load(release.headless, rate=50) as load:
        load.wait_for_calls(50)
    report = load.stop_unfailed()
    equal(len(report["peers"]), 2, f"pods that the headless name reaches, {report['peers']}")
    equal(sum(counted(release.metrics(each)) for each in pods), report["ok"] + 3, "calls in the pods' metrics")

    lines = notes.run(printed)
    caller.acknowledges(notes.address(printed), stage.job("by-notes"))
    proposed = notes.settings(printed)
    equal(len(proposed), 2, f"complete proposals of the notes, {proposed}")
    for options in proposed:
        upgrade = f"helm upgrade gw {stage.chart} --namespace {stage.where} --reuse-values --dry-run=server {options}"
        command("bash", "-c", upgrade)
    release.uninstall()
    # Helm deletes no hook. The pod of `helm test` stays for its log.
    left = objects(stage) - before - {"pod/load", f"pod/{release.full}-test"}
    check(not left, f"helm uninstall left {left}")
    return (
        f"first answer {answered:.1f} s after helm install began ({installed:.1f} s of it helm); pod created to ready "
        f"{max(map(seconds_to_ready, pods)):.0f} s; {figures(report)}; {lines} commands of the notes; nothing left; "
        f"image {pods[0]['status']['containerStatuses'][0]['imageID'].rpartition('@')[2]}"
    )


def first_call(caller, target, job):
    """Calls from now on until the gateway answers."""
    return subprocess.Popen(
        [
            "kubectl",
            "--namespace",
            caller.where,
            "exec",
            caller.name,
            "--",
            "/caller",
            "call",
            f"--target={target}",
            f"--job={job}",
            "--patience=90s",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def takes_restricted_pods_only(stage):
    """What makes it a proof that the chart's pods are admitted."""
    loose = pod("loose", stage.where, {"name": "loose", "image": stage.images.caller})
    answer = subprocess.run(
        ["kubectl", "create", "--dry-run=server", "--filename", "-"],
        input=json.dumps(loose),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    check('violates PodSecurity "restricted' in answer.stderr, f"a loose pod was not refused: {answer.stderr}")


def has_no_api_token(pods):
    """Nothing in the pods can speak to the Kubernetes API."""
    for each in pods:
        volumes = [volume["name"] for volume in each["spec"].get("volumes", []) if "kube-api-access" in volume["name"]]
        check(not volumes, f"{each['metadata']['name']} mounts {volumes}")


def counted(metrics):
    """Calls that a pod says it has answered OK."""
    line = re.search(
        r'^grpc_server_handled_total\{(?=[^}]*"AcknowledgeThirdPartyJob")(?=[^}]*grpc_code="OK")[^}]*\} (\S+)',
        metrics,
        re.MULTILINE,
    )
    check(line, "no grpc_server_handled_total of the call")
    return int(float(line[1]))


def seconds_to_ready(one):
    """From the pod's creation, scheduling and pulling included, to ready; the API server keeps whole seconds."""
    ready = next(each for each in one["status"]["conditions"] if each["type"] == "Ready")
    times = [
        datetime.fromisoformat(text) for text in (one["metadata"]["creationTimestamp"], ready["lastTransitionTime"])
    ]
    return (times[1] - times[0]).total_seconds()


def objects(stage):
    """Every object in the namespace that a person would call left over."""
    kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    kinds = [kind for kind in kinds if not kind.startswith(("events", "pods.metrics"))]
    names = kubectl("--namespace", stage.where, "get", ",".join(kinds), "--output=name", "--ignore-not-found").split()
    return set(names)
