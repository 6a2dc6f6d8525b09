#!/usr/bin/env python3
"""The regression guard: how many instructions and allocations a call of each operation costs, against bench/budget.json.

    bench/harness/budget.py             fails if a call costs more than its budget and the slack
    bench/harness/budget.py --update    writes what is measured as the new budget
    bench/harness/budget.py --profile acknowledge
                                        shows where a call's instructions go

Time on a shared machine varies; the number of instructions doesn't. valgrind's callgrind counts those of the real program,
started as in production, for a few calls and for many. The difference is the cost of the calls without the start. One
worker thread, one connection, and one caller that waits for each response make two counts comparable.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from build import BENCH, ROOT, run
from contenders import environment, free_port, options, wait_for
from results import OPERATIONS

FEW, MANY = 200, 1200
BUDGET = BENCH / "budget.json"
VALGRIND = ROOT / ".tools/bin/valgrind"
# Hash seeds, the digits of a duration, how reads fall together, what jemalloc's own thread does: on a busy machine counts of one
# program differ by about 1 %, allocations by 0.1 %. The rest is room for a compiler's mood after a change somewhere else.
SLACK = {"instructions": 0.04, "allocations": 0.01}
# The compiler's own names for what every Rust program asks its allocator for, whichever that is.
ALLOCATORS = {"__rust_alloc", "__rust_alloc_zeroed", "__rust_realloc"}


class Gateway:
    """Runs the gateway under callgrind for a number of calls."""

    def __init__(self, target, scratch):
        self.target, self.scratch = target, scratch
        self.stub = f"127.0.0.1:{free_port()}"

    def cost(self, operation):
        """The cost of a call, and the counts of the longer run."""
        few, many = self.counted(operation, FEW), self.counted(operation, MANY)
        cost = {
            "instructions": round((instructions(many) - instructions(few)) / (MANY - FEW)),
            "allocations": round((allocations(many) - allocations(few)) / (MANY - FEW), 2),
        }
        return cost, many

    def counted(self, operation, calls):
        """What callgrind wrote of a gateway that answered so many calls."""
        out = self.scratch / f"callgrind.{operation}.{calls}"
        address = f"127.0.0.1:{free_port()}"
        command = [VALGRIND, "--tool=callgrind", f"--callgrind-out-file={out}", self.target / "budget/codepipeline-gateway"]
        command += ["serve", "--grpc-addr", address, "--admin-addr", f"127.0.0.1:{free_port()}"]
        command += ["--log-format", "json", "--shutdown-delay", "0s"]
        # A call takes many times as long as usual here; that must not end it.
        command += ["--aws-attempt-timeout", "5m", "--aws-connect-timeout", "5m", "--max-deadline", "5m", "--default-deadline", "5m"]
        env = environment(f"http://{self.stub}", self.scratch) | {"TOKIO_WORKER_THREADS": "1"}
        del env["SSL_CERT_FILE"], env["AWS_CA_BUNDLE"]
        with open(self.scratch / "gateway.log", "w") as log:
            process = subprocess.Popen([str(word) for word in command], env=env, stdout=log, stderr=log)
            try:
                wait_for(address, process)
                self.call(operation, address, calls)
                process.send_signal(signal.SIGTERM)
                if process.wait(timeout=120) != 0:
                    sys.exit(f"budget: the gateway ended badly:\n{(self.scratch / 'gateway.log').read_text()[-2000:]}")
            finally:
                process.kill()
                process.wait()
        return out

    def call(self, operation, address, calls):
        """The first calls come before the credentials: they are made again until one is answered."""
        load = self.target / "debug/load"
        words = [load, "run", "--target", address, "--connections", 1, "--deadline-seconds", 280]
        words += ["--operation", operation]
        for _ in range(600):
            if self.failed(words + options({"callers": 1, "calls": 1, "warm_up": 0})) == 0:
                break
        if self.failed(words + options({"callers": 1, "calls": calls, "warm_up": 0})) != 0:
            sys.exit(f"budget: a call failed:\n{(self.scratch / 'gateway.log').read_text()[-2000:]}")

    @staticmethod
    def failed(words):
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)["failed"]


def instructions(out):
    return int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE).group(1))


def allocations(out):
    """How often the program asked the allocator for memory. callgrind gives a function's name once and then its number."""
    names, called, total = {}, "", 0
    for line in out.read_text().splitlines():
        if match := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            number, name = match.groups()
            if name:
                names[number] = name
            if line.startswith("cfn"):
                called = names[number].split("'")[0].rsplit("::", 1)[-1]
        elif line.startswith("calls=") and called in ALLOCATORS:
            total += int(line[6:].split()[0])
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--profile", choices=OPERATIONS)
    parser.add_argument("--times", type=int, default=1, help="measure so often, and take the median")
    args = parser.parse_args()

    run(ROOT / "tools/install.sh", "valgrind")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    run("cargo", "build", "--locked", "--profile", "budget", "--package", "codepipeline-gateway", "--no-default-features", "--features", "jemalloc", "--target-dir", target, cwd=ROOT)
    run("cargo", "build", "--locked", "--target-dir", target, cwd=BENCH)
    with tempfile.TemporaryDirectory() as scratch:
        gateway = Gateway(target, Path(scratch))
        stub = subprocess.Popen([target / "debug/stub", "--addr", gateway.stub])
        try:
            wait_for(gateway.stub, stub)
            measured = {}
            for operation in OPERATIONS:
                runs = [gateway.cost(operation) for _ in range(args.times)]
                measured[operation] = {what: statistics.median(cost[what] for cost, _ in runs) for what in SLACK}
                print(operation, measured[operation], flush=True)
                if args.profile == operation:
                    kept = target / "budget/callgrind.out"
                    shutil.copy(runs[-1][1], kept)
                    subprocess.run(["callgrind_annotate", "--inclusive=no", "--threshold=92", kept], check=True)
        finally:
            stub.kill()
            stub.wait()
    if args.update:
        BUDGET.write_text(json.dumps(measured, indent=2) + "\n")
    sys.exit(judge(measured, json.loads(BUDGET.read_text())))


def judge(measured, budget):
    """Prints a line for each and says how many cost too much."""
    over = 0
    for operation, what in itertools.product(OPERATIONS, SLACK):
        slack, cost, allowed = SLACK[what], measured[operation][what], budget[operation][what]
        # A count of nothing is a measurement that went wrong, not a cheap call.
        fine = 0 < cost <= allowed * (1 + slack)
        over += not fine
        share = 100 * (cost / allowed - 1)
        print(f"{operation:11} {what:12} {cost:10} a call, budget {allowed:10} ({share:+.1f} %): {'ok' if fine else 'TOO MUCH'}")
        if share < -100 * slack:
            print(f"{'':11} cheaper than the budget says: lower it with `just budget --update`")
    print(f"{len(OPERATIONS) * len(SLACK) - over} passed, {over} failed")
    return 1 if over else 0


if __name__ == "__main__":
    main()
