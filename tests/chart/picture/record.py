"""Runs a simulator, two gateways, a load with some failures, and a Prometheus that records it, then draws the picture."""

import argparse
import contextlib
import datetime
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import grpc
from board import ROOT
from google.protobuf.duration_pb2 import Duration
from grpc_tools import protoc

PROTO = "codepipeline/thirdparty/v1/third_party_job_service.proto"
ACTION = {"category": "Test", "owner": "ThirdParty", "provider": "FakeProvider", "version": "1"}
PODS = ["gateway-5d5d5d5d5d-x0001", "gateway-5d5d5d5d5d-x0002"]


def free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


class Credentials(http.server.BaseHTTPRequestHandler):
    """The simulator's keys for six hours, as EKS Pod Identity's agent returns credentials."""

    def do_GET(self):
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)
        body = json.dumps({
            "AccessKeyId": "ASIAFAKEFAKEFAKEFAKE",
            "SecretAccessKey": "fake-secret-access-key-for-a-session",
            "Token": "fake-session-token-for-the-simulator",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def stubs(scratch):
    """The service's messages and stub, made from the proto file."""
    google = f"--proto_path={files('grpc_tools') / '_proto'}"
    made = protoc.main(["protoc", f"--proto_path={ROOT / 'proto'}", google, f"--python_out={scratch}", f"--grpc_python_out={scratch}", PROTO])
    assert made == 0
    sys.path.insert(0, scratch)
    from codepipeline.thirdparty.v1 import third_party_job_service_pb2 as messages
    from codepipeline.thirdparty.v1 import third_party_job_service_pb2_grpc as services

    return messages, services.ThirdPartyJobServiceStub


def started(running, *command, **variables):
    """Starts a program that ends with this one."""
    environment = {"PATH": os.environ["PATH"], **variables}
    program = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running.callback(lambda: (program.terminate(), program.wait(timeout=30)))
    return program


def wait_for(url, seconds=60):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(url, timeout=5).read()
        assert time.monotonic() < end, f"{url} doesn't respond"
        time.sleep(0.2)


class Load:
    """Workers that process jobs, and a source of jobs and faults."""

    def __init__(self, simulator, gateways, scratch):
        self.messages, stub = stubs(scratch)
        options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
        self.stubs = [stub(grpc.insecure_channel(address, options)) for address in gateways]
        self.control, self.random, self.over = f"http://{simulator}/_simulator", random.Random(1), threading.Event()

    def send(self, path, body, method):
        request = urllib.request.Request(f"{self.control}/{path}", json.dumps(body).encode(), method=method)
        urllib.request.urlopen(request, timeout=10).read()

    def jobs(self, seconds):
        """Adds jobs, more in the middle, and lets AWS fail now and then."""
        start, number = time.monotonic(), 0
        while not self.over.wait(0.5):
            at = (time.monotonic() - start) / seconds
            count = 2 + int(6 * (1 - abs(2 * at - 1)))
            jobs = [{"id": f"job-{number + each}", "nonce": "fake-nonce", "client_token": "fake-client-token", "status": "Queued"} for each in range(count)]
            number += count
            self.send("jobs", {"jobs": jobs}, "PUT")
            if 0.35 < at < 0.45:
                self.send("faults", {"times": 8, "operation": "GetThirdPartyJobDetails", "fault": {"error": {"code": "ThrottlingException"}}}, "POST")
            if self.random.random() < 0.1:
                self.send("faults", {"operation": "PutThirdPartyJobSuccessResult", "fault": {"delay": {"ms": 700}}}, "POST")
            if 0.7 < at < 0.75:
                self.send("faults", {"times": 2, "operation": "AcknowledgeThirdPartyJob", "fault": {"answer": {"http_status": 503}}}, "POST")

    def work(self, stub):
        """One worker: polls, then processes the jobs."""
        new = self.messages
        while not self.over.is_set():
            wanted = new.PollForThirdPartyJobsRequest(action_type_id=new.ActionTypeId(**ACTION), max_batch_size=4, wait=Duration(seconds=5))
            with contextlib.suppress(grpc.RpcError):
                for job in stub.PollForThirdPartyJobs(wanted, timeout=10).jobs:
                    self.process(stub, job.job_id)

    def process(self, stub, job):
        new, own = self.messages, {"job_id": job, "client_token": "fake-client-token"}
        with contextlib.suppress(grpc.RpcError):
            nonce = stub.GetThirdPartyJobDetails(new.GetThirdPartyJobDetailsRequest(**own), timeout=10).job_details.nonce
            # Some workers come second.
            for _ in range(1 if self.random.random() < 0.95 else 2):
                stub.AcknowledgeThirdPartyJob(new.AcknowledgeThirdPartyJobRequest(nonce=nonce, **own), timeout=10)
            stub.PutThirdPartyJobSuccessResult(new.PutThirdPartyJobSuccessResultRequest(**own), timeout=10)

    def run(self, seconds):
        threads = [threading.Thread(target=self.jobs, args=(seconds,))]
        threads += [threading.Thread(target=self.work, args=(stub,)) for stub in self.stubs for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.over.set()
        for thread in threads:
            thread.join()


def prometheus(running, scratch, admins):
    """Starts Prometheus with the labels that Kubernetes gives a pod. Returns its address."""
    targets = [{"targets": [admin], "labels": {"namespace": "gateways", "pod": pod}} for admin, pod in zip(admins, PODS)]
    config = {"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": [{"job_name": "gateways", "static_configs": targets}]}
    (Path(scratch) / "prometheus.json").write_text(json.dumps(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    storage = [f"--config.file={scratch}/prometheus.json", f"--storage.tsdb.path={scratch}/tsdb", f"--web.listen-address={address}"]
    started(running, "prometheus", *storage)
    wait_for(f"http://{address}/-/ready")
    return address


def gateways(running, gateway, simulator, credentials):
    """Starts a gateway for each pod. Returns the addresses for gRPC and of the admin ports."""
    addresses = [(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}") for _ in PODS]
    for grpc_addr, admin in addresses:
        flags = [f"--grpc-addr={grpc_addr}", f"--admin-addr={admin}", "--poll-interval=1s", "--shutdown-delay=0s", "--auth=none"]
        aws = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_CODEPIPELINE": f"http://{simulator}", "AWS_EC2_METADATA_DISABLED": "true"}
        started(running, gateway, "serve", *flags, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://{credentials}/", **aws)
    for _, admin in addresses:
        wait_for(f"http://{admin}/readyz")
    return [each for each, _ in addresses], [each for _, each in addresses]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", type=Path, required=True)
    parser.add_argument("--draw", type=Path, required=True, help="a Python with matplotlib")
    parser.add_argument("--seconds", type=int, default=180)
    arguments = parser.parse_args()
    assert arguments.seconds >= 60, "the shortest window of a query is 20 s, and the longest 5 minutes"
    with contextlib.ExitStack() as running:
        scratch = running.enter_context(tempfile.TemporaryDirectory())
        agent = running.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Credentials))
        threading.Thread(target=agent.serve_forever, daemon=True).start()
        running.callback(agent.shutdown)
        simulator = f"127.0.0.1:{free_port()}"
        started(running, arguments.gateway, "simulator", "--addr", simulator)
        wait_for(f"http://{simulator}/_simulator/jobs")
        grpc_addrs, admins = gateways(running, arguments.gateway, simulator, f"127.0.0.1:{agent.server_port}")
        address = prometheus(running, scratch, admins)
        start = time.time()
        Load(simulator, grpc_addrs, scratch).run(arguments.seconds)
        script = Path(__file__).with_name("draw.py")
        subprocess.run([arguments.draw, "-B", script, f"http://{address}", str(start), str(time.time())], check=True)


main()
