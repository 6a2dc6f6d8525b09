"""Pods beside the gateway: callers, stand-ins and probes, all under the restricted Pod Security Standard."""

import json
import re
import subprocess
import time

from cluster import Failed, apply, check, end_of, eventually, get, is_ready, kubectl

# The label of a namespace that takes no other pods, and what such a pod looks like.
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def container(name, image, *arguments, cpu="10m", **more):
    """A container as the restricted standard wants it, with its share of a busy node."""
    return {
        "name": name,
        "image": image,
        "args": list(arguments),
        "resources": {"requests": {"cpu": cpu}},
        "securityContext": CONTAINER_SECURITY,
        **more,
    }


def pod(name, where, one, labels=None, **spec):
    """A pod of one container that runs once."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": where, "labels": labels or {}},
        "spec": {
            "containers": [one],
            "securityContext": POD_SECURITY,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            **spec,
        },
    }


def mounted(secrets, audiences):
    """Volumes and their mounts: each Secret under /NAME, a token for each audience as /tokens/AUDIENCE."""
    volumes = [{"name": name, "secret": {"secretName": name, "defaultMode": 0o440}} for name in secrets]
    if audiences:
        tokens = [
            {"serviceAccountToken": {"audience": each, "path": each, "expirationSeconds": 600}} for each in audiences
        ]
        volumes.append({"name": "tokens", "projected": {"sources": tokens, "defaultMode": 0o440}})
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}", "readOnly": True} for volume in volumes]
    return volumes, mounts


def options(**flags):
    """Flags of the caller: `token_file="x"` is `--token-file=x`."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]


class Caller:
    """A pod that waits, and makes single calls when told to."""

    def __init__(self, image, where, name="caller", labels=None, account="default", secrets=(), audiences=()):
        self.name, self.where = name, where
        volumes, mounts = mounted(secrets, audiences)
        one = container("caller", image, "idle", volumeMounts=mounts)
        apply(pod(name, where, one, labels=labels, volumes=volumes, serviceAccountName=account))
        eventually(f"{name} is ready", lambda: is_ready(get("pod", name, where)))

    def call(self, target, **flags):
        """Makes one call: what it came to, see caller/call.go."""
        return self.run("call", *options(target=target, **flags))

    def reaches(self, address):
        """Whether a TCP connection can be opened."""
        return self.run("dial", f"--addr={address}")["connected"]

    def run(self, *arguments, inside=None):
        """Runs the caller's program in this pod, or in that container of another one."""
        return execute(self.where, self.name, inside or "caller", *arguments)

    def answer(self, target, **flags):
        """What a call came to, made again where there is no connection yet: whatever forwards a Service's address hears of a
        new pod a moment after everybody else. Calls under load have no such second chance."""

        def connected():
            answer = self.call(target, **flags)
            return None if "Error while dialing" in answer.get("message", "") else answer

        return eventually(f"{target} can be connected to", connected)

    def acknowledges(self, target, job, **flags):
        """The call has to be answered OK."""
        answer = self.answer(target, job=job, **flags)
        check(answer["code"] == "OK" and answer.get("status") == "JOB_STATUS_IN_PROGRESS", f"{target}: {answer}")
        return answer

    def is_refused(self, target, code, reason, **flags):
        """The call has to fail so; no reason: the gateway itself said nothing, and there may be no connection."""
        answer = self.answer(target, **flags) if reason else self.call(target, **flags)
        check((answer["code"], answer.get("reason", "")) == (code, reason), f"wanted {code} {reason}, got {answer}")
        return answer


def execute(where, name, inside, *arguments):
    """Runs the caller's program in a container, and reads what it found."""
    text = kubectl("--namespace", where, "exec", name, "--container", inside, "--", "/caller", *arguments)
    return json.loads(text)


class Load:
    """A pod that calls at a steady rate until a signal."""

    command = "load"

    def __init__(self, image, where, name, labels=None, account="default", secrets=(), audiences=(), **flags):
        self.name, self.where, self.report = name, where, None
        volumes, mounts = mounted(secrets, audiences)
        arguments = options(**{"for": "15m", **self.own(), **flags})
        one = container("caller", image, self.command, *arguments, cpu="100m", volumeMounts=mounts)
        apply(pod(name, where, one, labels=labels, volumes=volumes, serviceAccountName=account))

    def own(self):
        """The flags of this kind of load."""
        # Unlike any other run's jobs, the same cluster's earlier runs included.
        return {"jobs": f"{self.where}-{self.name}-{int(time.time())}", "rate": 50, "timeout": "25s"}

    def __enter__(self):
        self.wait_for_calls(20)
        return self

    def __exit__(self, failed, *_):
        if self.report is None and failed is None:
            self.stop()

    def progress(self):
        """The latest line of its log."""
        return kubectl("--namespace", self.where, "logs", self.name, "--tail", "1")

    def calls(self):
        """How many calls it has made so far."""
        found = re.match(r"\S+ (\d+) calls,", self.progress())
        return int(found[1]) if found else 0

    def peers(self):
        """How many pods have answered it so far."""
        return len(re.findall(r"[\[ ]\S+:\d+:\d+", self.progress()))

    def wait_for_calls(self, more):
        """Waits until it has made so many more."""
        before = self.calls_or_none()
        eventually(f"{self.name} makes {more} more calls", lambda: self.calls_or_none() >= before + more)

    def calls_or_none(self):
        phase = get("pod", self.name, self.where)["status"]["phase"]
        check(phase in ("Pending", "Running"), f"{self.name} has ended: {phase}")
        return 0 if phase == "Pending" else self.calls()

    def stop(self):
        """Ends it, and gives its report, see caller/report.go."""
        subprocess.run(
            ["kubectl", "--namespace", self.where, "exec", self.name, "--", "/caller", "stop"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        end_of(self.name, self.where)
        last = kubectl("--namespace", self.where, "logs", self.name).strip().splitlines()[-1]
        try:
            self.report = json.loads(last)
        except ValueError:
            raise Failed(f"{self.name} gave no report: {last[:500]}") from None
        return self.report

    def stop_unfailed(self):
        """Ends it; not one call may have failed, and AWS has seen each exactly once."""
        report = self.stop()
        check(report["calls"] > 0, "the load made no call")
        check(report["failed"] == 0, f"{report['failed']} of {report['calls']} calls failed: {report['failures']}")
        self.check_aws(report)
        return report

    def check_aws(self, report):
        check(
            report["ok"] == report["acknowledged"],
            f"{report['ok']} calls were answered OK, and AWS saw {report['acknowledged']}",
        )


class Waiters(Load):
    """A pod whose calls wait for jobs, one after the other, until a signal."""

    command = "waiters"

    def own(self):
        return {}

    def check_aws(self, report):
        """There are no jobs to wait for."""


def figures(report):
    """A report's figures in a few words."""
    return (
        f"{report['calls']} calls, {report['failed']} failed, {len(report['peers'])} pods seen, "
        f"p99 {report['p99ms']:.0f} ms, longest {report['maxMs']:.0f} ms"
    )
