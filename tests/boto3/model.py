"""The service model of the five operations: fields, limits, and errors, at AWS and in the gateway."""

import re
from dataclasses import dataclass

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

# AWS's failure types → the proto's.
FAILURE_TYPES = {
    "JobFailed": "FAILURE_TYPE_JOB_FAILED",
    "ConfigurationError": "FAILURE_TYPE_CONFIGURATION_ERROR",
    "PermissionError": "FAILURE_TYPE_PERMISSION_ERROR",
    "RevisionOutOfSync": "FAILURE_TYPE_REVISION_OUT_OF_SYNC",
    "RevisionUnavailable": "FAILURE_TYPE_REVISION_UNAVAILABLE",
    "SystemUnavailable": "FAILURE_TYPE_SYSTEM_UNAVAILABLE",
}

CATEGORIES = ("Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute")
OWNERS = ("AWS", "ThirdParty", "Custom")


@dataclass(frozen=True)
class Field:
    """A field's limits. `proto` is its path in the proto file."""

    proto: str
    # The longest text in characters. Python counts code points, as AWS does.
    most: int | None = None
    # The values that AWS accepts. For a failure type, the proto file has the same.
    values: tuple = ()
    is_enum: bool = False
    is_name: bool = False
    # The limits of a number. The gateway's own maximum can be lower.
    numbers: tuple | None = None
    gateway_most: int | None = None
    # An empty text of these fields is the same as none in the proto file.
    empty_is_none: bool = False

    def breaks_aws_limits(self, value):
        if self.numbers is not None:
            return not self.numbers[0] <= value <= self.numbers[1]
        if self.values:
            return value not in self.values
        return not 1 <= len(value) <= self.most or self.is_name and not NAME.fullmatch(value)

    def breaks_gateway_limits(self, value):
        if self.gateway_most is not None:
            return not self.numbers[0] <= value <= self.gateway_most
        if self.empty_is_none and value == "":
            return False
        if self.values and not self.is_enum:
            # The gateway checks the form. AWS knows the values.
            return not 1 <= len(value) <= 35 or not NAME.fullmatch(value)
        return self.breaks_aws_limits(value)


NAME = re.compile(r"[0-9A-Za-z_-]+")
JOB_ID = Field("job_id", most=512)
TOKEN = Field("client_token", most=256)

# Operation → AWS's path → the field.
FIELDS = {
    "poll": {
        "actionTypeId.category": Field("action_type_id.category", values=CATEGORIES),
        "actionTypeId.owner": Field("action_type_id.owner", values=OWNERS),
        "actionTypeId.provider": Field("action_type_id.provider", most=35, is_name=True),
        "actionTypeId.version": Field("action_type_id.version", most=9, is_name=True),
        "maxBatchSize": Field("max_batch_size", numbers=(1, 2**31 - 1), gateway_most=100),
    },
    "details": {"jobId": JOB_ID, "clientToken": TOKEN},
    "acknowledge": {"jobId": JOB_ID, "nonce": Field("nonce", most=50), "clientToken": TOKEN},
    "success": {
        "jobId": JOB_ID,
        "clientToken": TOKEN,
        "currentRevision.revision": Field("current_revision.revision", most=1500),
        "currentRevision.changeIdentifier": Field("current_revision.change_identifier", most=100),
        "currentRevision.revisionSummary": Field(
            "current_revision.revision_summary", most=2048, empty_is_none=True
        ),
        "continuationToken": Field("continuation_token", most=2048),
        "executionDetails.summary": Field("execution_details.summary", most=2048, empty_is_none=True),
        "executionDetails.externalExecutionId": Field(
            "execution_details.external_execution_id", most=1500, empty_is_none=True
        ),
        "executionDetails.percentComplete": Field("execution_details.percent_complete", numbers=(0, 100)),
    },
    "failure": {
        "jobId": JOB_ID,
        "clientToken": TOKEN,
        "failureDetails.type": Field("failure_details.type", values=tuple(FAILURE_TYPES), is_enum=True),
        "failureDetails.message": Field("failure_details.message", most=5000),
        "failureDetails.externalExecutionId": Field(
            "failure_details.external_execution_id", most=1500, empty_is_none=True
        ),
    },
}

