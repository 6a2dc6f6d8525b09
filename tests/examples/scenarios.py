"""What every client has to go through, each against the real gateway; matrix.py prints what became of it."""

import contextlib
import itertools
import json
import signal

import grpc
import reasons
from clients import Run
from house import KEYS, job, stand_in, wait_for

SCENARIOS = []
_numbers = itertools.count(1)


class NotHere(Exception):
    """This client, or this gateway, doesn't have what the scenario is about; the text says what."""


def scenario(*rows):
    """A function that goes through these rows: it returns nothing if all is well, raises if not, or tells row by row."""

    def register(function):
        SCENARIOS.append((rows, function))
        return function

    return register


def fresh(client, what):
    """A new job id."""
    return f"{client.name}-{what}-{next(_numbers)}"


def expect(answer, **expected):
    wrong = {key: answer[key] for key, value in expected.items() if answer[key] != value}
    assert not wrong, f"{answer['job_id'] or 'the call'} has {wrong} instead of {expected}; {answer['message']}"


def plain(house):
    """Without retries of its own, so that the clients' ones can be counted."""
    return house.gateway("plain", "--aws-max-attempts", "1", "--aws-attempt-timeout", "60s", "--max-deadline", "120s")


# ---- what a call comes to ---------------------------------------------------------------------------------------------


@scenario("success")
def success(house, client):
    ids = [fresh(client, "success") for _ in range(2)]
    house.simulator.put_jobs(*map(job, ids))
    with Run(house, client, plain(house).address) as run:
        for job_id in ids:
            answer = run.call(job_id)
            expect(answer, code="OK", status="JOB_STATUS_IN_PROGRESS", aws_status="InProgress", verdict="yours", calls=1)
            assert answer["request_id"], "no request id"
        assert run.end() == 0, "the exit code isn't 0"


@scenario("a status that is new")
def new_status(house, client):
    job_id = fresh(client, "status")
    house.simulator.put_jobs(job(job_id, answer_status="Paused"))
    with Run(house, client, plain(house).address) as run:
        expect(run.call(job_id), code="OK", status="JOB_STATUS_UNSPECIFIED", aws_status="Paused", verdict="unknown")


@scenario("answers that the stubs don't know, or that something on the way has damaged: unknown")
def foreign_answers(house, client):
    # JobStatus 99; details that are no google.rpc.Status; and some for NOT_FOUND (5) under another code.
    answers = {
        "newer": b"\x08\x63\x12\x03New",
        "garbled": (grpc.StatusCode.UNAVAILABLE, b"\xff\xff\xff"),
        "other-code": (grpc.StatusCode.UNAVAILABLE, b"\x08\x05\x12\x02no"),
    }
    with stand_in(**answers) as address, Run(house, client, address, retries=3) as run:
        expect(run.call("newer"), code="OK", status="JOB_STATUS_UNSPECIFIED", aws_status="New", verdict="unknown")
        for job_id in "garbled", "other-code":
            expect(run.call(job_id), reason="", outcome="unknown", verdict="unknown", calls=1)
        assert run.end() == 3, "the exit code isn't 3"


FROM_ONE_PROCESS = (*reasons.BY_JOB, "INVALID_REQUEST", "JOB_NOT_FOUND", "INVALID_NONCE", "INVALID_CLIENT_TOKEN")


def expect_reason(house, reason, answer, outcome=None):
    code, in_table = house.errors[reason]
    outcome = outcome or in_table or reasons.TRUE_OUTCOME[reason]
    code = "UNKNOWN" if (code, outcome) == ("UNAVAILABLE", "unknown") else code
    verdict = "unknown" if outcome == "unknown" else "not_yours"
    expect(answer, reason=reason, code=code, outcome=outcome, verdict=verdict, status="")
    assert answer["request_id"], "no request id"


@scenario(*FROM_ONE_PROCESS)
def every_reason(house, client):
    ids = reasons.seed(house, f"{client.name}-{next(_numbers)}") | {"INVALID_REQUEST": ""}
    problems = {}
    with Run(house, client, plain(house).address) as run:
        for reason in FROM_ONE_PROCESS:
            try:
                expect_reason(house, reason, run.call(ids[reason]))
            except AssertionError as problem:
                problems[reason] = str(problem)
        if run.end() != 3:
            problems["AWS_UNAVAILABLE"] = "an unknown outcome isn't exit code 3"
    return problems


