"""What is sent: each case is a call, the jobs that it meets, and what has to come of it."""

from dataclasses import dataclass

from model import ERRORS, FIELDS, MODELED, STATUSES
from texts import ALPHABETS, HOSTILE, of_length

LENGTHS = (0, 1, 50, 51, 256, 257, 512, 513)


@dataclass(frozen=True)
class Case:
    """A call of an operation. `expect` is an AWS error code, or the HTTP status of an error without one."""

    operation: str
    name: str
    call: dict
    # The result in the proto file's form, if there is no error.
    result: object = None
    expect: str | None = None
    # The jobs, as the simulator's job file has them.
    jobs: tuple = ()
    faults: tuple = ()
    # What boto3 makes of it where it can't read what AWS said.
    expect_of_boto3: str | None = None
    # Whether the job's history after the call has to be the same too.
    has_history: bool = False


def job(call=None, **more):
    """A job with the values of a call."""
    values = VALUES | (call or {})
    return {"id": values["jobId"], "nonce": values["nonce"], "client_token": values["clientToken"]} | more


VALUES = {"jobId": "job-1", "nonce": "nonce-1", "clientToken": "token-1"}
TAKEN = {"status": "JOB_STATUS_IN_PROGRESS", "aws_status": "InProgress"}


def violates(call):
    return any(not 1 <= len(call[name]) <= field.most for name, field in FIELDS["acknowledge"].items())


def matching(name, call):
    """An acknowledge with these values that meets its own job, if such a job can be."""
    if violates(call):
        return Case("acknowledge", name, call)
    return Case("acknowledge", name, call, TAKEN, jobs=(job(call),))


def boundary_cases():
    for name in VALUES:
        for kind, alphabet in ALPHABETS.items():
            for length in LENGTHS:
                if length > 0 or kind == "ASCII":
                    call = VALUES | {name: of_length(alphabet, length)}
                    yield matching(f"{name}: {length} × {kind}", call)
    # Every set of fields together, too short and too long, and a mix of both.
    names = list(VALUES)
    for chosen in range(1, 8):
        fields = [name for bit, name in enumerate(names) if chosen >> bit & 1]
        for kind, values in (
            ("empty", [""] * 3),
            ("too long", ["x" * 513] * 3),
            ("empty or too long", ["", "x" * 513, ""]),
        ):
            yield matching(f"{kind}: {', '.join(fields)}", VALUES | dict(zip(fields, values)))
    for length in (1_000, 10_000, 50_000, 100_000, 1_000_000):
        for name in VALUES:
            yield matching(f"{name}: {length} × ASCII", VALUES | {name: "x" * length})


def hostile_cases():
    for name in VALUES:
        for kind, text in HOSTILE.items():
            yield matching(f"{name}: {kind}", VALUES | {name: text})
    for kind, text in HOSTILE.items():
        yield matching(f"all three: {kind}", dict.fromkeys(VALUES, text))
        unknown = VALUES | {"jobId": text + "?"}
        yield Case("acknowledge", f"an unknown job: {kind}", unknown, expect="JobNotFoundException")


def mismatch_cases():
    errors = {
        "jobId": "JobNotFoundException",
        "nonce": "InvalidNonceException",
        "clientToken": "InvalidClientTokenException",
    }

    def mismatch(name, changed, code, **more):
        return Case("acknowledge", name, VALUES | changed, expect=code, jobs=(job(**more),))

    for name, code in errors.items():
        own = VALUES[name]
        for kind, value in {
            "another value": "other",
            "in upper case": own.upper(),
            "with a blank behind": own + " ",
            "with a NUL behind": own + "\0",
            "cut": own[:-1],
            "with a zero-width blank": own + "\u200b",
            "in full-width letters": "".join(chr(ord(c) + 0xFEE0) for c in own),
        }.items():
            yield mismatch(f"{name}: {kind}", {name: value}, code)
        # The same to the eye, and other code points: nothing on the way may normalize.
        same = (("composed", "caf\u00e9", "cafe\u0301"), ("decomposed", "the\u0301", "th\u00e9"))
        for kind, value, held in same:
            yield mismatch(f"{name}: {kind}", {name: value}, code, call={name: held})
    swapped = {"nonce": VALUES["clientToken"], "clientToken": VALUES["nonce"]}
    both, neither = {"nonce": "x", "clientToken": "x"}, {"jobId": "x", "clientToken": "x"}
    yield mismatch("nonce and token swapped", swapped, "InvalidClientTokenException")
    yield mismatch("a wrong nonce and a wrong token", both, "InvalidClientTokenException")
    yield mismatch("an unknown job and a wrong token", neither, "JobNotFoundException")
    yield mismatch("a second acknowledge", {}, "InvalidNonceException", status="InProgress")


def error_cases(operation, call, jobs):
    """Every error of AWS for a call that would succeed."""
    shapes = ("type", "type_namespace", "type_uri", "header", "code")
    others = set().union(*MODELED.values()) - MODELED[operation]
    for number, code in enumerate(code for code in ERRORS if code not in others):
        if code.isdigit():
            faults = ({"answer": {"http_status": int(code)}},)
            name = f"AWS answers HTTP {code} and nothing else"
            yield Case(operation, name, call, expect=code, jobs=jobs, faults=faults)
            continue
        status = 500 if code.startswith("Internal") else 503 if code == "ServiceUnavailable" else 400
        # The errors that the operation has come in every shape, of the others each in one.
        for shape in shapes if code in MODELED[operation] else (shapes[number % len(shapes)],):
            error = {"code": code, "http_status": status, "shape": shape, "message": "AWS's own text."}
            # boto3 knows these shapes for other protocols only: it falls back to the HTTP status.
            unread = str(status) if shape in ("header", "code") else None
            name = f"AWS answers {code} ({shape})"
            yield Case(operation, name, call, None, code, jobs, ({"error": error},), unread)


def status_cases():
    for status in (*STATUSES, "Paused", "inprogress", "IN_PROGRESS", "界"):
        result = {"aws_status": status}
        if status in STATUSES:
            result["status"] = STATUSES[status]
        faults = ({"answer": {"body": '{"status":"' + status + '"}'}},)
        name = f"AWS answers the status {status}"
        yield Case("acknowledge", name, VALUES, result, jobs=(job(),), faults=faults)
    faults = ({"answer": {"body": "{}"}},)
    yield Case("acknowledge", "AWS answers no status", VALUES, {}, jobs=(job(),), faults=faults)


def acknowledge_cases():
    yield from boundary_cases()
    yield from hostile_cases()
    yield from mismatch_cases()
    yield from error_cases("acknowledge", VALUES, (job(),))
    yield from status_cases()
