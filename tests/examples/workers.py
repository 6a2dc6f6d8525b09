"""Whole jobs: each client's worker polls, reads, acknowledges, works, and reports, with faults at every step."""

import itertools
from dataclasses import dataclass

import grpc
from clients import Work
from house import METHOD, job, stand_in
from scenarios import expect, fresh, plain, scenario

SUCCESS, FAILURE = "PutThirdPartyJobSuccessResult", "PutThirdPartyJobFailureResult"
POLL = METHOD.replace("AcknowledgeThirdPartyJob", "PollForThirdPartyJobs")
DETAILS, ACKNOWLEDGE = "GetThirdPartyJobDetails", "AcknowledgeThirdPartyJob"
LOST = {"reset": {"when": "after_processing"}}
SERVER_ERROR = {"answer": {"http_status": 503}}
_numbers = itertools.count(1)


def new_action_type(client):
    """One that no other scenario polls."""
    provider = f"{client.name}-{next(_numbers)}"
    return {"category": "Test", "owner": "ThirdParty", "provider": provider, "version": "1"}


def waiting(job_id, action_type, *faults, seconds="0"):
    """A job that waits for a poll. Without `seconds`, the action's configuration is wrong."""
    configuration = {} if seconds is None else {"Seconds": seconds}
    return job(job_id, *faults, status="Queued", action_type=action_type, configuration=configuration)


@dataclass
class Case:
    """A job, how its worker ends it, and the calls about it that reach AWS."""

    row: str
    result: str
    kind: str
    calls: list
    faults: list
    seconds: str | None = "0"


def problem(house, case, job_id, line):
    """What is wrong with a job that its worker has ended."""
    expect(line, job_id=job_id, result=case.result)
    entry = house.simulator.ledger(job_id)
    assert entry["acknowledged"] == 1, f"acknowledged {entry['acknowledged']} times"
    kinds = [failure["type"] if (failure := end.get("failure")) else "success" for end in entry["results"]]
    assert kinds == ([case.kind] if case.kind else []), f"ended as {kinds}"
    calls = house.simulator.calls(job_id)
    assert calls == case.calls, f"the calls at AWS were {calls}"


def whole_jobs(house, client, cases):
    """One worker, one job after the other."""
    action_type, problems = new_action_type(client), {}
    ids = [fresh(client, "whole") for _ in cases]
    jobs = [waiting(id_, action_type, *case.faults, seconds=case.seconds) for id_, case in zip(ids, cases, strict=True)]
    house.simulator.put_jobs(*jobs)
    with Work(house, client, plain(house).address, action_type, jobs=len(jobs)) as worker:
        for case, job_id in zip(cases, ids, strict=True):
            try:
                problem(house, case, job_id, worker.line())
            except AssertionError as text:
                problems[case.row] = str(text)
        assert worker.end() == 0, "the exit code isn't 0"
    return problems


def register(*cases):
    scenario(*[case.row for case in cases])(lambda house, client: whole_jobs(house, client, cases))


register(
    Case("a whole job: success", "success", "success", [DETAILS, ACKNOWLEDGE, SUCCESS], []),
    Case("a whole job: failure", "failure", "ConfigurationError", [DETAILS, ACKNOWLEDGE, FAILURE], [], None),
    Case(
        "a whole job: an error of the worker's own code is a failure",
        "failure",
        "JobFailed",
        [DETAILS, ACKNOWLEDGE, FAILURE],
        [],
        "soon",
    ),
)
register(
    Case(
        "a lost answer of a success: the same result again, one end",
        "success",
        "success",
        [DETAILS, ACKNOWLEDGE, SUCCESS, SUCCESS],
        [LOST | {"operation": SUCCESS}],
    ),
    Case(
        "a lost answer of a failure: the same result again, one end",
        "failure",
        "ConfigurationError",
        [DETAILS, ACKNOWLEDGE, FAILURE, FAILURE],
        [LOST | {"operation": FAILURE}],
        None,
    ),
    Case(
        "a success that didn't reach AWS's records: the same result again",
        "success",
        "success",
        [DETAILS, ACKNOWLEDGE, SUCCESS, SUCCESS],
        [SERVER_ERROR | {"operation": SUCCESS}],
    ),
    Case(
        "a lost answer of an acknowledge: one deliberate retry, then the work",
        "success",
        "success",
        [DETAILS, ACKNOWLEDGE, ACKNOWLEDGE, SUCCESS],
        [LOST | {"operation": ACKNOWLEDGE}],
    ),
    Case(
        "a lost answer of the details: read again",
        "success",
        "success",
        [DETAILS, DETAILS, ACKNOWLEDGE, SUCCESS],
        [LOST | {"operation": DETAILS}],
    ),
    Case(
        "INVALID_JOB_STATE",
        "not_recorded",
        "",
        [DETAILS, ACKNOWLEDGE, SUCCESS],
        [{"error": {"code": "InvalidJobStateException"}, "operation": SUCCESS}],
    ),
)


@scenario("a poll that fails: retried")
def failed_poll(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "whole")
    house.simulator.put_jobs(waiting(job_id, action_type))
    house.simulator.add_fault("PollForThirdPartyJobs", SERVER_ERROR)
    with Work(house, client, plain(house).address, action_type, jobs=1) as worker:
        expect(worker.line(), job_id=job_id, result="success")


@scenario("a poll whose error has no ErrorInfo: retried")
def cancelled_poll(house, client):
    action_type = new_action_type(client)
    # As tonic ends a call that met GOAWAY.
    answers = {action_type["provider"]: (grpc.StatusCode.CANCELLED, b"")}
    with stand_in(method=POLL, **answers) as address, Work(house, client, address, action_type, timeout=20) as worker:
        expect(worker.line(), job_id="", result="", code="CANCELLED", reason="", calls=4)


@scenario("an acknowledge that stays unknown: no work, no result")
def unknown_acknowledge(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "whole")
    faults = [SERVER_ERROR | {"operation": ACKNOWLEDGE, "times": 2}]
    house.simulator.put_jobs(waiting(job_id, action_type, *faults))
    with Work(house, client, plain(house).address, action_type, jobs=1) as worker:
        expect(worker.line(), job_id=job_id, result="unknown", reason="AWS_UNAVAILABLE")
    assert house.simulator.calls(job_id) == [DETAILS, ACKNOWLEDGE, ACKNOWLEDGE], house.simulator.calls(job_id)


@scenario("ACTION_TYPE_NOT_FOUND")
def unknown_action_type(house, client):
    with Work(house, client, plain(house).address, new_action_type(client)) as worker:
        expect(worker.line(), job_id="", result="", code="NOT_FOUND", reason="ACTION_TYPE_NOT_FOUND")


@scenario("INVALID_JOB")
def unreadable_job(house, client):
    action_type, job_id = new_action_type(client), fresh(client, "whole")
    fault = {"error": {"code": "InvalidJobException"}, "operation": DETAILS}
    house.simulator.put_jobs(waiting(job_id, action_type, fault))
    with Work(house, client, plain(house).address, action_type, jobs=1) as worker:
        expect(worker.line(), job_id=job_id, result="not_yours", reason="INVALID_JOB", outcome="rejected")
    assert house.simulator.calls(job_id) == [DETAILS], "more than the details was asked for"
