"""The parties: CodePipeline's simulator, boto3, and the gateway. Each call has AWS's names and shapes."""

import json
import os
import re
import sys
import urllib.request
from dataclasses import dataclass, field
from datetime import timezone
from importlib.resources import files

import boto3
import botocore.config
import botocore.exceptions
import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

from forms import in_proto_form, without_empty, without_keys
from model import FAILURE_TYPES, FIELDS, REQUIRED, SECRETS, gateway_violations, value_at

PROTO = "codepipeline/thirdparty/v1/third_party_job_service.proto"
# The gateway rejects a larger message as a whole, and then names no fields.
MESSAGE_LIMIT = 64 * 1024
INVALID = frozenset({"ValidationException", "ValidationError"})

# Operation → boto3's method, and the proto file's name.
METHODS = {
    "poll": ("poll_for_third_party_jobs", "PollForThirdPartyJobs"),
    "details": ("get_third_party_job_details", "GetThirdPartyJobDetails"),
    "acknowledge": ("acknowledge_third_party_job", "AcknowledgeThirdPartyJob"),
    "success": ("put_third_party_job_success_result", "PutThirdPartyJobSuccessResult"),
    "failure": ("put_third_party_job_failure_result", "PutThirdPartyJobFailureResult"),
}


@dataclass(frozen=True)
class Verdict:
    """The result of a call: a response in the proto file's form, or an AWS error code and its fields."""

    result: object = None
    aws_code: str | None = None
    fields: frozenset = field(default_factory=frozenset)
    # The history of the job after the call.
    history: object = None
    # What else this side says, for the report.
    said: str = ""


class Simulator:
    """CodePipeline's control side: fresh jobs, faults for their next calls, and their history."""

    def __init__(self, address):
        self.url = f"http://{address}"
        # The jobs of polls, by their ids.
        self.polled = {}

    def prepare(self, case):
        """Puts the case's jobs as if they had never been called."""
        self.send("DELETE", "faults")
        name = METHODS[case.operation][1]
        # As often as the gateway may try.
        faults = [{"operation": name, "fault": fault, "times": 10} for fault in case.faults]
        for fault in faults:
            self.send("POST", "faults", fault)
        jobs = list(case.jobs)
        if case.operation == "poll":
            # An earlier case's job must not be due.
            ids = {job["id"] for job in jobs}
            jobs += [job | {"status": "Succeeded"} for id, job in self.polled.items() if id not in ids]
            self.polled.update((job["id"], job) for job in case.jobs)
        if jobs:
            assert self.send("PUT", "jobs", {"jobs": jobs})["added"] == len(jobs)

    def history(self, job_id):
        """What happened to a job. The id of the job that continues it is a new one each time."""
        (found,) = [entry for entry in self.send("GET", "ledger")["ledger"] if entry["job_id"] == job_id]
        for result in found["results"]:
            if "next_job_id" in result.get("success", {}):
                result["success"]["next_job_id"] = "(new)"
        return found

    def send(self, method, path, document=None):
        body = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class Boto3:
    """boto3, one attempt a call. With `validates` it checks lengths itself before it sends anything."""

    def __init__(self, simulator, validates):
        self.client = boto3.client(
            "codepipeline",
            endpoint_url=simulator.url,
            region_name="eu-west-1",
            aws_access_key_id="AKIAFAKEFAKEFAKEFAKE",
            aws_secret_access_key="fake-secret-access-key-for-the-simulator",
            config=botocore.config.Config(
                retries={"total_max_attempts": 1},
                parameter_validation=validates,
                connect_timeout=5,
                read_timeout=10,
                proxies={},
            ),
        )

    def call(self, operation, call):
        try:
            answer = getattr(self.client, METHODS[operation][0])(**call)
        except botocore.exceptions.ParamValidationError as error:
            said = type(error).__name__
            return Verdict(aws_code="ValidationException", fields=named(str(error)), said=said)
        except botocore.exceptions.ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            fields = named_by_aws(operation, message) if code in INVALID else frozenset()
            return Verdict(aws_code=code, fields=fields, said=message[:200])
        return Verdict(result=in_proto_form(operation, answer))


def named_by_aws(operation, message):
    """The fields in AWS's message. It repeats the values, and a hostile one can look like a field."""
    found = re.findall(r"at '([\w.]+)' failed", message)
    return frozenset(found).intersection({*FIELDS[operation], *REQUIRED.get(operation, ())})


