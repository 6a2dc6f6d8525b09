"""The HorizontalPodAutoscaler, with real metrics."""

from cluster import Failed, Skipped, eventually, get, raw
from pods import figures

# A small request and an impatient behavior, so that a small load scales within a minute or two.
VALUES = {
    "resources": {"requests": {"cpu": "30m"}},
    # A client learns of new pods when a connection of its own ends.
    "gateway": {"maxConnectionAge": "10s"},
    "autoscaling": {
        "enabled": True,
        "minReplicas": 2,
        "maxReplicas": 4,
        "targetCPUUtilizationPercentage": 60,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 15}},
    },
}


def autoscaling(stage):
    """More load, more pods, by the autoscaler's own decision, and the callers find them; less load, fewer pods; no call
    fails."""
    try:
        raw("/apis/metrics.k8s.io/v1beta1/nodes")
    except Failed:
        raise Skipped("no metrics API: kubectl top doesn't work here") from None
    del stage.values["gateway"]["shutdownDelay"]
    release = stage.install(**VALUES)
    release.wait_for_ready(2)
    with stage.load(release.headless, "high", rate=200, workers=64) as high:
        eventually("the autoscaler has more than 2 pods", lambda: desired(stage, release) > 2, timeout=240, every=2)
        eventually("they are ready", lambda: len(release.ready()) > 2)
        most = len(release.ready())
        eventually("the new pods are called too", lambda: high.peers() > 2)
    up = high.stop_unfailed()
    with stage.load(release.headless, "low", rate=2) as low:
        eventually("the autoscaler is back at 2 pods", lambda: desired(stage, release) == 2, timeout=240, every=2)
        release.wait_for_ready(2)
    down = low.stop_unfailed()
    return f"2 to {most} pods in {up['seconds']:.0f} s at 200 calls/s, back in {down['seconds']:.0f} s; {figures(up)}"


def desired(stage, release):
    """How many pods the autoscaler wants."""
    return get("hpa", release.full, stage.where)["status"].get("desiredReplicas", 0)