# The structures that a request must have, with the fields that the gateway names if one is missing.
REQUIRED = {
    "poll": {
        "actionTypeId": tuple(f"actionTypeId.{part}" for part in ("category", "owner", "provider", "version"))
    },
    "failure": {"failureDetails": ("failureDetails.type", "failureDetails.message")},
}

SECRETS = ("nonce", "clientToken", "continuationToken")


def value_at(call, path):
    """The value of a field, or None."""
    for name in path.split("."):
        call = call.get(name) if isinstance(call, dict) else None
    return call


def texts_to_send(operation, call):
    """The call as the gateway sends it: empty texts that mean none are left out."""
    kept = {name: dict(value) if isinstance(value, dict) else value for name, value in call.items()}
    for path, field in FIELDS[operation].items():
        if field.empty_is_none and value_at(call, path) == "":
            structure, name = path.split(".")
            del kept[structure][name]
    return kept


def aws_violations(operation, call):
    """The fields that break AWS's limits, by AWS's paths."""
    missing = {name for name in REQUIRED.get(operation, ()) if name not in call}
    broken = {
        path
        for path, field in FIELDS[operation].items()
        if (value := value_at(call, path)) is not None and field.breaks_aws_limits(value)
    }
    return frozenset(missing | broken)


def gateway_violations(operation, call):
    """The fields that the gateway itself rejects, by AWS's paths."""
    missing = (fields for name, fields in REQUIRED.get(operation, {}).items() if name not in call)
    broken = {
        path
        for path, field in FIELDS[operation].items()
        if (value := value_at(call, path)) is not None and field.breaks_gateway_limits(value)
    }
    return frozenset(broken.union(*missing))


# The codes of an unknown outcome: of a call that can be repeated without harm, and of any other.
UNKNOWN = {"poll": "UNAVAILABLE", "details": "UNAVAILABLE"}

# AWS's code → the gateway's gRPC code, reason and outcome: the table in docs/errors.md, as far as a
# response of AWS decides it. A response without a code is known by its HTTP status.
ERRORS = {
    "ValidationException": ("INVALID_ARGUMENT", "VALIDATION_FAILED", "rejected"),
    "ValidationError": ("INVALID_ARGUMENT", "VALIDATION_FAILED", "rejected"),
    "JobNotFoundException": ("NOT_FOUND", "JOB_NOT_FOUND", "rejected"),
    "InvalidNonceException": ("FAILED_PRECONDITION", "INVALID_NONCE", "rejected"),
    "InvalidClientTokenException": ("PERMISSION_DENIED", "INVALID_CLIENT_TOKEN", "rejected"),
    "ActionTypeNotFoundException": ("NOT_FOUND", "ACTION_TYPE_NOT_FOUND", "rejected"),
    "InvalidJobException": ("NOT_FOUND", "INVALID_JOB", "rejected"),
    "InvalidJobStateException": ("FAILED_PRECONDITION", "INVALID_JOB_STATE", "rejected"),
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

# The errors of the service model that not every operation has.
MODELED = {
    "poll": {"ValidationException", "ActionTypeNotFoundException"},
    "details": {
        "ValidationException",
        "JobNotFoundException",
        "InvalidClientTokenException",
        "InvalidJobException",
    },
    "acknowledge": {
        "ValidationException",
        "JobNotFoundException",
        "InvalidNonceException",
        "InvalidClientTokenException",
    },
    "success": {
        "ValidationException",
        "JobNotFoundException",
        "InvalidClientTokenException",
        "InvalidJobStateException",
    },
}
MODELED["failure"] = MODELED["success"]


def expected_error(operation, code):
    """The gRPC code, the reason, and the outcome of an error of AWS."""
    grpc_code, reason, outcome = ERRORS[code]
    if outcome == "unknown":
        grpc_code = UNKNOWN.get(operation, grpc_code)
    return grpc_code, reason, outcome
