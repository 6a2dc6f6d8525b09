"""Jobs with artifacts, and the long poll: each client's worker uses the presigned requests and waits for jobs."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clients import Work
from house import wait_for
from scenarios import expect, fresh, plain, scenario
from workers import ACKNOWLEDGE, DETAILS, FAILURE, SUCCESS, new_action_type, waiting

BUCKET = "examples-artifacts"
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/examples"
POLLS = (
    'grpc_server_handled_total{grpc_type="unary",grpc_service="codepipeline.thirdparty.v1.ThirdPartyJobService",'
    'grpc_method="PollForThirdPartyJobs",grpc_code="OK"'
)
# Longer than a request works, and longer than the gateway's clock may be off.
QUARTER_HOUR = 15 * 60


def patient(house):
    """Polls for waiting workers as often as it can."""
    return house.gateway("patient", "--poll-interval", "1s")


def artifact(job_id, name, **fields):
    return {"name": name, "bucket_name": BUCKET, "object_key": f"{job_id}/{name} 1+.zip", **fields}


def with_artifacts(job_id, action_type, *faults, contents=("one,", "two"), seconds="0", **fields):
    """A job with an input artifact for each content, and an output artifact."""
    inputs = [artifact(job_id, f"In{number}", content=content) for number, content in enumerate(contents)]
    job = waiting(job_id, action_type, *faults, seconds=seconds)
    return job | {"input_artifacts": inputs, "output_artifacts": [artifact(job_id, "Out")]} | fields


def expect_upload(house, job_id, content, kms_key=None):
    found = house.simulator.uploaded(BUCKET, f"{job_id}/Out 1+.zip")
    assert found, "nothing was uploaded"
    assert found["content"] == content, f"the upload has {found['content']!r}"
    encryption, algorithm = found["encryption"], "aws:kms" if kms_key else "AES256"
    assert encryption["algorithm"] == algorithm, f"the upload is encrypted with {encryption}"
    assert encryption.get("kms_key_id") == kms_key, f"the upload is encrypted with {encryption}"


def expect_failure(house, job_id, kind):
    (end,) = house.simulator.ledger(job_id)["results"]
    assert end["failure"]["type"] == kind, f"ended as {end}"


KEYS = {
    "artifacts: the upload has the content of the downloads": None,
    "artifacts: with a KMS key, the upload is encrypted with it": KMS_KEY,
}


@scenario(*KEYS)
def artifacts_of_jobs(house, client):
    problems = {}
    for row, kms_key in KEYS.items():
        action_type, job_id = new_action_type(client), fresh(client, "artifacts")
        fields = {"encryption_key": {"id": kms_key}} if kms_key else {}
        house.simulator.put_jobs(with_artifacts(job_id, action_type, **fields))
        try:
            with Work(house, client, plain(house).address, action_type, jobs=1) as worker:
                expect(worker.line(), job_id=job_id, result="success")
            expect_upload(house, job_id, "one,two", kms_key)
            assert house.simulator.calls(job_id) == [DETAILS, ACKNOWLEDGE, SUCCESS], house.simulator.calls(job_id)
        except AssertionError as problem:
            problems[row] = str(problem)
    return problems


@contextlib.contextmanager
def clock(house, shift):
    house.simulator.shift_clock(shift)
    try:
        yield
    finally:
        house.simulator.shift_clock(0)


@scenario("artifacts: a request that has expired, the details are read again")
def expired_request(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "expired-request")
    house.simulator.put_jobs(with_artifacts(job_id, action_type, seconds="1"))
    with house.own_gateway("expired-request") as gateway, Work(house, client, gateway.address, action_type, jobs=1) as worker:
        wait_for("the acknowledge", lambda: house.simulator.ledger(job_id)["acknowledged"])
        with clock(house, QUARTER_HOUR):
            expect(worker.line(), job_id=job_id, result="success")
    expect_upload(house, job_id, "one,two")
    downloads = house.simulator.bucket_requests(f"{job_id}/In0 1+.zip")
    assert downloads == [("GET", 403), ("GET", 200)], f"the downloads were {downloads}"
    assert house.simulator.calls(job_id).count(DETAILS) >= 2, "the details were read once"


@scenario("artifacts: a request that expires soon, the details are read again")
def expiring_request(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "expiring")
    house.simulator.put_jobs(with_artifacts(job_id, action_type))
    # The gateway signs with the simulator's time, so a request works for half a minute of the worker's time.
    with clock(house, 30 - 14 * 60), house.own_gateway("expiring") as gateway:
        with Work(house, client, gateway.address, action_type, jobs=1) as worker:
            expect(worker.line(), job_id=job_id, result="success")
    expect_upload(house, job_id, "one,two")
    downloads = house.simulator.bucket_requests(f"{job_id}/In0 1+.zip")
    assert downloads == [("GET", 200)], f"the downloads were {downloads}"
    assert house.simulator.calls(job_id).count(DETAILS) >= 2, "the details were read once"


@scenario("artifacts: a missing object is RevisionUnavailable", "artifacts: a missing request is PermissionError")
def missing(house, client):
    problems = {}
    for row, kind, fields in (
        ("artifacts: a missing object is RevisionUnavailable", "RevisionUnavailable", {"contents": (None,)}),
        ("artifacts: a missing request is PermissionError", "PermissionError", {"artifact_credentials": False}),
    ):
        action_type, job_id = new_action_type(client), fresh(client, "missing")
        house.simulator.put_jobs(with_artifacts(job_id, action_type, **fields))
        try:
            with Work(house, client, plain(house).address, action_type, jobs=1) as worker:
                expect(worker.line(), job_id=job_id, result="failure")
            expect_failure(house, job_id, kind)
            ended = house.simulator.calls(job_id)
            assert ended[:2] == [DETAILS, ACKNOWLEDGE] and ended[-1] == FAILURE, f"the calls were {ended}"
        except AssertionError as problem:
            problems[row] = str(problem)
    return problems


class Bucket(ThreadingHTTPServer):
    """Answers each request with the next status, the last one again and again, and stores what it received."""

    def __init__(self, *statuses, content=b"content"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.received, self.content = list(statuses), [], content
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *ended):
        self.shutdown()
        super().__exit__(*ended)


class Handler(BaseHTTPRequestHandler):
    def respond(self):
        statuses = self.server.statuses
        status = statuses.pop(0) if statuses[1:] else statuses[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append((self.command, self.path.partition("?")[0], headers, body, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        # A client can stop to read a response that is too large.
        with contextlib.suppress(OSError):
            self.wfile.write(self.server.content)

    do_GET = do_PUT = respond

    def log_message(self, *_):
        pass


@scenario("artifacts: after 503 and 500, the same request again")
def failing_bucket(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "bucket")
    fields = {"encryption_key": {"id": KMS_KEY}}
    house.simulator.put_jobs(with_artifacts(job_id, action_type, contents=("",), **fields))
    with Bucket(503, 500, 200, 503, 200) as bucket, house.own_gateway("failing-bucket", bucket=bucket.url) as gateway:
        with Work(house, client, gateway.address, action_type, jobs=1) as worker:
            expect(worker.line(), job_id=job_id, result="success")
        seen = [(method, body, status) for method, _, _, body, status in bucket.received]
        get, put = ("GET", b""), ("PUT", b"content")
        assert seen == [(*get, 503), (*get, 500), (*get, 200), (*put, 503), (*put, 200)], f"the bucket got {seen}"
        _, path, headers, *_ = bucket.received[-1]
        assert path == f"/{BUCKET}/{job_id}/Out%201%2B.zip", f"the path was {path}"
        key = headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        assert key == KMS_KEY, f"the headers were {sorted(headers)}"
    assert house.simulator.calls(job_id) == [DETAILS, ACKNOWLEDGE, SUCCESS], house.simulator.calls(job_id)


BROKEN = {
    "artifacts: 503 again and again is SystemUnavailable": ("SystemUnavailable", 503, b"content", range(2, 10)),
    "artifacts: 403 again and again is PermissionError": ("PermissionError", 403, b"content", range(2, 10)),
    "artifacts: over 64 MiB is JobFailed": ("JobFailed", 200, bytes(64 * 2**20 + 1), range(1, 2)),
}


@scenario(*BROKEN)
def broken_buckets(house, client):
    problems = {}
    for row, (kind, status, content, requests) in BROKEN.items():
        action_type, job_id = new_action_type(client), fresh(client, "broken-bucket")
        house.simulator.put_jobs(with_artifacts(job_id, action_type))
        with Bucket(status, content=content) as bucket, house.own_gateway("broken-bucket", bucket=bucket.url) as gateway:
            with Work(house, client, gateway.address, action_type, jobs=1) as worker:
                expect(worker.line(), job_id=job_id, result="failure")
            try:
                expect_failure(house, job_id, kind)
                assert len(bucket.received) in requests, f"the bucket got {len(bucket.received)} requests"
            except AssertionError as problem:
                problems[row] = str(problem)
    return problems


# ---- the long poll ------------------------------------------------------------------------------------------------------


def waiters(gateway):
    return gateway.metric("codepipeline_gateway_poll_waiters")


@scenario("long poll: a job that comes late")
def late_job(house, client):
    action_type, job_id, first = new_action_type(client), fresh(client, "late"), fresh(client, "early")
    gateway = patient(house)
    house.simulator.put_jobs(waiting(first, action_type))
    with Work(house, client, gateway.address, action_type, jobs=2, wait=20, timeout=10) as worker:
        expect(worker.line(), job_id=first, result="success")
        wait_for("a waiting worker", lambda: waiters(gateway))
        time.sleep(2.5)
        assert waiters(gateway), "the worker no longer waits"
        house.simulator.put_jobs(waiting(job_id, action_type))
        expect(worker.line(), job_id=job_id, result="success")
        assert worker.end() == 0, "the exit code isn't 0"


@scenario("long poll: after an empty one, the next one follows immediately")
def empty_poll(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "after-empty")
    # Makes the action type known.
    house.simulator.put_jobs(waiting(fresh(client, "known"), action_type) | {"status": "Succeeded"})
    with house.own_gateway("empty", "--poll-interval", "1s") as gateway:
        options = {"wait": 1, "poll_interval": 1, "timeout": 10}
        with Work(house, client, gateway.address, action_type, jobs=1, **options) as worker:
            polls = lambda: gateway.metric(POLLS)
            wait_for("an empty poll", polls)
            time.sleep(3.5)
            assert polls() >= 3, f"{polls()} polls of a second in over three seconds"
            house.simulator.put_jobs(waiting(job_id, action_type))
            expect(worker.line(), job_id=job_id, result="success", code="OK")


@scenario("long poll: two places take a batch of two jobs")
def batch(house, client):
    action_type, ids = new_action_type(client), [fresh(client, "batch") for _ in range(3)]
    house.simulator.put_jobs(*(waiting(job_id, action_type, seconds="2") for job_id in ids))
    earlier = len(house.simulator.requests())
    with Work(house, client, patient(house).address, action_type, jobs=3, places=2, wait=20, timeout=10) as worker:
        ended = [worker.line() for _ in ids]
        assert worker.end() == 0, "the exit code isn't 0"
    assert {line["job_id"] for line in ended} == set(ids), f"the jobs were {ended}"
    assert {line["result"] for line in ended} == {"success"}, f"the results were {ended}"
    dispatched = [house.simulator.ledger(job_id)["dispatched"] for job_id in ids]
    assert dispatched == [1, 1, 1], f"dispatched {dispatched} times"
    calls = [record["operation"] for record in house.simulator.requests()[earlier:]]
    before = calls[: calls.index(SUCCESS)]
    expected = ["PollForThirdPartyJobs", ACKNOWLEDGE, ACKNOWLEDGE, DETAILS, DETAILS]
    assert sorted(before) == sorted(expected), f"before the first result, the calls were {before}"
