"""A client that can't work: a secret is missing, or no gateway listens."""

import contextlib
import socket

from clients import Run, Work
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
