"""The gateway's presigned requests against botocore's, for generated artifacts.

Each gateway has a region of its own and reads generated jobs from CodePipeline's simulator. For each
artifact, botocore presigns the same operation with the same keys, headers, and time. Host and path must be
equal character by character. The parameters with the signature must be equal in any order. The AWS SDK for
Rust adds the parameter `x-id`, so botocore gets it too before it signs.

A gateway with a FIPS or dual-stack endpoint can't call a simulator. For these, `check` prints the endpoint
of S3, which must be botocore's.
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import botocore.exceptions
import botocore.session
from botocore.config import Config

from clients import Gateway, Simulator, isolate

SEED = 20260115
JOBS = 25
ARTIFACTS = 4
VALIDITY = 14 * 60

# One of each partition that botocore knows, and two whose endpoints have a history.
REGIONS = (
    "eu-west-1",
    "us-east-1",
    "ap-southeast-3",
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eusc-de-east-1",
)
# Other endpoints than AWS's, with the place of the bucket. An IP address has no subdomains, but botocore
# makes some over plain http.
ENDPOINTS = {
    "http://127.0.0.1:4599": "path",
    "https://10.0.0.1:8443/base": "path",
    "https://s3.test": "virtual",
}

SESSION = botocore.session.Session()
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAFAKEFAKEFAKEFAKE",
    "AWS_SECRET_ACCESS_KEY": "fake-secret-access-key-for-the-simulator",
}
BUCKET_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
PARTS = (" ", "+", "?", "#", "%", "%2F", "&", "=", "//", "/", "/./", "/../", ".", "..", "~")
MARKS = ("!*'();:@,[]$", '"<>\\^`{|}', "-_.", "\t", "\n", "\x01", "\x7f", "\u202e")
TEXTS = ("a", "Z9", "é", "e\u0301", "界", "🦀", "zip", "artifact-1")


def key(generated):
    while True:
        parts = [generated.choice(PARTS + MARKS + TEXTS) for _ in range(generated.randint(1, 12))]
        # The SDK refuses a key of blanks alone.
        if "".join(parts).strip():
            return "".join(parts)


def bucket(generated):
    letters = "".join(generated.choice(BUCKET_LETTERS) for _ in range(generated.randint(3, 30)))
    return generated.choice(("", "a-", "a.", "A", "a_", "1.2.3.")) + letters


def job(generated, number):
    def artifacts(kind):
        return [
            {"name": f"{kind}-{n}", "bucket_name": bucket(generated), "object_key": key(generated)}
            for n in range(ARTIFACTS)
        ]

    found = {"id": f"presigned-{number}", "nonce": "nonce-1", "client_token": "token-1"}
    found |= {"input_artifacts": artifacts("in"), "output_artifacts": artifacts("out")}
    if number % 2:
        found["encryption_key"] = {"id": f"arn:aws:kms:eu-west-1:123456789012:key/{number}", "type": "KMS"}
    return found


def environment(region, **more):
    return {"HOME": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": region, **KEYS, **more}


def free_address():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


@contextmanager
def serve(program, simulator, region, endpoint):
    """A gateway in this region, at this endpoint of S3. Gives its address."""
    variables = environment(region, AWS_ENDPOINT_URL_CODEPIPELINE=simulator.url)
    if endpoint:
        variables["AWS_ENDPOINT_URL_S3"] = endpoint
    address = free_address()
    arguments = [program, "serve", "--grpc-addr", address, "--admin-addr", free_address()]
    arguments += ["--artifact-credentials", "include", "--shutdown-delay", "0s", "--log-level", "warn"]
    gateway = subprocess.Popen(arguments, env=variables)
    try:
        end = time.monotonic() + 30
        while subprocess.run([program, "health", "--addr", address], capture_output=True).returncode:
            if gateway.poll() is not None or time.monotonic() > end:
                sys.exit(f"the gateway for {region} isn't ready")
            time.sleep(0.05)
        yield address
    finally:
        gateway.terminate()
        gateway.wait()


def botocore_client(region, endpoint=None, keys=None, **more):
    config = Config(
        signature_version="s3v4",
        # The rules that all SDKs share, instead of botocore's older ones: the region's own endpoint, and
        # the bucket in the host where possible.
        s3={
            "us_east_1_regional_endpoint": "regional",
            "addressing_style": ENDPOINTS.get(endpoint, "virtual"),
        },
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **more,
    )
    return SESSION.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key_id if keys else "x",
        aws_secret_access_key=keys.secret_access_key if keys else "x",
        aws_session_token=keys.session_token if keys else None,
        config=config,
    )


def add_operation(request, operation_name, **_):
    """What the AWS SDK for Rust adds to the URL."""
    request.url += f"{'&' if '?' in request.url else '?'}x-id={operation_name}"


def expected_url(client, operation, artifact, headers, at):
    """The URL that botocore presigns at this time."""
    parameters = {"Bucket": artifact.bucket_name, "Key": artifact.object_key}
    if headers:
        parameters["ServerSideEncryption"] = headers["x-amz-server-side-encryption"]
        parameters["SSEKMSKeyId"] = headers["x-amz-server-side-encryption-aws-kms-key-id"]
    with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: at):
        return client.generate_presigned_url(operation, Params=parameters, ExpiresIn=VALIDITY)


def differences(operation, artifact, client, key_id):
    """What is wrong with the request for an artifact; nothing if all is well."""
    request = artifact.request
    if not request.url:
        return ["no request"]
    headers = dict(request.headers)
    wanted = {}
    if key_id and operation == "put_object":
        wanted["x-amz-server-side-encryption"] = "aws:kms"
        wanted["x-amz-server-side-encryption-aws-kms-key-id"] = key_id
    if headers != wanted:
        return [f"the headers are {headers}, expected {wanted}"]
    wrong = []
    found = urlsplit(request.url)
    query = dict(parse_qsl(found.query, keep_blank_values=True))
    at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    if request.expires_at.seconds != at.timestamp() + VALIDITY:
        wrong.append(f"expires_at is {request.expires_at}, signed at {at}")
    expected = urlsplit(expected_url(client, operation, artifact, headers, at))
    address, expected_address = (url.geturl().split("?")[0] for url in (found, expected))
    if address != expected_address:
        wrong.append(f"the address is {address}, expected {expected_address}")
    if query != dict(parse_qsl(expected.query, keep_blank_values=True)):
        wrong.append(f"the query is {found.query}, expected {expected.query}")
    return wrong


def read(gateway, number):
    request = gateway.messages.GetThirdPartyJobDetailsRequest(
        job_id=f"presigned-{number}", client_token="token-1"
    )
    return gateway.stub.GetThirdPartyJobDetails(request, timeout=20).job_details.data


def check_region(options, simulator, scratch, region, endpoint):
    """Compares the requests of all jobs. Returns how many there were and how many were wrong."""
    generated = random.Random(f"{SEED} {region} {endpoint}")
    jobs = [job(generated, number) for number in range(JOBS)]
    assert simulator.send("PUT", "jobs", {"jobs": jobs})["added"] == len(jobs)
    count = failed = 0
    with serve(options.program, simulator, region, endpoint) as address:
        gateway = Gateway(address, options.proto, scratch)
        for number in range(JOBS):
            data = read(gateway, number)
            client = botocore_client(region, endpoint, data.artifact_credentials)
            client.meta.events.register("before-sign.s3", add_operation)
            signed = [("get_object", one) for one in data.input_artifacts]
            signed += [("put_object", one) for one in data.output_artifacts]
            for operation, artifact in signed:
                count += 1
                wrong = differences(operation, artifact, client, data.encryption_key.id)
                if wrong:
                    failed += 1
                    place = f"{operation} {artifact.bucket_name!r} {artifact.object_key!r}"
                    print(f"NOT OK  {region} {endpoint or ''} {place}", *wrong, sep="\n        ")
    return count, failed


def botocore_endpoint(region, fips, dual_stack):
    """botocore's endpoint of S3, or None if there is none."""
    try:
        client = botocore_client(region, use_fips_endpoint=fips, use_dualstack_endpoint=dual_stack)
        url = urlsplit(client.generate_presigned_url("list_buckets"))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        return None
    return f"{url.scheme}://{url.netloc}"


