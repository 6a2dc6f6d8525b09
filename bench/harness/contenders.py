"""The measured programs: how each is started and called. All get the same stub, payload and callers."""

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

from build import BENCH

PATIENCE = 60
PLAINTEXT = ("plain", "large")
# The length of the configuration of a large job, in bytes.
LARGE = 100_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(endpoint, certificates):
    """The measured programs see nothing of the machine's own configuration."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_REGION": "eu-west-1",
        # boto3 reads this one alone.
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAFAKEFAKEFAKEFAKE",
        "AWS_SECRET_ACCESS_KEY": "fake/secret/key/that/opens/nothing/at/all",
        "AWS_ENDPOINT_URL_CODEPIPELINE": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The stub's CA: for rustls and Go, and for boto3.
        "SSL_CERT_FILE": str(certificates / "ca.pem"),
        "AWS_CA_BUNDLE": str(certificates / "ca.pem"),
    }


@dataclass
class Server:
    """A running server."""

    address: str
    pid: int
    stub: "Stub"


class Stub:
    """The stub of CodePipeline, in plaintext or TLS."""

    def __init__(self, lab, tls, configuration=2000):
        self.address = f"127.0.0.1:{free_port()}"
        self.endpoint = f"{'https' if tls else 'http'}://localhost:{self.address.rsplit(':', 1)[1]}"
        self.trust = ssl.create_default_context(cafile=lab.certificates / "ca.pem") if tls else None
        command = [lab.programs.rust("stub"), "--addr", self.address, "--configuration", str(configuration)]
        self.process = subprocess.Popen(command + (["--tls", lab.certificates] if tls else []))
        wait_for(self.address, self.process)

    def ask(self, path, method="GET"):
        request = urllib.request.Request(f"{self.endpoint}{path}", method=method)
        return urllib.request.urlopen(request, timeout=PATIENCE, context=self.trust).read().decode()

    def held(self):
        return int(self.ask("/held"))

    def stop(self):
        self.process.kill()
        self.process.wait()


def wait_for(address, process):
    host, port = address.rsplit(":", 1)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"nothing listens on {address}") from None
            time.sleep(0.01)


class Lab:
    """The stubs, the certificates, and how to start and call a measured program."""

    def __init__(self, programs):
        self.programs = programs
        self.certificates = programs.work / "certificates"
        subprocess.run([programs.rust("load"), "certificates", self.certificates], check=True)
        self.stubs = {"plain": Stub(self, tls=False), "large": Stub(self, tls=False, configuration=LARGE), "tls": Stub(self, tls=True)}

    def stop(self):
        for stub in self.stubs.values():
            stub.stop()

    def command(self, name, mode, address, extra=()):
        """The command line of a server. `mode` is plain, large (plain, with large details), or tls; or, for the gateway
        alone, mtls or mtls-jwt."""
        programs, certs = self.programs, self.certificates
        served = [] if mode in PLAINTEXT else ["--tls", certs]
        if name in ("gateway", "unprofiled"):
            command = [programs.gateway if name == "gateway" else programs.unprofiled, "serve", "--grpc-addr", address, "--admin-addr", f"127.0.0.1:{free_port()}"]
            command += ["--log-format", "json"]
            if mode not in PLAINTEXT:
                command += ["--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem"]
            if mode.startswith("mtls"):
                command += ["--tls-client-ca", certs / "ca.pem"]
            if mode == "mtls":
                command += ["--auth", "mtls", "--allow", "dns:caller"]
            if mode == "mtls-jwt":
                command += ["--auth", "jwt", "--jwt-issuer", "https://issuer.example", "--jwt-audience", "gateway"]
                command += ["--jwt-jwks", certs / "jwks.json", "--allow", "sub:system:serviceaccount:jobs:caller"]
        elif name in ("echo", "naive"):
            command = [programs.rust(name), "--addr", address, *served]
        elif name == "go":
            command = [programs.go, "--addr", address, *served]
        elif name == "python":
            command = [programs.python, BENCH / "peers/python/server.py", "--addr", address, *served]
        elif name.startswith("sigv4"):
            host = self.stub(mode).endpoint.split("//")[1]
            command = [programs.sigv4 if name == "sigv4" else programs.sigv4_pool, "--port", address, "--name", "codepipeline", "--region", "eu-west-1"]
            command += ["--host", host, "--sign-host", host]
            command += ["--upstream-url-scheme", "http" if mode in PLAINTEXT else "https"]
        return [str(word) for word in [*command, *extra]]

    def stub(self, mode):
        return self.stubs.get(mode, self.stubs["tls"])

    def environment(self, name, mode):
        env = environment(self.stub(mode).endpoint, self.certificates)
        if name == "python":
            env["PYTHONPATH"] = str(self.programs.stubs)
        return env

    @contextmanager
    def serving(self, name, mode, extra=()):
        """A fresh server that has answered a call. Its log goes to a file."""
        address = f"127.0.0.1:{free_port()}"
        with open(self.programs.work / f"{name}.log", "w") as log:
            command = self.command(name, mode, address, extra)
            process = subprocess.Popen(command, env=self.environment(name, mode), stdout=log, stderr=log)
            try:
                wait_for(address, process)
                server = Server(address, process.pid, self.stub(mode))
                end = time.monotonic() + PATIENCE
                while self.load(name, mode, server, calls=1, warm_up=0, callers=1, may_fail=True)["failed"]:
                    if time.monotonic() > end:
                        raise RuntimeError(f"{name} answers no call: see {log.name}")
                yield server
            finally:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def target(self, name, mode, address, connections=8):
        words = ["--target", address, "--connections", connections]
        if name.startswith("sigv4"):
            return words + ["--http"]
        if mode not in PLAINTEXT:
            words += ["--tls", self.certificates]
        if mode.startswith("mtls"):
            words += ["--certificate"]
        return words + (["--token", self.certificates / "token"] if mode == "mtls-jwt" else [])

    def load(self, name, mode, server, may_fail=False, connections=8, address=None, **plan):
        """Calls a server and returns the load generator's report."""
        words = [self.programs.rust("load"), "run", "--pid", server.pid]
        words += self.target(name, mode, address or server.address, connections)
        return ask(words + options(plan), may_fail)

    def alone(self, name, mode, **plan):
        """`sdk` and `floor` make their calls themselves."""
        endpoint = self.stub(mode).endpoint
        words = [self.programs.rust(name), "--endpoint", endpoint]
        return ask(words + options(plan), env=self.environment(name, mode))


def options(plan):
    pairs = ((f"--{key.replace('_', '-')}", value) for key, value in plan.items() if value is not None)
    return [word for pair in pairs for word in pair]


def ask(words, may_fail=False, **extra):
    """Runs a program that prints one line of JSON. A failed call makes a measurement useless."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **extra)
    if done.returncode != 0:
        if may_fail:
            return {"failed": 1}
        raise RuntimeError(f"{words[0]}: {done.stderr}")
    report = json.loads(done.stdout)
    if report.get("failed") and not may_fail:
        raise RuntimeError(f"{words}: {report}")
    return report
