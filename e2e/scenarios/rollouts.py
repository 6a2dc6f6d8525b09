"""Pods that come and go under constant load, with the clients' retries off."""

import json

import simulator
from cluster import Failed, apply, check, end_of, equal, eventually, kubectl, listed, namespace
from pods import container, figures

# A tenth of the calls are long ones at AWS, so that every pod that goes has some in flight.
LONG = {"delay": 300, "delay_every": 10}


def upgrade(stage):
    """An upgrade, and immediately its rollback, as hard on the clients as they get: they have asked DNS just before and ask
    again no sooner than 30 s later. Over the Service and over the headless name, no call fails, and none of 400 calls that wait
    for jobs."""
    as_delivered(stage)
    release = stage.install()
    with (
        stage.load(release.headless, "headless", **LONG) as headless,
        stage.load(release.service, "service", **LONG) as service,
        stage.waiters(release.headless, workers=400) as waiters,
    ):
        release.upgrade({"gateway": {"logLevel": "debug"}, "podLabels": {"revision": "two"}})
        equal(
            {each["metadata"]["labels"].get("revision") for each in release.ready()},
            {"two"},
            "the upgraded pods' label",
        )
        release.rollback()
        release.wait_for_ready(2)
        headless.wait_for_calls(100)
        service.wait_for_calls(100)
        waiters.wait_for_calls(400)
    return f"{both(headless, service)}; waiting: {figures(waiters.stop_unfailed())}"


def sidecar(stage):
    """A native sidecar that all requests to AWS pass, in a rolling update and its rollback: it starts before the gateway and ends
    after it, so no call fails, although the sidecar fails its requests in flight when it ends."""
    as_delivered(stage)
    proxy = container("proxy", stage.images.caller, "proxy", "--addr=127.0.0.1:8081", f"--to={simulator.ENDPOINT}")
    release = stage.install(
        aws={"endpointUrl": "http://127.0.0.1:8081"}, extraInitContainers=[{**proxy, "restartPolicy": "Always"}]
    )
    with stage.load(release.headless, "headless", **LONG) as headless:
        release.upgrade({"podLabels": {"revision": "two"}})
        release.rollback()
        release.wait_for_ready(2)
        headless.wait_for_calls(100)
    equal(release.restarts(), 0, "restarts")
    return figures(headless.stop_unfailed())


def two_releases(stage):
    """Two releases in one namespace: each address reaches the pods of its own release only, and an upgrade and the end of one
    release fail no call of the other."""
    first, second = stage.install("gw"), stage.install("other")
    with stage.load(first.headless, "first") as load:
        second.upgrade({"podLabels": {"revision": "two"}})
        second.wait_for_ready(2)
        with stage.load(second.headless, "second") as other:
            other.wait_for_calls(50)
        theirs = other.stop_unfailed()
        second.uninstall()
        load.wait_for_calls(50)
    ours = load.stop_unfailed()
    check(not set(ours["peers"]) & set(theirs["peers"]), f"pods of both: {ours['peers']} and {theirs['peers']}")
    equal((len(ours["peers"]), len(theirs["peers"])), (2, 2), "pods that each name reaches")
    equal(len(first.ready()), 2, "pods of the release that stays")
    return f"{figures(ours)}; the other release: {figures(theirs)}"


def scale(stage):
    """2 to 5 pods, and once the clients call all five, back to 2: no call fails, three pods with clients that end together
    included."""
    as_delivered(stage)
    # A client learns of new pods when a connection of its own ends, and asks DNS at most every 30 s.
    release = stage.install(gateway={"maxConnectionAge": "10s"})
    with (
        stage.load(release.headless, "headless", **LONG) as headless,
        stage.load(release.service, "service", **LONG) as service,
    ):
        release.scale(5)
        release.wait_for_ready(5)
        eventually("all five pods are called", lambda: headless.peers() == 5)
        release.scale(2)
        release.wait_for_ready(2)
        headless.wait_for_calls(100)
        service.wait_for_calls(100)
    return both(headless, service)


def drain(stage):
    """Every pod evicted, as a node's drain does it: the disruption budget lets the second go when the first has a
    successor, and no call fails; not even where DNS takes longer to tell of the new pods than there is time between the
    ends of the old ones."""
    as_delivered(stage)
    release = stage.install()
    doomed = [each["metadata"]["name"] for each in release.ready()]
    with (
        stage.load(release.headless, "headless", **LONG) as headless,
        stage.load(release.headless, "slow-dns", dns_delay="2s") as slow_dns,
        stage.load(release.service, "service", **LONG) as service,
    ):
        refused = 0
        for name in doomed:
            refused += evict(stage, name)
        release.wait_for_ready(2)
        equal(set(doomed) & {each["metadata"]["name"] for each in release.pods()}, set(), "pods that were to go")
        for load in (headless, slow_dns, service):
            load.wait_for_calls(100)
    slow = f"slow DNS: {figures(slow_dns.stop_unfailed())}"
    return f"{both(headless, service)}; {slow}; {refused} evictions held back by the budget"


