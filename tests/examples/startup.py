"""A client that can't work: a secret is missing, no gateway listens, or nothing responds."""

import contextlib
import socket
import threading

from clients import Run, Work
from house import PATIENCE, stand_in
from scenarios import expect, plain, scenario
from workers import new_action_type

VARIABLES = {"acknowledge": ("CODEPIPELINE_NONCE", "CODEPIPELINE_CLIENT_TOKEN"), "worker": ("CODEPIPELINE_CLIENT_TOKEN",)}


def start(house, client, command, target, **options):
    """One of the two commands."""
    if command == "acknowledge":
        return Run(house, client, target, **options)
    return Work(house, client, target, new_action_type(client), **options)


@scenario("a secret that is missing or empty: reported, nothing is sent")
def missing_secret(house, client):
    calls = len(house.simulator.requests())
    for command, variables in VARIABLES.items():
        for variable in variables:
            for value in (None, ""):
                with start(house, client, command, plain(house).address, environment={variable: value}) as program:
                    code, report = program.end(), program.report()
                assert code == 2, f"{command} ended with {code} although {variable} is {value!r}"
                assert f"{variable} is missing or empty" in report, f"{command} reports: {report}"
    assert len(house.simulator.requests()) == calls, "AWS was asked"


@contextlib.contextmanager
def dead_port():
    """An address that refuses connections, and that no other program can get."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@scenario("no gateway listens: connection refused, before the deadline")
def connection_refused(house, client):
    with dead_port() as address:
        with start(house, client, "acknowledge", address, retries=1) as run:
            answer = run.call("job")
        with start(house, client, "worker", address, retries=1) as worker:
            polled = worker.line()
    verdict, outcome = ("not_yours", "not_sent") if client.connects_first else ("unknown", "unknown")
    expect(answer, code="UNAVAILABLE", verdict=verdict, outcome=outcome)
    expect(polled, code="UNAVAILABLE", result="", outcome=outcome)
    for message in answer["message"], polled["message"]:
        assert "refused" in message.lower(), f"the message is: {message}"


@scenario("no response before the deadline: DEADLINE_EXCEEDED, unknown")
def no_response(house, client):
    ended = threading.Event()

    def wait():
        ended.wait(PATIENCE)
        return b""

    with stand_in(silent=wait) as address:
        try:
            with Run(house, client, address, timeout=2) as run:
                answer = run.call("silent")
        finally:
            ended.set()
    expect(answer, code="DEADLINE_EXCEEDED", reason="", outcome="unknown", verdict="unknown", calls=1)
