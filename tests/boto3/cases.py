"""What is sent: each case is a call, the job that it meets, and what has to come of it."""

from dataclasses import dataclass, field, replace

# AWS's names, the proto's names, and the longest value in characters (API reference, AcknowledgeThirdPartyJob).
FIELDS = {"jobId": ("job_id", 512), "nonce": ("nonce", 50), "clientToken": ("client_token", 256)}

LENGTHS = (0, 1, 50, 51, 256, 257, 512, 513)

# How many bytes a character has in UTF-8, and what only looks like one character. A length counts code points.
ALPHABETS = {
    "ASCII": "abcXYZ019-_",
    "2 bytes": "é",
    "3 bytes": "界",
    "4 bytes": "🦀",
    "combining": "e\u0301",
    "family emoji": "👩\u200d👩\u200d👧",
}

# Each is short enough for every field; each has to arrive as it is.
HOSTILE = {
    "NUL": "a\0b",
    "only NUL": "\0",
    "newlines": "a\nb\r\nc",
    "control characters": "".join(map(chr, range(1, 32))),
    "DEL and C1": "\x7f\x80\x85\x9f",
    "a blank": " ",
    "blanks around": "  a\t ",
    "double quotes": '"a"',
    "single quotes": "'a' or ''",
    "backslashes": "\\\\a\\",
    "a JSON fragment": '","nonce":"x","a":{"b":[',
    "an escape that is text": "\\u0041\\n\\x00",
    "a lone surrogate's escape that is text": "\\ud800",
    "a surrogate pair's escape that is text": "\\ud83e\\udd80",
    "HTML": "<script>alert(1)</script>&amp;&#x27;",
    "SQL": "'; DROP TABLE jobs; --",
    "a shell's": "$(id) `id` ${HOME} ; & |",
    "a format's": "%s %n {0} {} %00",
    "a path": "../../etc/passwd",
    "an ARN": "arn:aws:codepipeline:eu-west-1:123456789012:p",
    "right to left": "\u202eabc\u202c שלום",
    "zero width": "\u200b\ufeff",
    "noncharacters": "\uffff\U0010ffff\ufdd0",
    "line separators": "a\u2028b\u2029c",
    "the replacement character": "\ufffd",
    "what AWS says of a bad field": "at 'nonce' failed to satisfy constraint",
    "null": "null",
    "a number": "1e999",
    "a redacted secret": "[redacted]",
}

# AWS's statuses → the proto's.
STATUSES = {
    "Created": "JOB_STATUS_CREATED",
    "Queued": "JOB_STATUS_QUEUED",
    "Dispatched": "JOB_STATUS_DISPATCHED",
    "InProgress": "JOB_STATUS_IN_PROGRESS",
    "TimedOut": "JOB_STATUS_TIMED_OUT",
    "Succeeded": "JOB_STATUS_SUCCEEDED",
    "Failed": "JOB_STATUS_FAILED",
}

