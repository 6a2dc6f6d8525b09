"""Each reason of docs/errors.md: how it is provoked from outside, or why it can't be."""

import re
from pathlib import Path

from house import job

FOREVER = 1_000_000
_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([A-Z_]+)(?:; [^|]+)? \| (?:`([a-z_]+)`|varies) \|", re.MULTILINE)


def table(root):
    """reason → (code of an acknowledge, outcome); the outcome is None if it varies."""
    rows = {reason: (code, outcome or None) for reason, code, outcome in _ROW.findall(Path(root, "docs/errors.md").read_text())}
    assert len(rows) > 20, "docs/errors.md has no table any more"
    return rows


def error(code, times=FOREVER, **more):
    return {"error": {"code": code, **more}, "times": times}


def answer(http_status, body, times=FOREVER):
    return {"answer": {"http_status": http_status, "body": body}, "times": times}


HANG = {"hang": {"process": False}, "times": FOREVER}

# At the gateway `plain`: by what the simulator does with the job. A second element is the outcome where it isn't the
# table's own.
BY_JOB = {
    "VALIDATION_FAILED": [error("ValidationException")],
    "AWS_THROTTLED": [error("ThrottlingException")],
    "AWS_UNAVAILABLE": [answer(503, "")],
    "AWS_REQUEST_TIMEOUT": [error("RequestTimeoutException", http_status=408)],
    "GATEWAY_ACCESS_DENIED": [error("AccessDeniedException")],
    "GATEWAY_CREDENTIALS_EXPIRED": [error("ExpiredTokenException")],
    "GATEWAY_CLOCK_SKEW": [error("RequestTimeTooSkewed")],
    "GATEWAY_CREDENTIALS_REJECTED": [error("UnrecognizedClientException")],
    "AWS_CONNECTION_LOST": [{"reset": {"when": "after_processing"}}],
    "AWS_BAD_RESPONSE": [{"malformed_body": {"process": True}}],
    "GATEWAY_BUG": [error("SerializationException")],
    "AWS_UNRECOGNIZED_ERROR": [error("TeapotException")],
}
# What is true of those whose outcome depends.
TRUE_OUTCOME = {"AWS_BAD_RESPONSE": "unknown", "GATEWAY_BUG": "rejected"}

# Provoked by a scenario of their own, each under the name of its reason.
BY_SCENARIO = {
    "INVALID_REQUEST",
    "JOB_NOT_FOUND",
    "INVALID_NONCE",
    "INVALID_CLIENT_TOKEN",
    "GATEWAY_CREDENTIALS_UNAVAILABLE",
    "AWS_UNREACHABLE",
    "AWS_TIMEOUT",
    "DEADLINE_EXCEEDED",
    "GATEWAY_OVERLOADED",
    "GATEWAY_SHUTTING_DOWN",
    "CALLER_UNAUTHENTICATED",
    "CALLER_NOT_ALLOWED",
    "ACTION_TYPE_NOT_FOUND",
    "INVALID_JOB",
    "INVALID_JOB_STATE",
}

# Not by these clients, and why.
NOT_BY_THEM = {
    "UNKNOWN_METHOD": "generated stubs have no unknown method; `just grpcurl` calls one",
    "UNKNOWN_SERVICE": "only grpc.health.v1 has it, which no caller of jobs uses; tests/gateway asks for it",
    "GATEWAY_KEYS_UNAVAILABLE": "a gateway whose keys can't be fetched is never ready; tests/gateway has one",
    "OPERATION_DISABLED": "a setting of the gateway's operator; tests/gateway has it",
    "ACTION_TYPE_NOT_ALLOWED": "a setting of the gateway's operator; tests/gateway has it",
    "CALLER_CANCELLED": "a caller that has disconnected gets nothing: it is in the log and the metrics only",
}


def check_complete(root):
    """A reason that is new in the table has to be provoked too, or it is said why it can't be."""
    known = set(BY_JOB) | BY_SCENARIO | set(NOT_BY_THEM)
    in_table = set(table(root))
    told = Path(root, "docs/callers.md").read_text()
    silent = [reason for reason in in_table if f"`{reason}`" not in told]
    assert not silent, f"docs/callers.md doesn't say what to do for {silent}"
    assert known == in_table, f"not spoken of: {sorted(in_table - known)}; not in the table: {sorted(known - in_table)}"


def seed(house, prefix):
    """The jobs of BY_JOB, fresh, and those that need no fault; reason → job id."""
    ids = {reason: f"{prefix}-{reason.lower()}" for reason in [*BY_JOB, "JOB_NOT_FOUND", "INVALID_NONCE", "INVALID_CLIENT_TOKEN"]}
    jobs = [job(ids[reason], *faults) for reason, faults in BY_JOB.items()]
    jobs.append(job(ids["INVALID_NONCE"], status="InProgress"))
    jobs.append(job(ids["INVALID_CLIENT_TOKEN"], client_token="examples-fake-other-token"))
    house.simulator.put_jobs(*jobs)
    return ids
