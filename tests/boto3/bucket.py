"""boto3 and plain HTTP against the simulator's buckets, with the keys in a job's details.

The signatures are boto3's: presigned requests, which urllib sends, and the Authorization header of
boto3's own calls. Each case has fresh jobs, keys, and objects.
"""

import argparse
import sys
import traceback
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import boto3
import botocore.config
import botocore.exceptions

from clients import Boto3, Simulator, isolate

BUCKET = "differential-artifacts"
INPUT = "pipe line/Source é+/~1 (a=b&c).zip"
OUTPUT = "pipe line//Build/../1.zip"
KMS_KEY = "arn:aws:kms:eu-west-1:123456789012:key/fa4efa4e-0000-4000-8000-fa4efa4efa4e"
CONTENT = "the content of the input: ü"
ENCRYPTED = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY}
KEY_ID_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"
ENCRYPTED_HEADERS = {"x-amz-server-side-encryption": "aws:kms", KEY_ID_HEADER: KMS_KEY}


class World:
    """A simulator with a job whose artifacts are encrypted, and a job without a key."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.codepipeline = Boto3(simulator, True).client
        simulator.send("POST", "clock", {"shift_seconds": 0})
        simulator.send("DELETE", "objects")
        jobs = [self.job("bucket-1", encryption_key={"id": KMS_KEY}), self.job("bucket-2", "other/")]
        simulator.send("PUT", "jobs", {"jobs": jobs})

    @staticmethod
    def job(job_id, prefix="", **more):
        source = {"name": "Source", "bucket_name": BUCKET, "object_key": prefix + INPUT, "content": CONTENT}
        build = {"name": "Build", "bucket_name": BUCKET, "object_key": prefix + OUTPUT}
        token = {"id": job_id, "nonce": "fake-nonce", "client_token": "fake-client-token"}
        return token | {"input_artifacts": [source], "output_artifacts": [build]} | more

    def s3(self, job_id="bucket-1", secret=None, token=None, version="s3v4"):
        """A client with the keys in the job's details. boto3 itself presigns with version 2 by default."""
        details = self.codepipeline.get_third_party_job_details(jobId=job_id, clientToken="fake-client-token")
        keys = details["jobDetails"]["data"]["artifactCredentials"]
        secret, token = secret or keys["secretAccessKey"], token or keys["sessionToken"]
        return s3_client(self.simulator, keys["accessKeyId"], secret, token, version)

    def objects(self):
        return self.simulator.send("GET", "objects")["objects"]

    def content(self, key):
        path = urllib.parse.quote(f"{BUCKET}/{key}")
        return fetch("GET", f"{self.simulator.url}/_simulator/objects/{path}")[2]


def s3_client(simulator, key_id, secret, token=None, version="s3v4"):
    config = botocore.config.Config(
        retries={"total_max_attempts": 1},
        proxies={},
        s3={"addressing_style": "path"},
        signature_version=version,
    )
    return boto3.client(
        "s3",
        endpoint_url=simulator.url,
        region_name="eu-west-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=config,
    )