def check_endpoint(program, region, fips, dual_stack):
    """Whether the endpoints of `check` and of botocore are equal."""
    switches = {"AWS_USE_FIPS_ENDPOINT": fips, "AWS_USE_DUALSTACK_ENDPOINT": dual_stack}
    variables = environment(region, **{name: str(on).lower() for name, on in switches.items()})
    ended = subprocess.run([program, "check"], env=variables, capture_output=True, text=True)
    lines = [line.split()[-1] for line in ended.stdout.splitlines() if line.startswith("S3 endpoint:")]
    found = lines[0] if lines else None
    expected = botocore_endpoint(region, fips, dual_stack)
    if found == expected and (found or ended.returncode == 64):
        return True
    print(f"NOT OK  {region} {switches}: {found}, expected {expected}", ended.stderr, sep="\n")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proto", required=True, help="the folder with the proto files")
    parser.add_argument("--program", required=True, help="the gateway's program")
    parser.add_argument("--simulator", required=True, help="HOST:PORT")
    options = parser.parse_args()
    isolate()

    simulator = Simulator(options.simulator)
    total = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        places = [(region, None) for region in REGIONS]
        places += [("eu-west-1", endpoint) for endpoint in ENDPOINTS]
        for region, endpoint in places:
            count, wrong = check_region(options, simulator, scratch, region, endpoint)
            total, failed = total + count, failed + wrong
    print(f"{total - failed} presigned requests are botocore's, {failed} are not")
    switches = [(fips, dual_stack) for fips in (False, True) for dual_stack in (False, True)]
    endpoints = [check_endpoint(options.program, region, *on) for region in REGIONS for on in switches]
    print(f"{endpoints.count(True)} endpoints are botocore's, {endpoints.count(False)} are not")
    if total != len(places) * JOBS * ARTIFACTS * 2:
        sys.exit(f"{total} requests were compared")
    sys.exit(1 if failed or not all(endpoints) else 0)


if __name__ == "__main__":
    main()