@scenario("GATEWAY_CREDENTIALS_UNAVAILABLE")
def no_credentials(house, client):
    gateway = house.gateway("no-credentials", environment={}, ready=False)
    with Run(house, client, gateway.address) as run:
        expect_reason(house, "GATEWAY_CREDENTIALS_UNAVAILABLE", run.call(fresh(client, "no-credentials")))


@scenario("AWS_UNREACHABLE")
def unreachable(house, client):
    nowhere = KEYS | {"AWS_ENDPOINT_URL_CODEPIPELINE": "http://127.0.0.1:9"}
    gateway = house.gateway("unreachable", environment=nowhere)
    with Run(house, client, gateway.address) as run:
        expect_reason(house, "AWS_UNREACHABLE", run.call(fresh(client, "nowhere")))


@scenario("AWS_TIMEOUT")
def slow_aws(house, client):
    gateway = house.gateway("impatient", "--aws-attempt-timeout", "2s")
    job_id = fresh(client, "timeout")
    house.simulator.put_jobs(job(job_id, reasons.HANG))
    with Run(house, client, gateway.address) as run:
        expect_reason(house, "AWS_TIMEOUT", run.call(job_id))


@scenario("DEADLINE_EXCEEDED")
def deadline(house, client):
    job_id = fresh(client, "deadline")
    house.simulator.put_jobs(job(job_id, reasons.HANG))
    with Run(house, client, plain(house).address, timeout=3) as run:
        # The gateway answers a little before the deadline; on a busy machine the client's own clock may win once.
        for _ in range(5):
            answer = run.call(job_id)
            expect(answer, code="DEADLINE_EXCEEDED", outcome="unknown", verdict="unknown", calls=1)
            if answer["reason"]:
                return expect_reason(house, "DEADLINE_EXCEEDED", answer, "unknown")
    raise AssertionError("the gateway's own answer never came")


# ---- repeated, and never repeated -----------------------------------------------------------------------------------------


@scenario("throttled, then fine")
def throttled(house, client):
    job_id = fresh(client, "throttled")
    house.simulator.put_jobs(job(job_id, reasons.error("ThrottlingException", times=2)))
    with Run(house, client, plain(house).address, retries=3) as run:
        answer = run.call(job_id)
    # By the library, as the service config says; where it has none, by the helper.
    expect(answer, code="OK", verdict="yours", calls=1 if client.service_config else 3)
    assert len(house.simulator.requests(job_id)) == 3, "AWS was not asked three times"


@scenario("no credentials for a moment, then fine")
def repeated(house, client):
    job_id = fresh(client, "expired")
    house.simulator.put_jobs(job(job_id, reasons.error("ExpiredTokenException", times=1)))
    with Run(house, client, plain(house).address, retries=3) as run:
        expect(run.call(job_id), code="OK", verdict="yours", calls=2)


@scenario("an unknown outcome isn't repeated")
def not_repeated(house, client):
    ids = reasons.seed(house, f"{client.name}-{next(_numbers)}")
    unknown = ["AWS_UNAVAILABLE", "AWS_REQUEST_TIMEOUT", "AWS_CONNECTION_LOST", "AWS_BAD_RESPONSE"]
    with Run(house, client, plain(house).address, retries=3) as run:
        for reason in unknown:
            answer = run.call(ids[reason])
            expect(answer, reason=reason, outcome="unknown", calls=1)
            assert len(house.simulator.requests(ids[reason])) == 1, f"{reason}: AWS was asked again"