def kill(stage):
    """One pod's program killed with SIGKILL: the calls that were in flight on it fail at the client, UNAVAILABLE
    without a word of the gateway's, and no others; it is started again, and then every call succeeds over both pods."""
    # A client that DNS has told of one pod alone learns of the other when a connection of its own ends.
    release = stage.install(gateway={"maxConnectionAge": "15s"})
    victim = release.ready()[0]
    # Each call is long, so that some are in flight whenever the shot comes.
    with stage.load(release.headless, "during", workers=100, delay=1000, delay_every=1) as during:
        eventually("both pods are called", lambda: during.peers() == 2)
        during.wait_for_calls(100)
        shoot(stage, victim["metadata"]["uid"])
        eventually("the victim runs again", lambda: release.restarts() == 1)
        release.wait_for_ready(2)
        during.wait_for_calls(100)
    report = during.stop()
    mine = [each for each in report["failures"] if (each["code"], each["reason"]) != ("Unavailable", "")]
    check(not mine, f"failures that are not the client's own: {mine}")
    check(report["failed"] > 0, "no call was in flight on the pod that was killed, so that nothing is shown")
    check(report["failed"] <= 100, f"more calls failed than can have been in flight: {report['failures']}")
    check(report["acknowledged"] - report["ok"] in range(report["failed"] + 1), f"AWS saw other calls: {report}")
    with stage.load(release.headless, "after") as after:
        after.wait_for_calls(100)
    afterwards = after.stop_unfailed()
    equal(len(afterwards["peers"]), 2, "pods that are called afterwards")
    return f"{report['failed']} of {report['calls']} calls lost with the pod; afterwards {figures(afterwards)}"


def bad_configuration(stage):
    """An upgrade to settings that the gateway refuses: its new pod ends with exit code 64 and one line that names flag
    and variable, the old pods serve on and no call fails; rolling back fixes it."""
    release = stage.install()
    stage.secret("broken", {"tls.crt": "not a certificate\n", "tls.key": "not a key\n"})
    with stage.load(release.headless) as load:
        release.upgrade({"tls": {"enabled": True, "existingSecret": "broken"}}, wait=False)
        broken = eventually("a pod ends with an error", lambda: crashed(release))
        ended = broken["status"]["containerStatuses"][0]["lastState"]["terminated"]
        equal(ended["exitCode"], 64, "exit code")
        log = kubectl("--namespace", stage.where, "logs", broken["metadata"]["name"], "--previous").strip().splitlines()
        equal(len(log), 1, f"lines of {log}")
        check("--tls-cert" in log[0] and "GATEWAY_TLS_CERT" in log[0], f"flag and variable in: {log[0]}")
        equal(len(release.ready()), 2, "pods that serve on")
        release.rollback()
        release.wait_for_ready(2)
        load.wait_for_calls(50)
    return f"{figures(load.stop_unfailed())}; exit 64, {log[0]!r}"


def as_delivered(stage):
    """The chart's own times for shutting down."""
    del stage.values["gateway"]["shutdownDelay"]


def both(headless, service):
    """The two loads' figures, if no call has failed."""
    return f"headless: {figures(headless.stop_unfailed())}; Service: {figures(service.stop_unfailed())}"


def evict(stage, name):
    """Asks for a pod's eviction until the disruption budget lets it go; gives how often it didn't."""
    refused = -1

    def evicted():
        nonlocal refused
        refused += 1
        return asked_to_go(stage, name)

    eventually(f"the eviction of {name}", evicted)
    return refused


def asked_to_go(stage, name):
    """Asks for a pod's eviction once: False where the disruption budget says not yet."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": stage.where},
    }
    path = f"/api/v1/namespaces/{stage.where}/pods/{name}/eviction"
    try:
        kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(eviction))
    except Failed as failed:
        check("disruption budget" in str(failed), f"the eviction of {name}: {failed}")
        return False
    return True


def crashed(release):
    """A pod that waits to be started again after an error."""
    for each in release.pods():
        for status in each["status"].get("containerStatuses", []):
            waits = status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
            if waits and "terminated" in status["lastState"]:
                return each
    return None


def shoot(stage, uid):
    """SIGKILL from a pod that sees the node's processes. Only an unrestricted namespace takes such a pod."""
    where = f"{stage.where}-node"
    namespace(where)
    node = next(each["spec"]["nodeName"] for each in listed("pods", stage.where) if each["metadata"]["uid"] == uid)
    one = {
        **container("kill", stage.images.caller, "kill", f"--pod-uid={uid}"),
        "securityContext": {"runAsUser": 0, "capabilities": {"add": ["KILL"]}},
    }
    apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "kill", "namespace": where},
            "spec": {"hostPID": True, "nodeName": node, "containers": [one], "restartPolicy": "Never"},
        }
    )
    ended = end_of("kill", where)
    equal(ended, "Succeeded", f"the killer's end, {kubectl('--namespace', where, 'logs', 'kill')}")