# AWS's code → the gateway's gRPC code, reason and outcome: the table in docs/errors.md, as far as an answer of AWS
# decides it. An answer without a code is known by its HTTP status.
ERRORS = {
    "ValidationException": ("INVALID_ARGUMENT", "VALIDATION_FAILED", "rejected"),
    "ValidationError": ("INVALID_ARGUMENT", "VALIDATION_FAILED", "rejected"),
    "JobNotFoundException": ("NOT_FOUND", "JOB_NOT_FOUND", "rejected"),
    "InvalidNonceException": ("FAILED_PRECONDITION", "INVALID_NONCE", "rejected"),
    "InvalidClientTokenException": ("PERMISSION_DENIED", "INVALID_CLIENT_TOKEN", "rejected"),
    "ThrottlingException": ("RESOURCE_EXHAUSTED", "AWS_THROTTLED", "rejected"),
    "Throttling": ("RESOURCE_EXHAUSTED", "AWS_THROTTLED", "rejected"),
    "RequestLimitExceeded": ("RESOURCE_EXHAUSTED", "AWS_THROTTLED", "rejected"),
    "429": ("RESOURCE_EXHAUSTED", "AWS_THROTTLED", "rejected"),
    "ServiceUnavailable": ("UNKNOWN", "AWS_UNAVAILABLE", "unknown"),
    "InternalFailure": ("UNKNOWN", "AWS_UNAVAILABLE", "unknown"),
    "InternalError": ("UNKNOWN", "AWS_UNAVAILABLE", "unknown"),
    "500": ("UNKNOWN", "AWS_UNAVAILABLE", "unknown"),
    "502": ("UNKNOWN", "AWS_UNAVAILABLE", "unknown"),
    "503": ("UNKNOWN", "AWS_UNAVAILABLE", "unknown"),
    "RequestTimeout": ("UNKNOWN", "AWS_REQUEST_TIMEOUT", "unknown"),
    "RequestTimeoutException": ("UNKNOWN", "AWS_REQUEST_TIMEOUT", "unknown"),
    "RequestAbortedException": ("UNKNOWN", "AWS_REQUEST_TIMEOUT", "unknown"),
    "408": ("UNKNOWN", "AWS_REQUEST_TIMEOUT", "unknown"),
    "AccessDenied": ("INTERNAL", "GATEWAY_ACCESS_DENIED", "rejected"),
    "AccessDeniedException": ("INTERNAL", "GATEWAY_ACCESS_DENIED", "rejected"),
    "NotAuthorized": ("INTERNAL", "GATEWAY_ACCESS_DENIED", "rejected"),
    "UnauthorizedOperation": ("INTERNAL", "GATEWAY_ACCESS_DENIED", "rejected"),
    "OptInRequired": ("INTERNAL", "GATEWAY_ACCESS_DENIED", "rejected"),
    "ExpiredToken": ("UNAVAILABLE", "GATEWAY_CREDENTIALS_EXPIRED", "rejected"),
    "ExpiredTokenException": ("UNAVAILABLE", "GATEWAY_CREDENTIALS_EXPIRED", "rejected"),
    "RequestExpired": ("UNAVAILABLE", "GATEWAY_CREDENTIALS_EXPIRED", "rejected"),
    "RequestTimeTooSkewed": ("UNAVAILABLE", "GATEWAY_CLOCK_SKEW", "rejected"),
    "InvalidSignatureException": ("INTERNAL", "GATEWAY_CREDENTIALS_REJECTED", "rejected"),
    "UnrecognizedClientException": ("INTERNAL", "GATEWAY_CREDENTIALS_REJECTED", "rejected"),
    "InvalidClientTokenId": ("INTERNAL", "GATEWAY_CREDENTIALS_REJECTED", "rejected"),
    "MissingAuthenticationToken": ("INTERNAL", "GATEWAY_CREDENTIALS_REJECTED", "rejected"),
    "InvalidAccessKeyId": ("INTERNAL", "GATEWAY_CREDENTIALS_REJECTED", "rejected"),
    "SerializationException": ("INTERNAL", "GATEWAY_BUG", "rejected"),
    "UnknownOperationException": ("INTERNAL", "GATEWAY_BUG", "rejected"),
    "MalformedHttpRequestException": ("INTERNAL", "GATEWAY_BUG", "rejected"),
    "RequestEntityTooLargeException": ("INTERNAL", "GATEWAY_BUG", "rejected"),
    "SomethingNewException": ("UNKNOWN", "AWS_UNRECOGNIZED_ERROR", "rejected"),
}


@dataclass(frozen=True)
class Values:
    """The three values of a call or of a job, by AWS's names."""

    jobId: str = "job-1"
    nonce: str = "nonce-1"
    clientToken: str = "token-1"

    def violations(self):
        """The fields that break AWS's limits, by AWS's names. Python counts code points too."""
        return frozenset(name for name, (_, most) in FIELDS.items() if not 1 <= len(getattr(self, name)) <= most)


@dataclass(frozen=True)
class Case:
    """A call. `expect` is a job status, or an AWS error code, or the HTTP status of an error without one."""

    name: str
    call: Values
    expect: str
    job: Values | None = None
    faults: tuple = field(default=())
    # Whether the job was acknowledged before.
    taken: bool = False
    # What boto3 makes of it where it can't read what AWS said.
    expect_of_boto3: str | None = None


def matching(name, call):
    """A call with these values that meets its own job, if such a job can be."""
    if call.violations():
        return Case(name, call, "ValidationException")
    return Case(name, call, "InProgress", job=call)