@scenario("pushback obeyed by a library that repeats everything")
def pushback(house, client):
    if not client.service_config:
        raise NotHere("the library reads no service config, so it repeats nothing by itself")
    config = json.loads(house.service_config.read_text())
    config["methodConfig"][0]["retryPolicy"] |= {
        "initialBackoff": "0.05s",
        "retryableStatusCodes": ["UNKNOWN", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"],
    }
    del config["retryThrottling"]
    eager = house.scratch / "eager.json"
    eager.write_text(json.dumps(config))
    ids = reasons.seed(house, f"{client.name}-{next(_numbers)}")
    with Run(house, client, plain(house).address, retries=1, service_config=eager) as run:
        for reason in ["AWS_UNAVAILABLE", "AWS_CONNECTION_LOST", "AWS_BAD_RESPONSE"]:
            expect(run.call(ids[reason]), reason=reason, outcome="unknown")
            assert len(house.simulator.requests(ids[reason])) == 1, f"{reason}: repeated against the pushback"
        # It does repeat what has no pushback, or this would show nothing.
        run.call(ids["AWS_UNRECOGNIZED_ERROR"])
        assert len(house.simulator.requests(ids["AWS_UNRECOGNIZED_ERROR"])) > 1, "this library repeats nothing"


@scenario("GATEWAY_OVERLOADED", "overloaded, then fine")
def overloaded(house, client):
    gateway = house.gateway("overloaded", "--max-in-flight", "1", "--aws-attempt-timeout", "600s", "--max-deadline", "600s")
    hanging, job_id = fresh(client, "occupant"), fresh(client, "overloaded")
    house.simulator.put_jobs(job(hanging, reasons.HANG), job(job_id))
    with house.occupant(gateway, hanging) as leave:
        with Run(house, client, gateway.address) as run:
            expect_reason(house, "GATEWAY_OVERLOADED", run.call(job_id))
        with Run(house, client, gateway.address, retries=20) as run:
            refused = 'codepipeline_gateway_errors_total{reason="GATEWAY_OVERLOADED"}'
            before = gateway.metric(refused)
            run.ask(job_id)
            wait_for("a call that is refused", lambda: gateway.metric(refused) > before)
            leave()
            expect(run.answer(), code="OK", verdict="yours")
            assert len(house.simulator.requests(job_id)) == 1, "a refused call was sent on"


# ---- gateways that come and go ------------------------------------------------------------------------------------------


@scenario("GATEWAY_SHUTTING_DOWN", "GATEWAY_SHUTTING_DOWN, nothing happened")
def shutting_down(house, client):
    hanging, waiting = fresh(client, "cut-off"), fresh(client, "waiting")
    throttled_long = reasons.error("ThrottlingException", retry_after_ms=20_000)
    house.simulator.put_jobs(job(hanging, reasons.HANG), job(waiting, throttled_long))
    problems = {}
    for row, job_id, outcome in [
        ("GATEWAY_SHUTTING_DOWN", hanging, "unknown"),
        ("GATEWAY_SHUTTING_DOWN, nothing happened", waiting, "rejected"),
    ]:
        with (
            house.own_gateway("leaving", "--drain-timeout", "300ms", "--aws-attempt-timeout", "60s") as gateway,
            Run(house, client, gateway.address) as run,
        ):
            run.ask(job_id)
            wait_for("the call at AWS", lambda: house.simulator.requests(job_id))
            if outcome == "rejected":
                wait_for("the refusal", lambda: not house.simulator.pending(job_id))
            gateway.child.send_signal(signal.SIGTERM)
            try:
                expect_reason(house, "GATEWAY_SHUTTING_DOWN", run.answer(), outcome)
            except AssertionError as problem:
                problems[row] = str(problem)
            assert gateway.stop() == 0, "the gateway didn't end well"
    return problems


@scenario("a restart: the call in flight finishes, the next one reconnects")
def restart(house, client):
    during, after = fresh(client, "during"), fresh(client, "after")
    house.simulator.put_jobs(job(during, {"delay": {"ms": 1500}}), job(after))
    with house.own_gateway("restarting") as gateway, Run(house, client, gateway.address, retries=3) as run:
        run.ask(during)
        wait_for("the call at AWS", lambda: house.simulator.pending(during))
        gateway.child.send_signal(signal.SIGTERM)
        expect(run.answer(), code="OK", verdict="yours", calls=1)
        assert gateway.stop() == 0, "the gateway didn't end well"
        with house.own_gateway("restarted", port=gateway.port):
            expect(run.call(after), code="OK", verdict="yours")


@scenario("both replicas restarted, one after the other, under calls: none fails")
def rolling_restart(house, client):
    if not client.balances:
        raise NotHere("the library keeps one connection and balances nothing")
    flags = ("--shutdown-delay", "300ms")
    with (
        contextlib.ExitStack() as stack,
        house.own_gateway("replica-1", *flags) as first,
        house.own_gateway("replica-2", *flags, host="127.0.0.2", port=first.port) as second,
        # tonic picks a dead address now and then, and says that nothing was sent; the others repeat nothing here.
        Run(house, client, client.two_replicas(house, first.port), retries=0 if client.service_config else 5) as run,
    ):
        served = lambda gateway: gateway.metric("grpc_server_handled_total{") > 0
        given_up = []

        def call():
            job_id = fresh(client, "rolling")
            house.simulator.put_jobs(job(job_id))
            answer = run.call(job_id)
            if (answer["code"], answer["message"]) in client.gives_up:
                expect(answer, verdict="unknown")
                given_up.append(job_id)
            else:
                expect(answer, code="OK", verdict="yours")

        def both_serve(*gateways):
            wait_for("both replicas getting calls", lambda: call() or all(map(served, gateways)))

        both_serve(first, second)
        for name, gateway in (("replica-1", first), ("replica-2", second)):
            host = gateway.address.rpartition(":")[0]
            gateway.child.send_signal(signal.SIGTERM)
            while gateway.running():
                call()
            assert gateway.stop() == 0, "the gateway didn't end well"
            for _ in range(10):
                call()
            both_serve(stack.enter_context(house.own_gateway(f"{name}-again", *flags, host=host, port=first.port)))
        sent = [job_id for job_id in given_up if house.simulator.requests(job_id)]
        assert not sent, f"given up by the library as refused, and yet at AWS: {sent}"
        assert len(given_up) <= 4, f"more than one for each GOAWAY: {given_up}"


@scenario("a gateway killed with a call in flight: unknown, not repeated")
def killed(house, client):
    job_id = fresh(client, "killed")
    house.simulator.put_jobs(job(job_id, {"hang": {"process": True}, "times": reasons.FOREVER}))
    with (
        house.own_gateway("killed", "--aws-attempt-timeout", "60s") as gateway,
        # Without waiting for long: nothing is there to be called again.
        Run(house, client, gateway.address, retries=3, timeout=25) as run,
    ):
        run.ask(job_id)
        wait_for("the call at AWS", lambda: house.simulator.pending(job_id))
        gateway.stop(signal.SIGKILL)
        answer = run.answer()
    expect(answer, reason="", outcome="unknown", verdict="unknown", calls=1)
    assert len(house.simulator.requests(job_id)) == 1, "AWS was asked again"


# ---- who calls, and whom ------------------------------------------------------------------------------------------------


def with_tls(house):
    return house.gateway("tls", *house.tls_flags())


@scenario("TLS")
def tls(house, client):
    job_id = fresh(client, "tls")
    house.simulator.put_jobs(job(job_id))
    with Run(house, client, house.tls_target(with_tls(house)), ca=house.authority.ca) as run:
        expect(run.call(job_id), code="OK", verdict="yours")


@scenario("TLS with roots that don't know the gateway: nothing is sent")
def wrong_ca(house, client):
    job_id = fresh(client, "wrong-ca")
    house.simulator.put_jobs(job(job_id))
    with Run(house, client, house.tls_target(with_tls(house)), ca=house.stranger.ca, timeout=4) as run:
        expect(run.call(job_id), reason="", status="")
    assert not house.simulator.requests(job_id), "AWS was asked"


@scenario("mTLS", "CALLER_NOT_ALLOWED", "CALLER_UNAUTHENTICATED", "mTLS without a certificate: nothing is sent")
def mtls(house, client):
    gateway = house.gateway(
        "mtls", *house.tls_flags(), "--tls-client-ca", str(house.authority.ca), "--auth", "mtls", "--allow", "spiffe://example/worker"
    )
    target, ids = house.tls_target(gateway), [fresh(client, "mtls") for _ in range(4)]
    house.simulator.put_jobs(*map(job, ids))
    callers = {
        "mTLS": (house.worker, lambda answer: expect(answer, code="OK", verdict="yours")),
        "CALLER_NOT_ALLOWED": (house.other, lambda answer: expect_reason(house, "CALLER_NOT_ALLOWED", answer)),
        "CALLER_UNAUTHENTICATED": (house.nameless, lambda answer: expect_reason(house, "CALLER_UNAUTHENTICATED", answer)),
        "mTLS without a certificate: nothing is sent": (None, lambda answer: expect(answer, reason="", status="")),
    }
    problems = {}
    for (row, (files, check)), job_id in zip(callers.items(), ids, strict=True):
        options = {"cert": files[0], "key": files[1]} if files else {"timeout": 4}
        try:
            with Run(house, client, target, ca=house.authority.ca, **options) as run:
                check(run.call(job_id))
            assert row == "mTLS" or not house.simulator.requests(job_id), "AWS was asked"
        except AssertionError as problem:
            problems[row] = str(problem)
    return problems


@scenario("bearer token, read again", "a bearer token of another service", "no bearer token")
def bearer(house, client):
    if "jwt" not in house.modes():
        raise NotHere("this gateway has no --auth jwt")
    issuer = house.issuer
    gateway = house.gateway(
        "jwt", *house.tls_flags(), "--auth", "jwt", "--jwt-issuer", issuer.ISSUER, "--jwt-audience", issuer.AUDIENCE,
        "--jwt-jwks", str(issuer.jwks), "--allow", "sub:system:serviceaccount:jobs:worker",
    )  # fmt: skip
    target, file = house.tls_target(gateway), house.scratch / "token"
    options = {"ca": house.authority.ca, "token_file": file}
    ids = [fresh(client, "token") for _ in range(5)]
    house.simulator.put_jobs(*map(job, ids))
    with Run(house, client, target, **options) as run:
        file.write_text(issuer.token("system:serviceaccount:jobs:worker") + "\n")
        expect(run.call(ids[0]), code="OK", verdict="yours")
        # Kubernetes has replaced it; here by one that is over, to see which of the two is sent.
        file.write_text(issuer.token("system:serviceaccount:jobs:worker", expires_in=-3600))
        expect_reason(house, "CALLER_UNAUTHENTICATED", run.call(ids[1]))
        file.write_text(issuer.token("system:serviceaccount:jobs:worker"))
        expect(run.call(ids[2]), code="OK", verdict="yours")
        file.write_text(issuer.token("system:serviceaccount:jobs:other"))
        expect_reason(house, "CALLER_NOT_ALLOWED", run.call(ids[3]))
    with Run(house, client, target, ca=house.authority.ca) as run:
        expect_reason(house, "CALLER_UNAUTHENTICATED", run.call(ids[4]))


# ---- through a proxy that repeats UNAVAILABLE and CANCELLED by itself ---------------------------------------------------


@scenario("a mesh that repeats: the same answers, no job lost")
def through_a_mesh(house, client):
    ids = reasons.seed(house, f"{client.name}-mesh-{next(_numbers)}")
    with house.mesh(plain(house).address) as mesh, Run(house, client, mesh.address) as run:
        for reason, job_id in ids.items():
            expect_reason(house, reason, run.call(job_id))
            code, calls = house.errors[reason][0], len(house.simulator.requests(job_id))
            # It does repeat what promises that nothing happened, or this would show nothing.
            assert calls == (3 if code == "UNAVAILABLE" else 1), f"{reason}: AWS was asked {calls} times"


@scenario("a mesh that repeats, and a gateway killed: unknown, no job lost")
def killed_behind_a_mesh(house, client):
    job_id = fresh(client, "mesh-killed")
    house.simulator.put_jobs(job(job_id, {"hang": {"process": True}}))
    with house.own_gateway("killed-behind-mesh", "--aws-attempt-timeout", "60s") as gateway:
        with house.mesh(gateway.address, plain(house).address) as mesh, Run(house, client, mesh.address) as run:
            run.ask(job_id)
            wait_for("the call at AWS", lambda: house.simulator.pending(job_id))
            gateway.stop(signal.SIGKILL)
            expect(run.answer(), reason="", verdict="unknown")