def fetch(method, url, body=None, headers=None):
    """The status, the headers, and the body of a plain HTTP request."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def presigned(client, method, lifetime=900, **parameters):
    parameters = {"Bucket": BUCKET} | parameters
    return client.generate_presigned_url(method, Params=parameters, ExpiresIn=lifetime)


def presigned_get(client, key=INPUT, lifetime=900):
    return presigned(client, "get_object", lifetime, Key=key)


def put(client, body=b"output", key=OUTPUT, headers=ENCRYPTED_HEADERS, **more):
    return fetch("PUT", presigned(client, "put_object", Key=key, **(ENCRYPTED | more)), body, headers)


def assert_equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def assert_error(answer, status, code, message=""):
    actual, headers, body = answer
    document = xml.etree.ElementTree.fromstring(body)
    found = document.findtext("Code"), document.findtext("Message")
    assert_equal((actual, found[0]), (status, code))
    assert message in found[1], f"{message!r} is not in {found[1]!r}"
    assert_equal(document.findtext("RequestId"), headers["x-amz-request-id"])


def assert_boto3_error(call, status, code):
    try:
        call()
    except botocore.exceptions.ClientError as error:
        found = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        return assert_equal(found, (status, code))
    raise AssertionError(f"no error, expected {code}")


# ---- presigned requests ----------------------------------------------------------------------------------


def presigned_get_returns_the_input(world):
    status, headers, body = fetch("GET", presigned_get(world.s3()))
    assert_equal((status, body.decode()), (200, CONTENT))
    assert_equal(headers[KEY_ID_HEADER], KMS_KEY)
    status, headers, body = fetch("HEAD", presigned(world.s3(), "head_object", Key=INPUT))
    assert_equal((status, headers["content-length"], body), (200, str(len(CONTENT.encode())), b""))


def presigned_put_stores_the_output(world):
    body = bytes(range(256)) * 8192
    status, headers, _ = put(world.s3(), body)
    assert_equal((status, headers["x-amz-server-side-encryption"]), (200, "aws:kms"))
    (stored,) = world.objects()
    encryption = {"algorithm": "aws:kms", "kms_key_id": KMS_KEY}
    assert_equal((stored["key"], stored["size"], stored["encryption"]), (OUTPUT, len(body), encryption))
    assert world.content(OUTPUT) == body


def expired_requests_are_rejected(world):
    short, long = presigned_get(world.s3(), lifetime=60), presigned_get(world.s3(), lifetime=3600)
    world.simulator.send("POST", "clock", {"shift_seconds": 120})
    assert_error(fetch("GET", short), 403, "AccessDenied", "Request has expired")
    assert_equal(fetch("GET", long)[0], 200)
    # The keys expire before the request.
    world.simulator.send("POST", "clock", {"shift_seconds": 1000})
    assert_error(fetch("GET", long), 400, "ExpiredToken")
    world.simulator.send("POST", "clock", {"shift_seconds": -1000})
    assert_error(fetch("GET", long), 403, "AccessDenied", "Request is not yet valid")


def changed_requests_are_rejected(world):
    url = presigned_get(world.s3())
    for old, new in (("Source", "Sourcf"), ("Expires=900", "Expires=901"), ("Signature=", "Signature=0")):
        assert_error(fetch("GET", url.replace(old, new)), 403, "SignatureDoesNotMatch")
    assert_error(fetch("PUT", url, b"output"), 403, "SignatureDoesNotMatch")
    # The signature covers headers that the client doesn't send.
    assert_error(put(world.s3(), headers={}), 403, "SignatureDoesNotMatch")
    assert_equal(world.objects(), [])


def every_header_must_be_signed(world):
    url = presigned(world.s3(), "put_object", Key=OUTPUT)
    text = "There were headers present in the request which were not signed"
    assert_error(fetch("PUT", url, b"output", ENCRYPTED_HEADERS), 403, "AccessDenied", text)


def outputs_need_the_key_of_the_job(world):
    client = world.s3()
    text = "with an explicit deny in a resource-based policy"
    for encryption, headers in (
        ({}, {}),
        ({"ServerSideEncryption": "aws:kms"}, {"x-amz-server-side-encryption": "aws:kms"}),
        ({"ServerSideEncryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (ENCRYPTED | {"SSEKMSKeyId": "k"}, ENCRYPTED_HEADERS | {KEY_ID_HEADER: "k"}),
    ):
        url = presigned(client, "put_object", Key=OUTPUT, **encryption)
        assert_error(fetch("PUT", url, b"output", headers), 403, "AccessDenied", text)
    assert_equal(world.objects(), [])


def keys_are_limited_to_their_job(world):
    client = world.s3("bucket-2")
    assert_error(fetch("GET", presigned_get(client)), 403, "AccessDenied", "s3:GetObject")
    assert_error(put(client), 403, "AccessDenied", "s3:PutObject")
    assert_equal(fetch("GET", presigned_get(client, "other/" + INPUT))[0], 200)
    # An input can't be written, an output can't be read.
    assert_error(put(world.s3(), key=INPUT), 403, "AccessDenied", "s3:PutObject")
    assert_error(fetch("GET", presigned_get(world.s3(), OUTPUT)), 403, "AccessDenied", "s3:GetObject")


def foreign_keys_are_rejected(world):
    # A key for CodePipeline's API.
    foreign = s3_client(world.simulator, "AKIAFAKEFAKEFAKEFAKE", "fake-secret-access-key-for-the-simulator")
    assert_error(fetch("GET", presigned_get(foreign)), 403, "InvalidAccessKeyId")
    wrong = world.s3(secret="fake-other-secret")
    assert_error(fetch("GET", presigned_get(wrong)), 403, "SignatureDoesNotMatch")
    assert_error(fetch("GET", presigned_get(world.s3(token="fake-other-token"))), 400, "InvalidToken")
    assert_error(fetch("GET", presigned_get(world.s3(version="s3"))), 400, "InvalidRequest")
    assert_error(fetch("GET", f"{world.simulator.url}/{BUCKET}/x"), 403, "AccessDenied", "Access Denied")


# ---- boto3's own calls -------------------------------------------------------------------------------------


def boto3_reads_and_writes(world):
    client = world.s3()
    answer = client.get_object(Bucket=BUCKET, Key=INPUT)
    assert_equal((answer["Body"].read().decode(), answer["SSEKMSKeyId"]), (CONTENT, KMS_KEY))
    assert_equal(client.head_object(Bucket=BUCKET, Key=INPUT)["ContentLength"], len(CONTENT.encode()))
    answer = client.put_object(Bucket=BUCKET, Key=OUTPUT, Body=b"output", ContentType="text/x", **ENCRYPTED)
    assert_equal(answer["ServerSideEncryption"], "aws:kms")
    (stored,) = world.objects()
    assert_equal((stored["size"], stored["content_type"]), (6, "text/x"))


def boto3_gets_the_errors(world):
    client = world.s3()
    assert_boto3_error(lambda: client.put_object(Bucket=BUCKET, Key=OUTPUT, Body=b"o"), 403, "AccessDenied")
    assert_boto3_error(lambda: client.get_object(Bucket="other", Key=INPUT), 404, "NoSuchBucket")
    assert_boto3_error(lambda: client.delete_object(Bucket=BUCKET, Key=INPUT), 405, "MethodNotAllowed")
    assert_boto3_error(lambda: client.list_objects_v2(Bucket=BUCKET), 403, "AccessDenied")
    assert_boto3_error(lambda: client.get_object_tagging(Bucket=BUCKET, Key=INPUT), 501, "NotImplemented")
    wrong = world.s3(secret="fake-other-secret")
    assert_boto3_error(lambda: wrong.get_object(Bucket=BUCKET, Key=INPUT), 403, "SignatureDoesNotMatch")
    world.simulator.send("POST", "clock", {"shift_seconds": 3600})
    assert_boto3_error(lambda: client.get_object(Bucket=BUCKET, Key=INPUT), 403, "RequestTimeTooSkewed")


CASES = (
    presigned_get_returns_the_input,
    presigned_put_stores_the_output,
    expired_requests_are_rejected,
    changed_requests_are_rejected,
    every_header_must_be_signed,
    outputs_need_the_key_of_the_job,
    keys_are_limited_to_their_job,
    foreign_keys_are_rejected,
    boto3_reads_and_writes,
    boto3_gets_the_errors,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulator", required=True, help="HOST:PORT")
    options = parser.parse_args()
    isolate()
    simulator, failed = Simulator(options.simulator), 0
    for case in CASES:
        try:
            case(World(simulator))
        except Exception:
            failed += 1
            print(f"NOT OK  bucket: {case.__name__}", traceback.format_exc(), sep="\n")
    # The tests after this one need the true time.
    simulator.send("POST", "clock", {"shift_seconds": 0})
    print(f"bucket: {len(CASES) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
