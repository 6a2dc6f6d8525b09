"""Job workers that reach the gateway and nothing else."""

import json

import simulator
from cluster import apply, check, equal, eventually, get, kubectl
from pods import options

from .network import is_enforced, listener

LABELS = {"app": "worker"}
PROVIDER = "EndToEnd"
# What every job of this scenario has, and no log may contain.
NONCE = "fake-nonce-of-the-worker"
CLIENT_TOKEN = "fake-client-token-of-the-worker"
CONFIGURED = "fake-configured-secret"


def worker(stage):
    """A worker pod without AWS credentials takes one job from the poll to its success, and another one to its
    failure. Its egress policy allows DNS and the gateway only, so that it reaches neither AWS nor another pod.
    AWS has seen each call exactly once. The gateway rejects a poll for an action type outside
    gateway.actionTypes. The log names the jobs and none of their secrets."""
    elsewhere = listener(stage)
    is_enforced(stage, elsewhere)
    release = stage.install(gateway={"actionTypes": [f"Test/ThirdParty/{PROVIDER}/*"]})
    pod = stage.caller("worker", labels=LABELS)
    has_no_credentials(stage)
    closed = (f"simulator.{simulator.NAMESPACE}.svc:4599", elsewhere)
    for address in closed:
        check(pod.reaches(address), f"{address} can't be reached at all, so that nothing is shown")
    apply(egress_policy(stage, release))
    eventually("the policy holds", lambda: not any(pod.reaches(address) for address in closed))

    for ending in ("success", "failure"):
        ends(stage, pod, release, ending)
    refused = pod.run("worker", *asking(release), "--category=Build")["failure"]
    answer = (refused["code"], refused.get("reason"))
    equal(answer, ("PermissionDenied", "ACTION_TYPE_NOT_ALLOWED"), "the answer to a poll for another action type")
    lines = logged(release)
    check(not any(pod.reaches(address) for address in closed), "the policy doesn't hold any more")
    return (
        "no AWS credentials, egress to DNS and the gateway only: poll, details, acknowledge and success OK; "
        f"failure OK; each once at AWS; another action type: ACTION_TYPE_NOT_ALLOWED; no secret in {lines} log lines"
    )


def ends(stage, pod, release, ending):
    """The worker takes a new job to this end, and AWS has seen it."""
    job = f"{stage.where}-{ending}"
    simulator.put_job(
        job,
        NONCE,
        CLIENT_TOKEN,
        status="Queued",
        action_type={"category": "Test", "owner": "ThirdParty", "provider": PROVIDER, "version": "1"},
        configuration={"Project": "fake-project", "ApiKey": CONFIGURED},
    )
    found = pod.run("worker", *asking(release), f"--fail={str(ending == 'failure').lower()}")
    steps = ["poll", "details", "acknowledge", ending]
    equal((found.get("job"), found["steps"]), (job, steps), f"the worker's calls, {found.get('failure')}")
    equal(found["configuration"], 2, "values of the configuration")
    ledger = simulator.ledger(job)
    equal((ledger["dispatched"], ledger["acknowledged"]), (1, 1), f"polls and acknowledges that AWS saw, {ledger}")
    equal([list(result) for result in ledger["results"]], [[ending]], f"results that AWS saw, {ledger}")


def asking(release):
    """The worker's options."""
    return options(target=release.headless, provider=PROVIDER, client_token=CLIENT_TOKEN, timeout="25s")


def has_no_credentials(stage):
    """The worker's pod has no variables, no files, and no token of the Kubernetes API."""
    spec = get("pod", "worker", stage.where)["spec"]
    (one,) = spec["containers"]
    found = [one.get("env"), one.get("envFrom"), one.get("volumeMounts"), spec.get("volumes")]
    check(not any(found), f"the worker's pod has {found}")


def egress_policy(stage, release):
    """Lets the worker's pod reach DNS and the gateway's gRPC port."""
    gateway = {"podSelector": {"matchLabels": dict(pair.split("=") for pair in release.selector.split(","))}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "worker", "namespace": stage.where},
        "spec": {
            "podSelector": {"matchLabels": LABELS},
            "policyTypes": ["Egress"],
            "egress": [
                {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
                {"to": [gateway], "ports": [{"port": 50051, "protocol": "TCP"}]},
            ],
        },
    }


def logged(release):
    """The log names the jobs and their action type, and has none of their secrets. Gives how many lines there are."""
    text = "".join(
        kubectl("--namespace", release.where, "logs", one["metadata"]["name"], "--container", "gateway")
        for one in release.pods()
    )
    for secret in (NONCE, CLIENT_TOKEN, CONFIGURED):
        check(secret not in text, f"the log has {secret}")
    lines = [json.loads(line) for line in text.splitlines()]
    polls = [line for line in lines if line.get("method") == "PollForThirdPartyJobs" and line.get("jobs")]
    action_type = f"Test/ThirdParty/{PROVIDER}/1"
    equal({line.get("action_type") for line in polls}, {action_type}, "action types of polls that returned a job")
    equal(sum(line["jobs"] for line in polls), 2, "jobs in the log")
    return len(lines)