def named(text):
    """The fields that boto3's own validation names."""
    broken = re.findall(r"Invalid \w+ for parameter ([\w.]+),", text)
    missing = re.findall(r'Missing required parameter in (\S+): "(\w+)"', text)
    return frozenset(broken + [name if of == "input" else f"{of}.{name}" for of, name in missing])


class Gateway:
    """The gateway, by stubs made from the proto files."""

    def __init__(self, address, proto, scratch):
        arguments = [
            "protoc",
            f"--proto_path={proto}",
            # Google's own, such as google/protobuf/timestamp.proto.
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={scratch}",
            f"--grpc_python_out={scratch}",
            PROTO,
        ]
        if protoc.main(arguments) != 0:
            sys.exit(f"no stubs could be made from {proto}")
        sys.path.insert(0, scratch)
        from codepipeline.thirdparty.v1 import third_party_job_service_pb2 as messages
        from codepipeline.thirdparty.v1 import third_party_job_service_pb2_grpc as services

        self.messages = messages
        # No retries of grpcio's own, and no proxy of this machine's.
        options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
        self.stub = services.ThirdPartyJobServiceStub(grpc.insecure_channel(address, options))

    def call(self, operation, call):
        """The verdict, an error's gRPC code, reason, and outcome, and what is wrong with its form."""
        name = METHODS[operation][1]
        request = getattr(self.messages, f"{name}Request")()
        self.fill(request, operation, "", call)
        too_large = request.ByteSize() > MESSAGE_LIMIT
        try:
            answer = getattr(self.stub, name)(request, timeout=20)
        except grpc.RpcError as error:
            return self.error(error, operation, call, too_large)
        result = MessageToDict(answer, preserving_proto_field_name=True)
        if "job_details" in result:
            without_keys(result["job_details"])
        return Verdict(result=without_empty(result)), None, []

    def fill(self, message, operation, path, call):
        """Writes AWS's members into the proto message."""
        for name, value in call.items():
            proto = re.sub(r"([A-Z])", lambda letter: f"_{letter[0].lower()}", name)
            if isinstance(value, dict):
                inner = getattr(message, proto)
                inner.SetInParent()
                self.fill(inner, operation, f"{name}.", value)
            elif name == "created":
                message.created.FromDatetime(value.astimezone(timezone.utc).replace(tzinfo=None))
            elif f"{path}{name}" == "failureDetails.type":
                message.type = self.failure_type(value)
            else:
                setattr(message, proto, value)

    def failure_type(self, value):
        """The enum's number. A type that doesn't exist gets a number that doesn't."""
        if value not in FAILURE_TYPES:
            return 99 if value else 0
        return self.messages.FailureType.Value(FAILURE_TYPES[value])

    def error(self, error, operation, call, too_large):
        info, fields, wrong = None, set(), []
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                violations = error_details_pb2.BadRequest.FromString(detail.value).field_violations
                fields = {violation.field for violation in violations}
        if info is None:
            return Verdict(), None, [f"{error.code()} without ErrorInfo: {error.details()}"]
        if info.domain != "codepipeline-gateway":
            wrong.append(f"the domain is {info.domain!r}")
        # A short secret may be a word of an ordinary sentence; a long one is no accident.
        for secret in (value_at(call, name) or "" for name in SECRETS):
            if len(secret) >= 20 and (secret in error.details() or secret in str(status)):
                wrong.append("the error shows a secret")
        pushes_back = dict(error.trailing_metadata()).get("grpc-retry-pushback-ms") == "-1"
        if pushes_back != (info.metadata["outcome"] == "unknown" and operation not in ("poll", "details")):
            wrong.append("grpc-retry-pushback-ms is for an unknown outcome that forbids a retry")
        by_proto = {known.proto: path for path, known in FIELDS[operation].items()}
        found = frozenset(by_proto.get(name, name) for name in fields)
        aws_code = info.metadata.get("awsErrorCode")
        if info.reason == "INVALID_REQUEST":
            # The gateway's own verdict, before AWS was asked: it has to be AWS's.
            aws_code = "ValidationException"
            found = gateway_violations(operation, call) if too_large and not found else found
        elif aws_code is None:
            aws_code = info.metadata.get("httpStatus")
        grpc_error = (error.code().name, info.reason, info.metadata["outcome"])
        said = f"{' '.join(grpc_error)}: {error.details()}"
        return Verdict(aws_code=aws_code, fields=found, said=said), grpc_error, wrong


def isolate():
    """Nothing of this machine's own AWS configuration counts."""
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true"
    )
