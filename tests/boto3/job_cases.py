"""The cases of the four operations around an acknowledge: polls, details, successes, and failures."""

import random
from datetime import datetime, timezone

from cases import Case, VALUES, error_cases, job
from model import CATEGORIES, FAILURE_TYPES, FIELDS, OWNERS, aws_violations, texts_to_send
from texts import ALPHABETS, HOSTILE, of_length

# How many calls of each operation are generated. The seed is fixed, so that a failure can be repeated.
GENERATED = 150
SEED = 20150709

IDENTITY = {"jobId": VALUES["jobId"], "clientToken": VALUES["clientToken"]}
ACTION_TYPE = {"category": "Test", "owner": "ThirdParty", "provider": "differential", "version": "1"}
POLL = {"actionTypeId": ACTION_TYPE, "maxBatchSize": 5}
SUCCESS = IDENTITY | {
    "currentRevision": {
        "revision": "revision-1",
        "changeIdentifier": "change-1",
        "created": datetime(2026, 2, 28, 23, 59, 59, tzinfo=timezone.utc),
        "revisionSummary": "a revision",
    },
    "continuationToken": "continuation-token-1-do-not-show",
    "executionDetails": {"summary": "done", "externalExecutionId": "build 1", "percentComplete": 100},
}
FAILURE = IDENTITY | {
    "failureDetails": {"type": "JobFailed", "message": "it failed", "externalExecutionId": "build 1"}
}
VALID = {"poll": POLL, "details": IDENTITY, "success": SUCCESS, "failure": FAILURE}


def with_value(call, path, value):
    """The same call with another value of a field. None removes the field."""
    *structures, name = path.split(".")
    changed = dict(call)
    place = changed
    for structure in structures:
        place[structure] = dict(place.get(structure, {}))
        place = place[structure]
    place[name] = value
    if value is None:
        del place[name]
    return changed


def polled_jobs(number, action_type=ACTION_TYPE):
    return tuple(
        job({"jobId": f"poll-{n}"}, status="Queued", client_id=f"client-{n}", action_type=action_type)
        for n in range(number)
    )


def valid_case(operation, name, call):
    """A call that meets the job it is about. It succeeds, unless it breaks a limit."""
    if aws_violations(operation, texts_to_send(operation, call)):
        return Case(operation, name, call)
    if operation == "poll":
        ids = range(min(3, call.get("maxBatchSize", 1)))
        result = {"jobs": [{"job_id": f"poll-{n}", "client_id": f"client-{n}"} for n in ids]}
        return Case(operation, name, call, result, jobs=polled_jobs(3, call["actionTypeId"]))
    jobs = (job({key: call[key] for key in IDENTITY}, status="InProgress"),)
    if operation == "details":
        return Case(operation, name, call, plain_details(call["jobId"]), jobs=jobs)
    return Case(operation, name, call, {}, jobs=jobs, has_history=True)


def plain_details(job_id, **data):
    """The details of a job whose job file says nothing else."""
    context = {"pipeline_name": "fake-pipeline", "stage_name": "fake-stage", "action_name": "fake-action"}
    context["action_execution_id"] = "fa4efa4e-0000-4000-8000-fa4efa4efa4e"
    action_type = {"category": "Test", "owner": "ThirdParty", "provider": "FakeProvider", "version": "1"}
    return {
        "job_details": {
            "id": job_id,
            "nonce": VALUES["nonce"],
            "data": {
                "action_type_id": action_type,
                "pipeline_context": context,
                "artifact_credentials": "(new)",
            }
            | data,
        }
    }


def boundary_cases(operation):
    for path, field in FIELDS[operation].items():
        if field.numbers is not None:
            low, high = field.numbers[0], field.gateway_most or field.numbers[1]
            numbers = (-1, low - 1, low, low + 1, high - 1, high, high + 1, 10_000)
            values = {str(value): value for value in numbers}
        elif field.values:
            texts = (*field.values, "", "Nonsense", field.values[0].lower())
            values = {value or "empty": value for value in texts}
        else:
            lengths = {0, 1, field.most - 1, field.most, field.most + 1}
            values = {
                f"{length} × {kind}": of_length(alphabet, length)
                for kind, alphabet in ALPHABETS.items()
                for length in sorted(lengths)
                if length > 0 or kind == "ASCII"
            }
        for kind, value in values.items():
            yield valid_case(operation, f"{path}: {kind}", with_value(VALID[operation], path, value))
    for path in FIELDS[operation]:
        optional = path in ("maxBatchSize", "continuationToken") or path.startswith("executionDetails.")
        if optional or FIELDS[operation][path].empty_is_none:
            yield valid_case(operation, f"{path}: none", with_value(VALID[operation], path, None))


def hostile_cases(operation):
    for path, field in FIELDS[operation].items():
        if field.numbers is None and not field.values:
            for kind, text in HOSTILE.items():
                yield valid_case(operation, f"{path}: {kind}", with_value(VALID[operation], path, text))


def generated_cases(operation):
    """Calls with several random values, of which some break a limit."""
    rng = random.Random(f"{SEED} {operation}")

    def value(field):
        if field.numbers is not None:
            return rng.choice((-7, 0, 1, 2, 50, 99, 100, 101, 2**31 - 1))
        if field.values:
            return rng.choice((*field.values, *field.values, "Other", ""))
        if rng.random() < 0.3:
            return rng.choice(tuple(HOSTILE.values()))
        length = rng.choice((0, 1, 2, field.most, field.most, field.most + 1, rng.randint(1, field.most)))
        return of_length(rng.choice(tuple(ALPHABETS.values())), length)

    for number in range(GENERATED):
        call = VALID[operation]
        for path in rng.sample(sorted(FIELDS[operation]), rng.randint(1, min(4, len(FIELDS[operation])))):
            call = with_value(call, path, value(FIELDS[operation][path]))
        yield valid_case(operation, f"generated {number}", call)


