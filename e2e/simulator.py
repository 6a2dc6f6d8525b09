"""The CodePipeline simulator, in a namespace of its own."""

import json

from cluster import apply, eventually, is_ready, kubectl, listed, namespace, raw
from pods import RESTRICTED, container, pod

NAMESPACE = "e2e-aws"
ENDPOINT = f"http://simulator.{NAMESPACE}.svc:4599"
CONTROL = f"{ENDPOINT}/_simulator"
# What the simulator knows, see its README.
KEY_ID, SECRET_KEY = "AKIAFAKEFAKEFAKEFAKE", "fake-secret-access-key-for-the-simulator"
PROXY = f"/api/v1/namespaces/{NAMESPACE}/services/simulator:4599/proxy/_simulator"


def start(image):
    """Starts it, and waits until it answers."""
    namespace(NAMESPACE, **RESTRICTED)
    probe = {"tcpSocket": {"port": 4599}, "periodSeconds": 1}
    one = container("simulator", image, "simulator", "--addr", "0.0.0.0:4599", cpu="300m", readinessProbe=probe)
    labels = {"app": "simulator"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "simulator", "namespace": NAMESPACE},
        "spec": {"selector": labels, "ports": [{"port": 4599}]},
    }
    apply(pod("simulator", NAMESPACE, one, labels=labels), service)
    eventually("the simulator is ready", lambda: any(is_ready(each) for each in listed("pods", NAMESPACE)))
    eventually("the simulator answers", lambda: raw(f"{PROXY}/jobs"))


def put_job(job, nonce="fake-nonce", client_token="fake-client-token", **more):
    """Puts a job that can be acknowledged once, with these other keys of the job file. A job of that name is replaced."""
    body = {"jobs": [{"id": job, "nonce": nonce, "client_token": client_token, **more}]}
    kubectl("replace", "--raw", f"{PROXY}/jobs", "--filename", "-", stdin=json.dumps(body))
    return job


def ledger(job):
    """What AWS has seen of a job: polls that returned it, acknowledges, and results."""
    (found,) = [each for each in json.loads(raw(f"{PROXY}/ledger"))["ledger"] if each["job_id"] == job]
    return found
