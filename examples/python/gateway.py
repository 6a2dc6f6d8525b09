"""Makes the calls of third-party jobs through codepipeline-gateway. Copy this file and service-config.json as they are."""

import random
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import grpc
from codepipeline.thirdparty.v1 import third_party_job_service_pb2 as api
from codepipeline.thirdparty.v1 import third_party_job_service_pb2_grpc as stubs
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status

SERVICE_CONFIG = Path(__file__).with_name("service-config.json")
# A retry can help. It does no harm if `outcome` says that nothing changed, or if the call is harmless.
REPEATABLE = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
# Calls that can be retried whatever their outcome is, also after an error that isn't the gateway's.
HARMLESS = ("PollForThirdPartyJobs", "GetThirdPartyJobDetails")
# Needs no identity and no request, and isn't in the service config, so it doesn't wait for a connection.
HEALTH = "/grpc.health.v1.Health/Check"
# Seconds. A shorter call could only end as `unknown`.
SHORTEST_CALL = 0.5


@dataclass(frozen=True)
class Answer:
    """The result of a call. Match errors on `reason` and `outcome`, never on `message`."""

    code: str
    status: str = ""
    aws_status: str = ""
    reason: str = ""
    outcome: str = ""
    # Attempts at AWS of the last call, and how many calls were made.
    attempts: int = 0
    calls: int = 1
    request_id: str = ""
    message: str = ""
    retry_after: float | None = None
    # The response. It can contain secrets.
    reply: object = field(default=None, repr=False)

    @property
    def verdict(self):
        """Of an acknowledge. `yours`: start the work. `not_yours`: don't. `unknown`: the job might be yours; don't retry
        automatically."""
        if self.status == "JOB_STATUS_IN_PROGRESS":
            return "yours"
        return "unknown" if self.outcome == "unknown" or self.status == "JOB_STATUS_UNSPECIFIED" else "not_yours"

    @property
    def nothing_happened(self):
        """The same call can be retried."""
        return self.code in REPEATABLE and self.outcome in ("not_sent", "rejected")

    @property
    def is_transient(self):
        """A retry of a harmless call can help. An error without a reason comes from a library or a proxy."""
        return self.code in REPEATABLE or (self.code != "OK" and not self.reason)


