"""The examples as programs that the scenarios run, and what each one's library can't do."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace

from house import CLIENT_TOKEN, NONCE, PATIENCE, SECRETS, clean_environment


@dataclass(frozen=True)
class Client:
    """One of the examples, built."""

    name: str
    folder: str
    # Acknowledges jobs.
    command: tuple
    # Processes whole jobs.
    worker: tuple
    # Obeys a gRPC service config: retries, waiting, deadline.
    service_config: bool = True
    # Spreads its calls over all addresses of a name.
    balances: bool = True
    # Connects before its first call, so it knows that nothing was sent if it can't.
    connects_first: bool = True
    # Codes and messages for a call that met a GOAWAY, and that HTTP/2 guarantees wasn't looked at. gRPC libraries repeat such a
    # call once by themselves; grpc-js may do so on the connection that is ending (grpc/grpc-node#2033), grpcio now and then
    # doesn't, tonic's client gives up one that waits while others are open on that connection (docs/operations.md).
    gives_up: tuple = ()

    def two_replicas(self, house, port):
        """A target that stands for both replicas, as a headless Service's name does in a cluster."""
        if self.name == "rust":
            return ",".join(f"{address}:{port}" for address in house.names.ADDRESSES)
        # Java asks no other name server than the system's, so it is given a file of hosts instead.
        return f"dns://{'' if self.name == 'java' else house.names.address}/gateway.example:{port}"


CLIENTS = [
    Client(
        "python",
        "python",
        (".venv/bin/python", "acknowledge.py"),
        (".venv/bin/python", "worker.py"),
        gives_up=(("UNAVAILABLE", "Stream removed (GOAWAY received; Error code: 0; Debug Text: )"),),
    ),
    Client("go", "go", ("./acknowledge",), ("./worker",)),
    Client(
        "grpc-js",
        "typescript",
        ("node", "dist/acknowledge.js"),
        ("node", "dist/worker.js"),
        gives_up=(("UNAVAILABLE", "Stream refused by server"),),
    ),
    Client(
        "connect-es",
        "typescript-connect",
        ("node", "dist/acknowledge.js"),
        ("node", "dist/worker.js"),
        service_config=False,
        balances=False,
        connects_first=False,
    ),
    Client(
        "java",
        "java",
        ("java", "-XX:TieredStopAtLevel=1", "-jar", "target/acknowledge.jar"),
        ("java", "-XX:TieredStopAtLevel=1", "-cp", "target/acknowledge.jar", "com.example.gateway.WorkerMain"),
    ),
    Client(
        "rust",
        "rust",
        ("acknowledge",),
        ("worker",),
        service_config=False,
        gives_up=(("CANCELLED", "operation was canceled"), ("INTERNAL", "h2 protocol error: http2 error")),
    ),
]


class Program:
    """One process of a client that prints a line of JSON for each job."""

    def __init__(self, house, client, command, target, *, timeout=PATIENCE, retries=0, environment=None, **options):
        """A variable of `environment` that is None is absent."""
        self.house, self.client = house, client
        arguments = ["--target", target, "--timeout", str(timeout), "--retries", str(retries)]
        for name, value in options.items():
            arguments += ["--" + name.replace("_", "-"), str(value)]
        secrets = {"CODEPIPELINE_NONCE": NONCE, "CODEPIPELINE_CLIENT_TOKEN": CLIENT_TOKEN} | (environment or {})
        environment = clean_environment() | {name: value for name, value in secrets.items() if value is not None}
        if "//127." in target:
            # Or grpc-js asks no other name server than the system's.
            environment["GRPC_NODE_USE_ALTERNATIVE_RESOLVER"] = "true"
        if client.name == "java":
            hosts = house.scratch / "hosts"
            hosts.write_text("".join(f"{a} gateway.example\n" for a in house.names.ADDRESSES) + "127.0.0.1 localhost\n")
            environment["JAVA_TOOL_OPTIONS"] = f"-Djdk.net.hosts.file={hosts}"
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=house.clients_folder / client.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        # A client that prints nothing is stopped.
        self.watchdog = threading.Timer(3 * PATIENCE, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.watchdog.cancel()
        self.errors.close()

    def line(self):
        """What the client printed about a job, or about a call."""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.client.name} said no more: {self.report()[-600:]}")
        said = line + self.report()
        assert not any(secret in said for secret in SECRETS), "a secret was printed"
        return json.loads(line)

    def report(self):
        """What the client wrote to standard error."""
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def end(self):
        """The exit code, when no more ids come."""
        self.process.stdin.close()
        return self.process.wait(PATIENCE)


class Run(Program):
    """Acknowledges: give it job ids, read its answers."""

    def __init__(self, house, client, target, **options):
        super().__init__(house, client, client.command, target, **options)

    def ask(self, job_id):
        """Starts a call; `answer` has its result."""
        self.process.stdin.write(job_id + "\n")
        self.process.stdin.flush()

    def answer(self):
        answer = self.line()
        self.house.answers.append(answer)
        return answer

    def call(self, job_id):
        self.ask(job_id)
        return self.answer()


class Work(Program):
    """Processes whole jobs of one action type."""

    def __init__(self, house, client, target, action_type, *, jobs=0, **options):
        action_type = "/".join(action_type.values())
        options = {"retries": 3, "poll_interval": 0.2, "wait": 0, **options}
        super().__init__(house, client, client.worker, target, action_type=action_type, jobs=jobs, **options)


def built_clients(folder, only):
    """The clients that are asked for, each with the program that its README builds."""
    known = [client.name for client in CLIENTS]
    for name in only:
        if name not in known:
            sys.exit(f"no client {name}; there are {', '.join(known)}")
    clients = [client for client in CLIENTS if not only or client.name in only]
    return [rust(folder, client) if client.name == "rust" else client for client in clients]


def rust(folder, client):
    """It lies where cargo puts it."""
    query = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    found = subprocess.run(query, cwd=f"{folder}/{client.folder}", check=True, capture_output=True)
    folder = f"{json.loads(found.stdout)['target_directory']}/debug"
    return replace(client, command=(f"{folder}/acknowledge",), worker=(f"{folder}/worker",))