def of_length(alphabet, length):
    """This many code points of an alphabet."""
    return (alphabet * (length // len(alphabet) + 1))[:length]


def boundary_cases():
    for name in FIELDS:
        for kind, alphabet in ALPHABETS.items():
            for length in LENGTHS:
                if length > 0 or kind == "ASCII":
                    yield matching(
                        f"{name}: {length} × {kind}", replace(Values(), **{name: of_length(alphabet, length)})
                    )
    # Every set of fields together, too short and too long, and a mix of both.
    names = list(FIELDS)
    for chosen in range(1, 8):
        fields = [name for bit, name in enumerate(names) if chosen >> bit & 1]
        for kind, values in (
            ("empty", [""] * 3),
            ("too long", ["x" * 513] * 3),
            ("empty or too long", ["", "x" * 513, ""]),
        ):
            yield matching(f"{kind}: {', '.join(fields)}", replace(Values(), **dict(zip(fields, values))))
    for length in (1_000, 10_000, 50_000, 100_000, 1_000_000):
        for name in FIELDS:
            yield matching(f"{name}: {length} × ASCII", replace(Values(), **{name: "x" * length}))


def hostile_cases():
    for name in FIELDS:
        for kind, text in HOSTILE.items():
            yield matching(f"{name}: {kind}", replace(Values(), **{name: text}))
    for kind, text in HOSTILE.items():
        yield matching(f"all three: {kind}", Values(text, text, text))
        yield Case(f"an unknown job: {kind}", replace(Values(), jobId=text + "?"), "JobNotFoundException")


def mismatch_cases():
    job = Values()
    errors = {
        "jobId": "JobNotFoundException",
        "nonce": "InvalidNonceException",
        "clientToken": "InvalidClientTokenException",
    }
    for name, code in errors.items():
        own = getattr(job, name)
        for kind, value in {
            "another value": "other",
            "in upper case": own.upper(),
            "with a blank behind": own + " ",
            "with a NUL behind": own + "\0",
            "cut": own[:-1],
            "with a zero-width blank": own + "\u200b",
            "in full-width letters": "".join(chr(ord(c) + 0xFEE0) for c in own),
        }.items():
            yield Case(f"{name}: {kind}", replace(job, **{name: value}), code, job=job)
        # The same to the eye, and other code points: nothing on the way may normalize.
        for kind, value, held in (("composed", "caf\u00e9", "cafe\u0301"), ("decomposed", "the\u0301", "th\u00e9")):
            yield Case(f"{name}: {kind}", replace(job, **{name: value}), code, job=replace(job, **{name: held}))
    swapped = replace(job, nonce=job.clientToken, clientToken=job.nonce)
    yield Case("nonce and token swapped", swapped, "InvalidClientTokenException", job=job)
    yield Case(
        "a wrong nonce and a wrong token",
        replace(job, nonce="x", clientToken="x"),
        "InvalidClientTokenException",
        job=job,
    )
    yield Case(
        "an unknown job and a wrong token", replace(job, jobId="x", clientToken="x"), "JobNotFoundException", job=job
    )
    yield Case("a second acknowledge", job, "InvalidNonceException", job=job, taken=True)


def error_cases():
    job = Values()
    shapes = ("type", "type_namespace", "type_uri", "header", "code")
    for number, code in enumerate(ERRORS):
        if code.isdigit():
            fault = {"answer": {"http_status": int(code)}}
            yield Case(f"AWS answers HTTP {code} and nothing else", job, code, job=job, faults=(fault,))
            continue
        status = 500 if code.startswith("Internal") else 503 if code == "ServiceUnavailable" else 400
        # The four errors that the operation has come in every shape, of the others each in one.
        modeled = code in (
            "ValidationException",
            "JobNotFoundException",
            "InvalidNonceException",
            "InvalidClientTokenException",
        )
        for shape in shapes if modeled else (shapes[number % len(shapes)],):
            fault = {"error": {"code": code, "http_status": status, "shape": shape, "message": "AWS's own text."}}
            # boto3 knows these shapes for other protocols only: it falls back to the HTTP status.
            unread = str(status) if shape in ("header", "code") else None
            yield Case(f"AWS answers {code} ({shape})", job, code, job=job, faults=(fault,), expect_of_boto3=unread)


def status_cases():
    job = Values()
    for status in (*STATUSES, "Paused", "inprogress", "IN_PROGRESS", "界"):
        fault = {"answer": {"body": '{"status":"' + status + '"}'}}
        yield Case(f"AWS answers the status {status}", job, status, job=job, faults=(fault,))
    yield Case("AWS answers no status", job, "", job=job, faults=({"answer": {"body": "{}"}},))


def all_cases():
    cases = [*boundary_cases(), *hostile_cases(), *mismatch_cases(), *error_cases(), *status_cases()]
    names = [case.name for case in cases]
    assert len(names) == len(set(names)), "two cases have one name"
    return cases