class Gateway:
    """Create one for the whole process: it keeps a connection to each replica. `target` is a headless Service:
    `dns:///codepipeline-gateway-headless:50051`."""

    def __init__(
        self, target, *, ca=None, cert=None, key=None, token_file=None, service_config=None, retries=3, timeout=10.0
    ):
        """The files are PEM; without `ca` it is plaintext. With `retries=0`, the library doesn't retry either.
        `timeout` is in seconds per call, retries included; a poll has its wait in addition."""
        self.target, self.retries, self.timeout = target, retries, timeout
        self.connected = False
        options = [
            ("grpc.service_config", Path(service_config or SERVICE_CONFIG).read_text("utf-8")),
            ("grpc.enable_retries", int(retries > 0)),
            # Detects a peer that disappeared, also between calls.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
        if ca is None:
            if token_file:
                raise ValueError("the token must be encrypted: token_file needs ca")
            self.channel = grpc.insecure_channel(target, options)
        else:
            files = [Path(file).read_bytes() if file else None for file in (ca, key, cert)]
            credentials = grpc.ssl_channel_credentials(*files)
            if token_file:
                token = grpc.metadata_call_credentials(BearerToken(token_file))
                credentials = grpc.composite_channel_credentials(credentials, token)
            self.channel = grpc.secure_channel(target, credentials, options)
        self.stub = stubs.ThirdPartyJobServiceStub(self.channel)

    def close(self):
        """Closes all connections and cancels the calls in flight."""
        self.channel.close()

    def poll(self, action_type, max_batch_size=1, wait=0.0):
        """Asks for jobs, and waits up to `wait` seconds for the first one. Retried after any UNAVAILABLE: AWS hands lost
        jobs out again."""
        request = api.PollForThirdPartyJobsRequest(action_type_id=action_type, max_batch_size=max_batch_size)
        request.wait.FromTimedelta(timedelta(seconds=wait))
        return self._retried("PollForThirdPartyJobs", request, wait)

    def details(self, job_id, client_token):
        """Reads a job. Retried after any UNAVAILABLE: the call changes nothing."""
        request = api.GetThirdPartyJobDetailsRequest(job_id=job_id, client_token=client_token)
        return self._retried("GetThirdPartyJobDetails", request)

    def acknowledge(self, job_id, nonce, client_token):
        """Takes a job. Retried only if the gateway says that nothing happened."""
        request = api.AcknowledgeThirdPartyJobRequest(job_id=job_id, nonce=nonce, client_token=client_token)
        answer = self._retried("AcknowledgeThirdPartyJob", request)
        if answer.reply is None:
            return answer
        # A newer gateway can know more statuses than these stubs.
        known = answer.reply.status in api.JobStatus.values()
        status = api.JobStatus.Name(answer.reply.status) if known else "JOB_STATUS_UNSPECIFIED"
        return replace(answer, status=status, aws_status=answer.reply.aws_status)

    def succeed(self, job_id, client_token, execution_details):
        """Ends a job with a success. Retried only if the gateway says that nothing happened."""
        request = api.PutThirdPartyJobSuccessResultRequest(
            job_id=job_id, client_token=client_token, execution_details=execution_details
        )
        return self._retried("PutThirdPartyJobSuccessResult", request)

    def fail(self, job_id, client_token, failure_details):
        """Ends a job with a failure. Retried only if the gateway says that nothing happened."""
        request = api.PutThirdPartyJobFailureResultRequest(
            job_id=job_id, client_token=client_token, failure_details=failure_details
        )
        return self._retried("PutThirdPartyJobFailureResult", request)

    def _retried(self, method, request, wait=0.0):
        end = time.monotonic() + wait + self.timeout
        for calls in range(1, self.retries + 2):
            answer = replace(self._call(method, request, end - time.monotonic()), calls=calls)
            repeatable = answer.nothing_happened or (method in HARMLESS and answer.is_transient)
            # At least the RetryInfo delay, and longer each time.
            pause = max(answer.retry_after or 0, 0.1 * 2**calls) * random.uniform(1, 1.2)
            if not repeatable or calls > self.retries or time.monotonic() + pause + SHORTEST_CALL > end:
                return answer
            time.sleep(pause)
        raise AssertionError("the last call returns")

    def _call(self, method, request, timeout):
        failure = self._connect(timeout)
        if failure:
            return failure
        try:
            reply, call = getattr(self.stub, method).with_call(request, timeout=timeout)
        except grpc.RpcError as error:
            return _failed(error)
        return Answer(code="OK", request_id=dict(call.initial_metadata()).get("x-request-id", ""), reply=reply)

    def _connect(self, timeout):
        """The error if there has never been a connection. The calls wait for one, so only the health check reports the cause."""
        if self.connected:
            return None
        try:
            self.channel.unary_unary(HEALTH)(b"", timeout=timeout)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                message = f"no connection to {self.target}: {error.details()}"
                return Answer(code=error.code().name, outcome="not_sent", message=message)
        self.connected = True
        return None


class BearerToken(grpc.AuthMetadataPlugin):
    """Reads the token for each call, because Kubernetes replaces a projected token before it expires."""

    def __init__(self, file):
        self.file = Path(file)

    def __call__(self, context, callback):
        try:
            callback((("authorization", f"Bearer {self.file.read_text('utf-8').strip()}"),), None)
        except OSError as error:
            callback((), error)


def _failed(error):
    # An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
    answer = Answer(code=error.code().name, message=error.details() or "", outcome="unknown")
    try:
        status = rpc_status.from_call(error)
    except (DecodeError, ValueError):
        # A proxy changed the code or the details.
        status = None
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            if info.domain == "codepipeline-gateway":
                outcome, attempts = info.metadata["outcome"] or "unknown", int(info.metadata["attempts"] or 0)
                answer = replace(answer, reason=info.reason, outcome=outcome, attempts=attempts)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo.FromString(detail.value)
            answer = replace(answer, retry_after=retry.retry_delay.ToTimedelta().total_seconds())
        elif detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request_id = error_details_pb2.RequestInfo.FromString(detail.value).request_id
            answer = replace(answer, request_id=request_id)
    return answer
