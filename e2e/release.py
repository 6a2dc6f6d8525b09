"""An installation of the chart, and the stage that a scenario plays on."""

import json

import simulator
from cluster import (
    PATIENCE,
    apply,
    eventually,
    helm,
    is_ready,
    kubectl,
    listed,
    raw,
    secret,
)
from pods import Caller, Load, Waiters


class Images:
    """The images of the run: the gateway's, the simulator's, the caller's."""

    def __init__(self, gateway, simulator_image, caller):
        self.gateway, self.simulator, self.caller = gateway, simulator_image, caller

    def values(self):
        """The gateway's image as the chart wants it."""
        name, _, digest = self.gateway.partition("@")
        repository, tag = name, ""
        if ":" in name.rsplit("/", 1)[-1]:
            repository, _, tag = name.rpartition(":")
        return {"repository": repository, "tag": "" if digest else tag, "digest": digest}


def merge(base, more):
    """Values laid over values, as helm does it."""
    both = dict(base)
    for key, value in more.items():
        both[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return both


class Release:
    """One installation: its names, its pods, and what helm does to it."""

    def __init__(self, stage, name):
        self.stage, self.name, self.where = stage, name, stage.where
        self.full = f"{name}-codepipeline-gateway"
        self.selector = f"app.kubernetes.io/instance={name},app.kubernetes.io/name=codepipeline-gateway"
        self.service = f"dns:///{self.full}.{self.where}.svc:50051"
        self.headless = f"dns:///{self.full}-headless.{self.where}.svc:50051"

    def install(self, values, wait=True):
        """helm install; gives the notes."""
        return self._helm("install", values, wait)

    def upgrade(self, values, wait=True, timeout=PATIENCE):
        """helm upgrade, with these values beside the run's own; gives the notes."""
        return self._helm("upgrade", values, wait, timeout)

    def rollback(self):
        """helm rollback to the revision before."""
        helm(
            "rollback",
            self.name,
            "--namespace",
            self.where,
            "--wait",
            "--timeout",
            f"{PATIENCE}s",
            timeout=PATIENCE + 30,
        )

    def uninstall(self):
        """helm uninstall, to the end of the last pod."""
        helm("uninstall", self.name, "--namespace", self.where, "--wait", timeout=PATIENCE)
        eventually("the last pod is gone", lambda: not self.pods())

    def test(self):
        """helm test, which has to succeed."""
        helm("test", self.name, "--namespace", self.where, "--timeout", f"{PATIENCE}s", timeout=PATIENCE + 30)

    def _helm(self, verb, values, wait, timeout=PATIENCE):
        given = json.dumps(merge(self.stage.values, values))
        waiting = ["--wait", "--timeout", f"{timeout}s"] if wait else []
        helm(
            verb,
            self.name,
            str(self.stage.chart),
            "--namespace",
            self.where,
            "--values",
            "-",
            *waiting,
            stdin=given,
            timeout=timeout + 30,
        )
        return helm("get", "notes", self.name, "--namespace", self.where)

    def pods(self):
        """Its pods, those on their way out included."""
        return listed("pods", self.where, self.selector)

    def ready(self):
        """Its pods that are ready and stay."""
        return [each for each in self.pods() if is_ready(each)]

    def wait_for_ready(self, count):
        """Waits until exactly so many pods are there, all of them ready, and all others gone."""
        eventually(
            f"{count} pods of {self.name} are ready and no other is left",
            lambda: len(self.pods()) == count == len(self.ready()),
        )

    def restarts(self):
        """How often its containers restarted."""
        return sum(
            status["restartCount"] for each in self.pods() for status in each["status"].get("containerStatuses", [])
        )

    def scale(self, replicas):
        """kubectl scale."""
        kubectl("--namespace", self.where, "scale", f"deployment/{self.full}", f"--replicas={replicas}")

    def metrics(self, one):
        """A pod's metrics, as text."""
        return raw(f"/api/v1/namespaces/{self.where}/pods/{one['metadata']['name']}:9090/proxy/metrics")


class Stage:
    """A scenario's namespace, and what it puts there."""

    def __init__(self, where, images, chart):
        self.where, self.images, self.chart = where, images, chart
        self.values = {
            "image": {**images.values(), "pullPolicy": "IfNotPresent"},
            "aws": {
                "region": "eu-west-1",
                "endpointUrl": simulator.ENDPOINT,
                "auth": "secretEnv",
                "existingSecret": {"name": "aws"},
            },
            # Room on a small node for a rolling update beside other scenarios.
            "resources": {"requests": {"cpu": "50m"}},
            "gateway": {
                # A scenario that isn't about pods that go doesn't wait for them.
                "shutdownDelay": "1s",
                # That a busy machine is slow is no failure.
                "awsAttemptTimeout": "20s",
                "awsConnectTimeout": "10s",
            },
        }
        self.secret("aws", {"access-key-id": simulator.KEY_ID, "secret-access-key": simulator.SECRET_KEY})

    def secret(self, name, data):
        """Makes or changes a Secret of these texts by key."""
        apply(secret(name, self.where, data))

    def release(self, name="gw"):
        """A release that isn't installed yet."""
        return Release(self, name)

    def install(self, name="gw", **values):
        """Installs the chart with these values beside the run's own, and waits until it is ready."""
        release = self.release(name)
        release.install(values)
        return release

    def caller(self, name="caller", where=None, **more):
        """A pod that calls when told to."""
        return Caller(self.images.caller, where or self.where, name, **more)

    def load(self, target, name="load", secrets=(), audiences=(), labels=None, account="default", **flags):
        """Constant load, from here on; see Load."""
        return Load(
            self.images.caller,
            self.where,
            name,
            labels,
            account,
            secrets,
            audiences,
            target=target,
            simulator=simulator.CONTROL,
            **flags,
        )

    def waiters(self, target, **flags):
        """Calls that wait for jobs of an action type that has none, from here on; see Waiters."""
        action_type = {"category": "Build", "owner": "ThirdParty", "provider": "Waiters", "version": "1"}
        simulator.put_job(f"{self.where}-waiters", status="InProgress", action_type=action_type)
        return Waiters(self.images.caller, self.where, "waiters", target=target, **flags)

    def job(self, name):
        """A job of this scenario's own, ready to be acknowledged."""
        return simulator.put_job(f"{self.where}-{name}")
