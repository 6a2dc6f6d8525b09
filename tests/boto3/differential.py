"""The same call by boto3 to CodePipeline's simulator and by gRPC to the gateway: both have to mean the same.

Three calls for each case, each to a fresh job with the same values:

- boto3 as people use it, which refuses some values itself before it sends them;
- boto3 with its own validation off, so that AWS's (here: the simulator's) verdict is the one that is seen;
- the gateway, by grpcio with stubs made from proto/ on the spot.

"The same" is: success with the same status; or AWS's error code on one side, and on the other the gRPC code, reason,
outcome and `awsErrorCode` that the error table gives it; and for invalid values, the same fields named. Every case also
says what it expects, so that two wrong answers of one kind don't pass.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import urllib.request
from dataclasses import dataclass, field

import boto3
import botocore.config
import botocore.exceptions
import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

from cases import ERRORS, FIELDS, STATUSES, all_cases

# Fewer cases than this is not a green run, it is a broken table.
AT_LEAST = 100
PROTO = "codepipeline/thirdparty/v1/third_party_job_service.proto"
# The gateway refuses a larger message whole, and then names no fields.
MESSAGE_LIMIT = 64 * 1024
INVALID = frozenset({"ValidationException", "ValidationError"})


@dataclass(frozen=True)
class Verdict:
    """What a call came to. `aws_code` is AWS's word for an error, `fields` the refused ones by AWS's names."""

    status: str | None = None
    aws_code: str | None = None
    fields: frozenset = field(default_factory=frozenset)
    # What else this side says, for the report.
    said: str = ""


class Simulator:
    """CodePipeline's control side: fresh jobs, and faults for their next calls."""

    def __init__(self, address):
        self.url = f"http://{address}"

    def prepare(self, case):
        """Puts the case's job as if it had never been called."""
        if case.job is None:
            return
        job = {"id": case.job.jobId, "nonce": case.job.nonce, "client_token": case.job.clientToken}
        if case.faults:
            # As often as the gateway may try.
            job["faults"] = [{"fault": fault, "times": 10} for fault in case.faults]
        if case.taken:
            job["status"] = "InProgress"
        body = json.dumps({"jobs": [job]}, ensure_ascii=False).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/jobs", body, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["added"] == 1


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

    def acknowledge(self, values):
        try:
            answer = self.client.acknowledge_third_party_job(
                jobId=values.jobId, nonce=values.nonce, clientToken=values.clientToken
            )
        except botocore.exceptions.ParamValidationError as error:
            fields = frozenset(re.findall(r"Invalid length for parameter (\w+),", str(error)))
            return Verdict(aws_code="ValidationException", fields=fields, said="ParamValidationError")
        except botocore.exceptions.ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            fields = frozenset(re.findall(r"at '(\w+)' failed", message)) if code in INVALID else frozenset()
            return Verdict(aws_code=code, fields=fields, said=message[:200])
        return Verdict(status=answer.get("status", ""))


