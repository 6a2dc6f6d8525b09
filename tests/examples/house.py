"""What the scenarios need around a client: the simulator, gateways of every configuration, names, and what they wait for."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import grpc
from certificates import Authority, Issuer

PATIENCE = 90
METHOD = "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob"
# Every job's, unless a scenario says otherwise.
NONCE = "examples-fake-nonce"
CLIENT_TOKEN = "examples-fake-client-token"
# In no output: these two, the start of a bearer token, and the signature of a presigned request.
SECRETS = (NONCE, CLIENT_TOKEN, "eyJ", "X-Amz-")
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAFAKEFAKEFAKEFAKE",
    "AWS_SECRET_ACCESS_KEY": "fake-secret-access-key-for-the-simulator",
}
_NOT_OURS = re.compile(r"^(AWS_|OTEL_|GATEWAY_|GRPC_|CODEPIPELINE_|JAVA_TOOL|(HTTPS?|ALL|NO|GRPC)_PROXY$)", re.IGNORECASE)


def clean_environment():
    """Nothing of this machine's own configuration counts."""
    return {name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)}


def free_port(host="127.0.0.1"):
    with socket.socket() as listener:
        listener.bind((host, 0))
        return listener.getsockname()[1]


def wait_for(what, condition):
    """The condition's first true value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s in vain: {what}")


def get(url):
    """The answer's text; None if there is none or an error."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()
    return None


