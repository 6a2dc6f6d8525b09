"""kubectl and helm: commands, awaited conditions, and nothing of the gateway's."""

import base64
import json
import os
import subprocess
import time

# How long anything may take that only has to happen at some time: a shared machine can be slow.
PATIENCE = 120


class Failed(Exception):
    """What a scenario says did not happen."""


class Skipped(Exception):
    """Why a scenario can't be shown on this cluster."""


def check(condition, sentence):
    """Fails the scenario unless the condition holds."""
    if not condition:
        raise Failed(sentence)


def equal(found, wanted, what):
    """Fails the scenario unless both are the same."""
    check(found == wanted, f"{what}: wanted {wanted!r}, found {found!r}")


def command(*arguments, stdin=None, timeout=PATIENCE, okay=(0,), **options):
    """Runs a command, and gives its standard output. Any other exit code than these fails."""
    done = subprocess.run(arguments, input=stdin, capture_output=True, text=True, timeout=timeout, **options)
    if done.returncode not in okay:
        shown = " ".join(arguments).splitlines()[0][:200]
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Failed(
            f"{shown}: exit {done.returncode}: {''.join(last)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}".rstrip()
        )
    return done.stdout


def kubectl(*arguments, **options):
    """Runs kubectl against the cluster of KUBECONFIG."""
    return command("kubectl", *arguments, **options)


def helm(*arguments, **options):
    """Runs helm against the cluster of KUBECONFIG."""
    return command("helm", *arguments, **options)


def eventually(what, condition, timeout=PATIENCE, every=1):
    """Waits until the condition gives something true, and gives that. It may raise Failed until then."""
    end, last = time.monotonic() + timeout, ""
    while True:
        try:
            found = condition()
            if found:
                return found
            last = ""
        except Failed as failed:
            last = f": {failed}"
        if time.monotonic() > end:
            raise Failed(f"not within {timeout} s: {what}{last}")
        time.sleep(every)


def apply(*objects):
    """Makes or changes these objects."""
    kubectl("apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def get(kind, name, namespace):
    """An object as it is, or None."""
    found = kubectl("--namespace", namespace, "get", kind, name, "--output", "json", "--ignore-not-found")
    return json.loads(found) if found.strip() else None


def listed(kind, namespace, selector=""):
    """All objects of a kind."""
    found = kubectl("--namespace", namespace, "get", kind, "--selector", selector, "--output", "json")
    return json.loads(found)["items"]


def raw(path):
    """What the API server answers, or a server behind it."""
    return kubectl("get", "--raw", path)


def namespace(name, **labels):
    """Makes a namespace, where an earlier run's may still be going away."""
    remove_namespace(name, wait=True)
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    eventually(f"a service account in {name}", lambda: get("serviceaccount", "default", name))


def remove_namespaces(name):
    """Removes a namespace with all that is in it, and those that a scenario has made beside it."""
    there = kubectl("get", "namespaces", "--output=name").split()
    for each in (found.removeprefix("namespace/") for found in there):
        if each == name or each.startswith(f"{name}-"):
            remove_namespace(each)


def remove_namespace(name, wait=False):
    """Removes a namespace with all that is in it."""
    kubectl("delete", "namespace", name, "--ignore-not-found", f"--wait={str(wait).lower()}", timeout=300)


def secret(name, where, data):
    """A Secret of these texts by key."""
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": where}, "data": encoded}


def is_ready(pod):
    """Whether a pod is ready and not on its way out."""
    conditions = pod["status"].get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def end_of(name, where):
    """Waits until a pod has ended: Succeeded or Failed."""

    def ended():
        phase = get("pod", name, where)["status"]["phase"]
        return phase if phase in ("Succeeded", "Failed") else None

    return eventually(f"{name} ends", ended)


def dump(where):
    """What one wants to see of a namespace where something failed."""
    parts = [
        f"--- pods of {where}",
        seen(where, "get", "pods", "--output", "wide"),
        f"--- events of {where}",
        seen(where, "get", "events", "--sort-by", ".lastTimestamp"),
    ]
    for pod in listed("pods", where):
        name = pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            parts += [
                f"--- log of {name}, {container['name']}",
                seen(where, "logs", name, "--container", container["name"], "--tail", "25"),
            ]
    return "\n".join(parts)


def seen(where, *arguments):
    """What kubectl shows, cut to what a person reads."""
    done = subprocess.run(
        ["kubectl", "--namespace", where, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return "\n".join(line[:400] for line in (done.stdout + done.stderr).splitlines()[-40:])


def without_proxies():
    """Nothing between this program and the cluster."""
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del os.environ[name]
