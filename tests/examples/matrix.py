"""Every client through every scenario, against the real gateway and CodePipeline's simulator; prints the table of both.

A cell is `ok`, `FAILED`, or a number: a note below the table says why it can't be there. After each scenario no job may
be lost (house.py says what that means), and at the end that check is checked: with a proxy that repeats what broke, a job
does get lost, and it has to be seen.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import reasons
from clients import Run, built_clients
from house import SECRETS, House, job, wait_for
from scenarios import SCENARIOS, NotHere, fresh, plain

import artifacts  # noqa: F401 (its scenarios come after those of workers.py)
import startup  # noqa: F401 (likewise)

# Clients at the same time; most of it is waiting.
PARALLEL = 2


def go_through(house, client, rows, function):
    """Row → `ok`, or what is wrong, or a NotHere."""
    started = time.monotonic()
    try:
        found = function(house, client) or {}
    except NotHere as reason:
        return dict.fromkeys(rows, reason)
    except Exception as problem:  # any problem is this cell's, and the others still run
        where = traceback.extract_tb(problem.__traceback__)[-1]
        text = f"{problem}" if isinstance(problem, AssertionError) else f"{problem!r} in {where.name}, line {where.lineno}"
        found = dict.fromkeys(rows, text)
    lost = house.lost_jobs()
    if lost:
        found = dict.fromkeys(rows, f"lost: {lost}")
        house.answers.clear()
    for row in rows:
        if row in found:
            print(f"FAILED  {client.name}: {row}: {found[row]}", flush=True)
    seconds = time.monotonic() - started
    print(f"        {client.name}: {rows[0]}{' and others' if rows[1:] else ''}: {seconds:.1f} s", flush=True)
    return {row: found.get(row, "ok") for row in rows}


def a_lost_job_is_seen(house, client):
    """With a mesh that repeats what broke, a job gets lost: its worker learns that another worker has it."""
    job_id = fresh(client, "lost")
    house.simulator.put_jobs(job(job_id, {"hang": {"process": True}}))
    with house.own_gateway("killed-and-repeated", "--aws-attempt-timeout", "60s") as gateway:
        with house.mesh("-resets", gateway.address, plain(house).address) as mesh, Run(house, client, mesh.address) as run:
            run.ask(job_id)
            wait_for("the call at AWS", lambda: house.simulator.pending(job_id))
            gateway.stop(signal.SIGKILL)
            answer = run.answer()
    seen = house.lost_jobs()
    house.answers.clear()
    return answer["reason"] == "INVALID_NONCE" and seen == [job_id]


def print_table(clients, results):
    notes = []
    width = max(map(len, results)) + 2
    print("\n" + " " * width + "".join(f"{client.name:>12}" for client in clients))
    for row, cells in results.items():
        line = ""
        for client in clients:
            value = cells[client.name]
            if isinstance(value, NotHere):
                if str(value) not in notes:
                    notes.append(str(value))
                value = f"({notes.index(str(value)) + 1})"
            elif value != "ok":
                value = "FAILED"
            line += f"{value:>12}"
        print(f"{row:<{width}}{line}")
    for number, note in enumerate(notes, 1):
        print(f"({number}) not there: {note}")
    for reason, why in reasons.NOT_BY_THEM.items():
        print(f"{reason}: not provoked here: {why}")


def check_logs(house):
    """The gateways' own output has no secret of a caller either."""
    for log in house.scratch.glob("*.log"):
        text = log.read_text(errors="replace")
        for secret in SECRETS:
            if secret in text:
                return f"{log.name} has a secret in it"
    return None


def column(options, scratch, client):
    """Row → cell of one client, in a house of its own; and what is wrong with the house."""
    house = House(options.root, options.gateway, options.mesh, Path(scratch, client.name), options.clients)
    house.errors = reasons.table(options.root)
    cells = {}
    try:
        for rows, function in SCENARIOS:
            if any(options.only in row for row in rows):
                cells |= go_through(house, client, rows, function)
        lost = a_lost_job_is_seen(house, client)
    finally:
        house.close()
    return cells, check_logs(house) or (None if lost else f"{client.name}: a job that does get lost was not seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="the checkout")
    parser.add_argument("--gateway", required=True, help="the program")
    parser.add_argument("--mesh", required=True, help="mesh/main.go, built")
    parser.add_argument("--clients", required=True, help="the folder with the examples, built")
    parser.add_argument("--client", action="append", default=[], help="only this one")
    parser.add_argument("--only", default="", help="only scenarios with this text in a row's name")
    options = parser.parse_args()
    reasons.check_complete(options.root)

    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(PARALLEL) as pool:
        clients = built_clients(options.clients, options.client)
        columns = list(pool.map(lambda client: column(options, scratch, client), clients))
    results = {}
    for client, (cells, _) in zip(clients, columns, strict=True):
        for row, value in cells.items():
            results.setdefault(row, {})[client.name] = value
    print_table(clients, results)
    cells = [value for row in results.values() for value in row.values()]
    skipped = sum(isinstance(value, NotHere) for value in cells)
    passed = cells.count("ok")
    failed = len(cells) - skipped - passed
    for problem in filter(None, (problem for _, problem in columns)):
        failed += 1
        print(f"NOT OK  {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