class Process:
    """A program that runs until a signal; its output goes to a file."""

    def __init__(self, command, scratch, name, environment):
        self.said = Path(scratch) / f"{name}.log"
        with self.said.open("ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def running(self):
        return self.child.poll() is None

    def stop(self, how=signal.SIGTERM):
        """Its exit code."""
        if self.running():
            self.child.send_signal(how)
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise AssertionError(f"{self.said.stem} didn't end") from None


class Simulator(Process):
    """CodePipeline's stand-in and its control side."""

    def __init__(self, binary, scratch):
        self.url = f"http://127.0.0.1:{free_port()}"
        super().__init__(
            [binary, "simulator", "--addr", self.url.removeprefix("http://")], scratch, "simulator", clean_environment()
        )
        wait_for("the simulator", lambda: get(f"{self.url}/_simulator/jobs"))

    def put_jobs(self, *jobs):
        body = json.dumps({"jobs": jobs}).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/jobs", body, method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def add_fault(self, operation, fault, times=1):
        """For the next calls of an operation, whatever their job is."""
        self._post("faults", {"operation": operation, "times": times, "fault": fault})

    def shift_clock(self, seconds):
        """Sets the clock ahead of the system's."""
        self._post("clock", {"shift_seconds": seconds})

    def _post(self, path, value):
        with urllib.request.urlopen(f"{self.url}/_simulator/{path}", json.dumps(value).encode(), timeout=10):
            pass

    def uploaded(self, bucket, key):
        """An uploaded object with its content; None if there is none."""
        everything = json.loads(get(f"{self.url}/_simulator/objects"))["objects"]
        for entry in everything:
            if (entry["bucket"], entry["key"]) == (bucket, key):
                return entry | {"content": get(f"{self.url}/_simulator/objects/{bucket}/{quote(key)}")}
        return None

    def bucket_requests(self, key):
        """Method and status of each request for an object, in order."""
        everything = json.loads(get(f"{self.url}/_simulator/requests"))["bucket_requests"]
        return [(record["method"], record["http_status"]) for record in everything if record["key"] == key]

    def ledger(self, job_id):
        """What CodePipeline did with a job."""
        everything = json.loads(get(f"{self.url}/_simulator/ledger"))["ledger"]
        (entry,) = (entry for entry in everything if entry["job_id"] == job_id)
        return entry

    def calls(self, job_id):
        """The operations that were called for a job, in order."""
        return [record["operation"] for record in self.requests(job_id)]

    def requests(self, job_id=None):
        everything = json.loads(get(f"{self.url}/_simulator/requests"))["requests"]
        return [record for record in everything if job_id in (None, record["job_id"])]

    def pending(self, job_id):
        return any(record["outcome"] == "pending" for record in self.requests(job_id))

    def acknowledged(self):
        """The jobs that CodePipeline gave away, whether or not a caller learned of it."""
        taken = (r for r in self.requests() if r["processed"] and r["processed"]["error_code"] is None)
        return {record["job_id"] for record in taken if record["operation"] == "AcknowledgeThirdPartyJob"}


def job(job_id, *faults, **fields):
    """A job as the simulator takes it. Each fault applies to `times` calls (1), and only to its `operation` if it has one."""
    faults = [planned(**fault) for fault in faults]
    return {"id": job_id, "nonce": NONCE, "client_token": CLIENT_TOKEN, "faults": faults, **fields}


def planned(times=1, operation=None, **fault):
    return {"times": times, "fault": fault} | ({"operation": operation} if operation else {})


class Gateway(Process):
    """`codepipeline-gateway serve` on loopback."""

    def __init__(self, house, name, *flags, host="127.0.0.1", port=None, environment=None, ready=True, bucket=None):
        self.address = f"{host}:{port or free_port(host)}"
        self.admin = f"http://127.0.0.1:{free_port()}"
        environment = clean_environment() | {
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_CODEPIPELINE": house.simulator.url,
            "AWS_ENDPOINT_URL_S3": bucket or house.simulator.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # No endpoint has to be withdrawn, unless a scenario is about that.
            "GATEWAY_SHUTDOWN_DELAY": "0s",
            **(KEYS if environment is None else environment),
        }
        command = [house.binary, "serve", "--grpc-addr", self.address, "--admin-addr", self.admin.removeprefix("http://")]
        super().__init__([*command, *flags], house.scratch, f"gateway-{name}", environment)
        probe = "readyz" if ready else "livez"
        wait_for(f"gateway {name}", lambda: get(f"{self.admin}/{probe}") or not self.running())
        assert self.running(), f"gateway {name} ended: {self.said.read_text()[-600:]}"

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def metric(self, name):
        """The sum of a metric's values whose line begins like this."""
        lines = (get(f"{self.admin}/metrics") or "").splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


class Names(threading.Thread):
    """A DNS server that gives every name the two addresses of the replicas."""

    ADDRESSES = ("127.0.0.1", "127.0.0.2")

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self.socket.getsockname()[1])
        self.start()

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            wanted = int.from_bytes(query[end - 4 : end - 2])
            addresses = self.ADDRESSES if wanted == 1 else ()
            header = query[:2] + b"\x84\x00\0\x01" + len(addresses).to_bytes(2) + bytes(4)
            records = (b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04" + socket.inet_aton(address) for address in addresses)
            self.socket.sendto(header + query[12:end] + b"".join(records), peer)


class Mesh(Process):
    """A proxy that repeats UNAVAILABLE by itself: see mesh/main.go."""

    def __init__(self, house, *arguments):
        self.address = f"127.0.0.1:{free_port()}"
        flags = [argument for argument in arguments if argument.startswith("-")]
        upstreams = [argument for argument in arguments if not argument.startswith("-")]
        super().__init__([house.mesh_binary, *flags, self.address, *upstreams], house.scratch, "mesh", clean_environment())
        wait_for("the mesh", self._listens)

    def _listens(self):
        with contextlib.suppress(OSError), socket.create_connection(self.address.rsplit(":", 1), 1):
            return True
        return False


@contextlib.contextmanager
def stand_in(*, method=METHOD, **answers):
    """The address of something that answers in a gateway's place: by a text in the request a message, a code and details, or a
    function that returns a message."""

    def respond(request, context):
        (answer,) = (answer for text, answer in answers.items() if text.encode() in request)
        if isinstance(answer, bytes):
            return answer
        if callable(answer):
            return answer()
        code, details = answer
        context.set_trailing_metadata([("grpc-status-details-bin", details)] if details else ())
        return context.abort(code, "from the stand-in")

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(respond)
    service, name = method[1:].split("/")
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {name: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


class House:
    """One simulator, and gateways that are started when they are first asked for and live as long as the house."""

    def __init__(self, root, binary, mesh_binary, scratch, clients_folder):
        self.binary, self.mesh_binary = binary, mesh_binary
        self.scratch, self.clients_folder = Path(scratch), Path(clients_folder)
        self.scratch.mkdir()
        self.service_config = Path(root, "docs/service-config.json")
        self.simulator = Simulator(binary, scratch)
        self.names = Names()
        self.shared = {}
        self.answers = []
        self.authority, self.stranger = Authority(self.scratch, "ca"), Authority(self.scratch, "stranger")
        self.server = self.authority.issue("server", dns=["localhost"], ips=["127.0.0.1"])
        self.worker = self.authority.issue("worker", uris=["spiffe://example/worker"])
        self.other = self.authority.issue("other", uris=["spiffe://example/other"])
        self.nameless = self.authority.issue("nameless")
        self.issuer = Issuer(self.scratch)

    def modes(self):
        """What `serve --help` says of --auth."""
        text = subprocess.run([self.binary, "serve", "--help"], check=True, capture_output=True, text=True).stdout
        return re.findall(r"^\s+- (\w+):", text, re.MULTILINE)

    def gateway(self, name, *flags, **options):
        """The one of this name, shared by all scenarios."""
        if name not in self.shared:
            self.shared[name] = Gateway(self, name, *flags, **options)
        return self.shared[name]

    @contextlib.contextmanager
    def own_gateway(self, name, *flags, **options):
        """One that a scenario may do with as it likes."""
        gateway = Gateway(self, name, *flags, **options)
        try:
            yield gateway
        finally:
            if gateway.running():
                gateway.stop(signal.SIGKILL)

    @contextlib.contextmanager
    def mesh(self, *arguments):
        mesh = Mesh(self, *arguments)
        try:
            yield mesh
        finally:
            mesh.stop(signal.SIGKILL)

    def tls_flags(self):
        return "--tls-cert", str(self.server[0]), "--tls-key", str(self.server[1])

    @staticmethod
    def tls_target(gateway):
        """By the name in the certificate."""
        return f"dns:///localhost:{gateway.port}"

    @contextlib.contextmanager
    def occupant(self, gateway, job_id):
        """Another caller, whose call takes up a place until the returned function ends it."""
        with grpc.insecure_channel(gateway.address, [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]) as channel:
            # The three fields of the request are texts, each shorter than 128 bytes.
            texts = [text.encode() for text in (job_id, NONCE, CLIENT_TOKEN)]
            request = b"".join(bytes([8 * n + 2, len(text)]) + text for n, text in enumerate(texts, 1))
            call = channel.unary_unary(METHOD).future(request, timeout=500)
            try:
                wait_for("the occupant's call at AWS", lambda: self.simulator.pending(job_id))
                yield call.cancel
            finally:
                call.cancel()

    def close(self):
        for process in [*self.shared.values(), self.simulator]:
            with contextlib.suppress(AssertionError):
                process.stop()

    def lost_jobs(self):
        """The jobs that CodePipeline gave away and that no worker believes to have.

        A job is lost if the simulator acknowledged it, and no caller of it got OK in progress (`yours`) or an error
        after which it may have happened (`unknown`). Such a worker drops the job, and it runs into its timeout.
        """
        kept = {answer["job_id"] for answer in self.answers if answer["verdict"] in ("yours", "unknown")}
        called = {answer["job_id"] for answer in self.answers}
        return sorted((self.simulator.acknowledged() & called) - kept)