class Gateway:
    """The gateway, by stubs made from the proto files."""

    def __init__(self, address, proto, scratch):
        arguments = [
            "protoc",
            f"--proto_path={proto}",
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

    def acknowledge(self, values):
        """The verdict, the gRPC error's (code, reason, outcome, metadata) if it is one, and what is wrong with its form."""
        request = self.messages.AcknowledgeThirdPartyJobRequest(
            job_id=values.jobId, nonce=values.nonce, client_token=values.clientToken
        )
        too_large = request.ByteSize() > MESSAGE_LIMIT
        try:
            answer = self.stub.AcknowledgeThirdPartyJob(request, timeout=20)
        except grpc.RpcError as error:
            return self.error(error, values, too_large)
        name = self.messages.JobStatus.Name(answer.status)
        expected = STATUSES.get(answer.aws_status, "JOB_STATUS_UNSPECIFIED")
        wrong = [] if name == expected else [f"status is {name}, aws_status {answer.aws_status!r}"]
        return Verdict(status=answer.aws_status), None, wrong

    def error(self, error, values, too_large):
        info, fields, wrong = None, set(), []
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                fields = {v.field for v in error_details_pb2.BadRequest.FromString(detail.value).field_violations}
        if info is None:
            return Verdict(), None, [f"{error.code()} without ErrorInfo: {error.details()}"]
        if info.domain != "codepipeline-gateway":
            wrong.append(f"the domain is {info.domain!r}")
        # A short nonce may be a word of an ordinary sentence; a long one is no accident.
        for secret in (values.nonce, values.clientToken):
            if len(secret) >= 20 and (secret in error.details() or secret in str(status)):
                wrong.append("the error shows a secret")
        trailers = dict(error.trailing_metadata())
        if ("-1" == trailers.get("grpc-retry-pushback-ms")) != (info.metadata["outcome"] == "unknown"):
            wrong.append("grpc-retry-pushback-ms has to be there for an unknown outcome and for no other")
        proto_names = {proto: aws for aws, (proto, _) in FIELDS.items()}
        named = frozenset(proto_names.get(name, name) for name in fields)
        aws_code = info.metadata.get("awsErrorCode")
        if info.reason == "INVALID_REQUEST":
            # The gateway's own verdict, before AWS was asked: it has to be AWS's.
            aws_code = "ValidationException"
            named = values.violations() if too_large and not named else named
        elif aws_code is None:
            aws_code = info.metadata.get("httpStatus")
        grpc_error = (error.code().name, info.reason, info.metadata["outcome"])
        return (
            Verdict(aws_code=aws_code, fields=named, said=f"{' '.join(grpc_error)}: {error.details()}"),
            grpc_error,
            wrong,
        )


def compare(case, validating, plain, gateway, grpc_error):
    """What is wrong with these three verdicts; nothing if all is well."""
    wrong = []
    is_error = case.expect in ERRORS
    by_boto3 = case.expect_of_boto3 or case.expect
    refused = case.call.violations()
    for name, verdict, expected in (
        ("boto3", plain, by_boto3),
        ("boto3 with its own validation", validating, by_boto3),
        ("the gateway", gateway, case.expect),
    ):
        if (verdict.status, verdict.aws_code) != ((None, expected) if is_error else (expected, None)):
            wrong.append(f"{name} has {verdict}, expected {expected!r}")
    if plain.fields != refused:
        wrong.append(f"AWS names {sorted(plain.fields)}, the limits are broken by {sorted(refused)}")
    if gateway.fields != plain.fields:
        wrong.append(f"the gateway names {sorted(gateway.fields)}, AWS {sorted(plain.fields)}")
    # boto3 itself knows the lower limits only.
    if validating.said == "ParamValidationError" and not validating.fields or not validating.fields <= plain.fields:
        wrong.append(f"boto3 names {sorted(validating.fields)}, AWS {sorted(plain.fields)}")
    if is_error and grpc_error is not None:
        by_gateway = ("INVALID_ARGUMENT", "INVALID_REQUEST", "not_sent")
        meant = by_gateway if refused else ERRORS[case.expect]
        if grpc_error != meant:
            wrong.append(f"the gateway says {grpc_error}, the table {meant}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proto", required=True, help="the folder with the proto files")
    parser.add_argument("--gateway", required=True, help="HOST:PORT of its gRPC")
    parser.add_argument("--simulator", required=True, help="HOST:PORT")
    parser.add_argument("--only", default="", help="run the cases whose name has this text")
    options = parser.parse_args()
    # Nothing of this machine's own AWS configuration counts.
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true"
    )

    cases = [case for case in all_cases() if options.only in case.name]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        simulator = Simulator(options.simulator)
        validating, plain = Boto3(simulator, True), Boto3(simulator, False)
        gateway = Gateway(options.gateway, options.proto, scratch)
        for case in cases:
            simulator.prepare(case)
            from_validating = validating.acknowledge(case.call)
            simulator.prepare(case)
            from_plain = plain.acknowledge(case.call)
            simulator.prepare(case)
            from_gateway, grpc_error, wrong = gateway.acknowledge(case.call)
            wrong += compare(case, from_validating, from_plain, from_gateway, grpc_error)
            if wrong:
                failed += 1
                print(f"NOT OK  {case.name}", *wrong, sep="\n        ")
    print(f"{len(cases) - failed} passed, {failed} failed")
    if len(cases) < AT_LEAST and not options.only:
        sys.exit(f"only {len(cases)} cases ran; there are at least {AT_LEAST}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