def mismatch_cases(operation):
    """Calls for another job, with another token, and in another state."""
    call = VALID[operation]
    states = {"InProgress", "Dispatched", "Succeeded", "Failed", "TimedOut", "Queued"}
    state_error = "InvalidJobException" if operation == "details" else "InvalidJobStateException"
    allowed = {"InProgress", "Dispatched"} if operation == "details" else {"InProgress"}
    jobs = (job(status="InProgress"),)
    for name, code, values in (
        ("jobId", "JobNotFoundException", ("other", "JOB-1", "job-1 ")),
        ("clientToken", "InvalidClientTokenException", ("other", "TOKEN-1", "token-1\0")),
    ):
        for value in values:
            changed = call | {name: value}
            yield Case(operation, f"{name}: {value!r}", changed, expect=code, jobs=jobs)
    for state in sorted(states - allowed):
        yield Case(operation, f"a job that is {state}", call, expect=state_error, jobs=(job(status=state),))


def poll_cases():
    for size in (None, 1, 2, 99, 100):
        call = with_value(POLL, "maxBatchSize", size)
        ids = range(size or 1)
        result = {"jobs": [{"job_id": f"poll-{n}", "client_id": f"client-{n}"} for n in ids]}
        yield Case("poll", f"120 jobs, a batch of {size}", call, result, jobs=polled_jobs(120))
    none = tuple(one | {"status": "InProgress"} for one in polled_jobs(2))
    yield Case("poll", "no job is due", POLL, {}, jobs=none)
    unknown = {"actionTypeId": ACTION_TYPE | {"provider": "nowhere"}}
    yield Case("poll", "an unknown action type", unknown, expect="ActionTypeNotFoundException")
    yield Case("poll", "no action type", {})
    for kind, text in HOSTILE.items():
        jobs = (job({"jobId": text}, status="Queued", client_id=text, action_type=ACTION_TYPE),)
        result = {"jobs": [{"job_id": text, "client_id": text}]}
        yield Case("poll", f"a job of ids: {kind}", POLL, result, jobs=jobs)
    for owner, category in zip(OWNERS * 3, CATEGORIES):
        action_type = ACTION_TYPE | {"owner": owner, "category": category}
        yield valid_case("poll", f"{category} by {owner}", {"actionTypeId": action_type})


def details_cases():
    def case(name, job_file, **data):
        jobs = (job(**job_file),)
        return Case("details", name, IDENTITY, plain_details(VALUES["jobId"], **data), jobs=jobs)

    for kind, text in HOSTILE.items():
        configuration = {text: text, "plain": text, f"{text}?": "plain", "empty": ""}
        artifacts = [{"name": text, "bucket_name": text, "object_key": text, "revision": text}]
        outputs = [{"name": text, "bucket_name": text, "object_key": text}, *artifacts]
        context = dict.fromkeys(("pipeline_name", "stage_name", "action_name", "action_execution_id"), text)
        yield case(
            f"a job full of: {kind}",
            {
                "configuration": configuration,
                "input_artifacts": artifacts,
                "output_artifacts": outputs,
                "pipeline_context": context,
                "continuation_token": text,
                "encryption_key": {"id": text},
            },
            configuration=configuration,
            input_artifacts=artifacts,
            output_artifacts=outputs,
            pipeline_context=context,
            continuation_token=text,
            encryption_key={"id": text, "type": "KMS"},
        )
    large = {f"key-{n}": of_length("value 界 ", 1000) for n in range(75)}
    yield case("a configuration of 100 KB", {"configuration": large}, configuration=large)
    many = {f"key-{n}": str(n) for n in range(2000)}
    yield case("2000 keys", {"configuration": many}, configuration=many)
    key = {"id": "arn:aws:kms:eu-west-1:123456789012:key/1", "type": "KMS"}
    yield case("an encryption key", {"encryption_key": key}, encryption_key=key)
    yield case("no credentials", {"artifact_credentials": False}, artifact_credentials=None)
    body = '{"jobDetails":{"id":"job-1","data":{"inputArtifacts":[{}],'
    body += '"encryptionKey":{"id":"k","type":"New"}}}}'
    found = {"input_artifacts": [{}], "encryption_key": {"id": "k", "type": "New"}}
    result = {"job_details": {"id": "job-1", "data": found}}
    faults = ({"answer": {"body": body}},)
    yield Case("details", "details with gaps", IDENTITY, result, jobs=(job(),), faults=faults)


def result_cases():
    for operation in ("success", "failure"):
        yield valid_case(operation, "all fields", VALID[operation])
    yield valid_case("success", "only the job", IDENTITY)
    for year in (1, 1969, 1970, 2038, 9999):
        created = datetime(year, 1, 1, tzinfo=timezone.utc)
        call = with_value(SUCCESS, "currentRevision.created", created)
        yield valid_case("success", f"created in {year}", call)
    yield Case("failure", "no details", IDENTITY, jobs=(job(status="InProgress"),))
    for kind in FAILURE_TYPES:
        yield valid_case("failure", kind, with_value(FAILURE, "failureDetails.type", kind))


def all_job_cases():
    yield from poll_cases()
    yield from details_cases()
    yield from result_cases()
    for operation, call in VALID.items():
        yield from boundary_cases(operation)
        yield from hostile_cases(operation)
        yield from generated_cases(operation)
        jobs = polled_jobs(1) if operation == "poll" else (job(status="InProgress"),)
        yield from error_cases(operation, call, jobs)
        if operation != "poll":
            yield from mismatch_cases(operation)
