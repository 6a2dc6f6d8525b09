"""The NetworkPolicy, on a cluster that enforces them."""

import simulator
from cluster import Failed, Skipped, apply, check, eventually, get, is_ready, kubectl, namespace
from pods import RESTRICTED, container, execute, pod

LISTED = {"may-call": "yes"}


def network_policy(stage):
    """A listed pod may call; others, of this namespace or another, may not, and no caller reads metrics. The gateway
    itself reaches DNS and AWS and nothing else. Probes and helm test go through, and who has
    the labels of helm test's pod only while that runs."""
    elsewhere = listener(stage)
    is_enforced(stage, elsewhere)
    others = f"{stage.where}-others"
    namespace(others, **RESTRICTED)
    release = stage.install(
        networkPolicy={
            "enabled": True,
            "ingress": {"from": [{"podSelector": {"matchLabels": LISTED}}]},
            # Nothing is there (RFC 5737): port 443 is closed, to the API server too.
            "egress": {
                "https": {"cidrs": ["192.0.2.0/24"]},
                "otherPorts": {
                    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": simulator.NAMESPACE}}}]
                },
            },
        },
        # A container beside the gateway, to look out of its pod.
        extraContainers=[container("look", stage.images.caller, "idle")],
    )
    listed = stage.caller("listed", labels=LISTED)
    worn = {"app.kubernetes.io/name": "codepipeline-gateway-test", "app.kubernetes.io/instance": release.name}
    impostor = stage.caller("impostor", labels=worn)
    strangers = [stage.caller("stranger"), stage.caller("neighbor", where=others, labels=LISTED), impostor]
    for name, target in (("service", release.service), ("headless", release.headless)):
        listed.acknowledges(target, stage.job(name))
    one = release.ready()[0]
    admin = f"{one['status']['podIP']}:9090"
    for stranger in strangers:
        stranger.is_refused(release.service, "Unavailable", "", timeout="5s")
        check(not stranger.reaches(f"{one['status']['podIP']}:50051"), f"{stranger.name} reaches the gRPC port")
        check(not stranger.reaches(admin), f"{stranger.name} reaches the admin port")
    check(not listed.reaches(admin), "a caller reaches the admin port")

    def from_gateway(address):
        return execute(stage.where, one["metadata"]["name"], "look", "dial", f"--addr={address}")["connected"]

    check(from_gateway(f"simulator.{simulator.NAMESPACE}.svc:4599"), "the gateway's pod doesn't reach AWS by name")
    for address in (elsewhere, "kubernetes.default.svc:443"):
        check(strangers[0].reaches(address), f"{address} can't be reached at all, so that nothing is shown")
        check(not from_gateway(address), f"the gateway's pod reaches {address}")
    release.test()
    eventually("no pod gets in as the test any more", lambda: not impostor.reaches(f"{one['status']['podIP']}:50051"))
    listed.acknowledges(release.headless, stage.job("at-the-end"))
    check(len(release.ready()) == 2 and release.restarts() == 0, "the probes don't get through")
    return (
        "listed pod: OK; unlisted pod, other namespace: no connection; admin port closed to all; egress elsewhere and "
        "to 443 blocked, to DNS and AWS open"
    )


def listener(stage):
    """A pod that takes connections: HOST:PORT."""
    apply(pod("elsewhere", stage.where, container("listen", stage.images.caller, "listen", "--addr=:8080")))
    found = eventually("the listener is ready", lambda: ready_pod(stage, "elsewhere"))
    return f"{found['status']['podIP']}:8080"


def ready_pod(stage, name):
    found = get("pod", name, stage.where)
    return found if is_ready(found) else None


def is_enforced(stage, address):
    """Skips the scenario where a policy that denies everything denies nothing."""
    probe = stage.caller("probe")
    eventually("the probe reaches the listener", lambda: probe.reaches(address))
    deny = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": stage.where},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    apply(deny)
    try:
        eventually("a policy denies it", lambda: not probe.reaches(address), timeout=30)
    except Failed:
        raise Skipped("nothing enforces NetworkPolicy objects on this cluster") from None
    finally:
        kubectl("--namespace", stage.where, "delete", "networkpolicy", "deny")
    eventually("the probe reaches the listener again", lambda: probe.reaches(address))
