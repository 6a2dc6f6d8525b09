"""The same call by boto3 to CodePipeline's simulator and by gRPC to the gateway: both have to mean the same.

Three calls for each case, each to fresh jobs with the same values:

- boto3 as people use it, which refuses some values itself before it sends them;
- boto3 with its own validation off, so that AWS's (here: the simulator's) verdict is the one that is seen;
- the gateway, by grpcio with stubs made from proto/ on the spot.

"The same" is: success with the same response, field by field, and the same history of the job. Or it is
AWS's error code on one side, and on the other the gRPC code, reason, outcome and `awsErrorCode` of the
error table. For invalid values, both name the same fields. Every case also has an expectation, so that two
wrong results of one kind don't pass. The sides differ in two ways, which model.py contains: the gateway
limits a batch to 100 jobs, and some empty texts in a proto message mean none.
"""

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import replace

from cases import acknowledge_cases
from clients import Boto3, Gateway, Simulator, Verdict, isolate, without_empty
from job_cases import all_job_cases
from model import aws_violations, expected_error, gateway_violations, texts_to_send

# Fewer cases of an operation than this is not a green run, it is a broken table.
AT_LEAST = 200
BY_GATEWAY = ("INVALID_ARGUMENT", "INVALID_REQUEST", "not_sent")


def all_cases():
    cases = [*acknowledge_cases(), *all_job_cases()]
    names = Counter((case.operation, case.name) for case in cases)
    assert max(names.values()) == 1, f"two cases have one name: {names.most_common(3)}"
    return cases


def compare(case, validating, plain, gateway, grpc_error):
    """What is wrong with these three verdicts; nothing if all is well."""
    wrong = []
    broken = aws_violations(case.operation, case.call)
    by_gateway = gateway_violations(case.operation, case.call)
    sent = aws_violations(case.operation, texts_to_send(case.operation, case.call))
    of_boto3 = "ValidationException" if broken else case.expect_of_boto3 or case.expect
    of_gateway = "ValidationException" if by_gateway or sent else case.expect
    for name, verdict, code in (
        ("boto3", plain, of_boto3),
        ("boto3 with its own validation", validating, of_boto3),
        ("the gateway", gateway, of_gateway),
    ):
        expected = None if code else without_empty(case.result)
        if (verdict.result, verdict.aws_code) != (expected, code):
            wrong.append(f"{name} has {verdict}, expected {code or expected!r}")
    if plain.fields != broken:
        wrong.append(f"AWS names {sorted(plain.fields)}, the limits are broken by {sorted(broken)}")
    if gateway.fields != (by_gateway or sent):
        wrong.append(f"the gateway names {sorted(gateway.fields)}, expected {sorted(by_gateway or sent)}")
    # boto3 itself knows the lower limits only.
    itself = validating.said == "ParamValidationError"
    if itself and not validating.fields or not validating.fields <= plain.fields:
        wrong.append(f"boto3 names {sorted(validating.fields)}, AWS {sorted(plain.fields)}")
    if of_gateway and grpc_error is not None:
        meant = BY_GATEWAY if by_gateway else expected_error(case.operation, of_gateway)
        if grpc_error != meant:
            wrong.append(f"the gateway says {grpc_error}, the table {meant}")
    if not broken and not plain.history == validating.history == gateway.history:
        wrong.append(f"the job's histories differ: {plain.history}, {validating.history}, {gateway.history}")
    return wrong


def run(case, simulator, call):
    """The verdict of a call to fresh jobs, and whatever else the caller returns."""
    simulator.prepare(case)
    result = call(case.operation, case.call)
    verdict, *more = (result,) if isinstance(result, Verdict) else result
    if case.has_history:
        verdict = replace(verdict, history=simulator.history(case.call["jobId"]))
    return verdict, *more


def check(case, simulator, validating, plain, gateway):
    (from_validating,) = run(case, simulator, validating.call)
    (from_plain,) = run(case, simulator, plain.call)
    from_gateway, grpc_error, wrong = run(case, simulator, gateway.call)
    return wrong + compare(case, from_validating, from_plain, from_gateway, grpc_error)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proto", required=True, help="the folder with the proto files")
    parser.add_argument("--gateway", required=True, help="HOST:PORT of its gRPC")
    parser.add_argument("--simulator", required=True, help="HOST:PORT")
    parser.add_argument("--only", default="", help="run the cases whose operation and name have this text")
    options = parser.parse_args()
    isolate()

    cases = [case for case in all_cases() if options.only in f"{case.operation}: {case.name}"]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        simulator = Simulator(options.simulator)
        gateway = Gateway(options.gateway, options.proto, scratch)
        parties = Boto3(simulator, True), Boto3(simulator, False), gateway
        for case in cases:
            wrong = check(case, simulator, *parties)
            if wrong:
                failed += 1
                print(f"NOT OK  {case.operation}: {case.name}", *wrong, sep="\n        ")
    print(f"{len(cases) - failed} passed, {failed} failed")
    by_operation = Counter(case.operation for case in cases)
    if not options.only and (len(by_operation) < 5 or min(by_operation.values()) < AT_LEAST):
        sys.exit(f"too few cases ran: {dict(by_operation)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
