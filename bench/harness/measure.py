#!/usr/bin/env python3
"""Measures the gateway and its peers in one run on one machine, and writes docs/performance.md's table and plots.

    bench/harness/measure.py                 all of it: an hour on two cores that do nothing else
    bench/harness/measure.py --quick         one short round, which shows that everything works
    bench/harness/measure.py --report-only   the table and the plots again, from the last run's numbers

Rounds are interleaved: each program has a turn in every round, with a new process. The report has the median over the
rounds and the quartiles. Other work on the machine affects all programs alike. CPU time has all rounds; latency, memory,
and growth have a quarter of them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from build import ROOT, Programs
from contenders import Lab, free_port, options
from machine import cpu, machine, median, own, peak, reset_peak, resident
from results import FIXED_RATE, GROWTH, OPERATIONS

ALONE = ("sdk", "floor")
# A turn takes one to two seconds. Other work on the machine varies, so many short rounds are better than few long ones.
CALLS = {"python": 1_000, "echo": 40_000, "floor": 20_000}
MANY = 10_000
# What each part's numbers are called.
PARTS = {
    "cost": ("cost",),
    "operations": ("operations",),
    "memory": ("memory", "held"),
    "start": ("start",),
    "sizes": ("size",),
    "latency": ("latency", "rates"),
    "growth": ("callers", "callers-rate", "connections", "replicas"),
}
CALLERS, CONNECTIONS = 64, 8
# Calls in flight whose responses are large, and the bytes of a response that can be on their way to the caller.
LARGE_CALLS, WINDOW = 256, 4096


class Run:
    """One run: its rounds, and every number that came out of it."""

    def __init__(self, lab, rounds, scale):
        self.lab, self.rounds, self.scale = lab, rounds, scale
        self.numbers = {}
        self.all = ["gateway", "unprofiled", "echo", "sdk", "floor", "naive", "go", "python"]
        if lab.programs.sigv4:
            self.all += ["sigv4", "sigv4-pool"]

    def note(self, *key, value):
        self.numbers.setdefault("/".join(map(str, key)), []).append(value)

    def keep(self, numbers, again):
        """Those of another run, but for the parts that are measured again."""
        names = [name for part in PARTS if part not in again for name in PARTS[part]]
        self.numbers = {key: values for key, values in numbers.items() if key.split("/")[0] in names}

    def calls(self, name):
        return max(200, int(CALLS.get(name, MANY) * self.scale))

    def say(self, text):
        load = Path("/proc/loadavg").read_text().split()[0]
        print(f"{time.strftime('%H:%M:%S')} load {load}  {text}", file=sys.stderr, flush=True)

    def turns(self, number, names):
        """Each round begins with another program."""
        return names[number % len(names) :] + names[: number % len(names)]

    # ---- CPU time per call, calls per second -----------------------------------------------------------------------

    def cost(self):
        turns = [(name, "plain") for name in self.all]
        turns += [(name, "tls") for name in self.all if name != "floor" and not name.startswith("sigv4")]
        turns += [("gateway", "mtls"), ("gateway", "mtls-jwt")]
        for number in range(self.rounds):
            for name, mode in self.turns(number, turns):
                report = self.once(name, mode)
                self.say(f"cost {number + 1}/{self.rounds} {name} {mode}: {report['cpu_us_per_call']:.1f} us")
                self.note("cost", name, mode, "cpu", value=report["cpu_us_per_call"])
                self.note("cost", name, mode, "rate", value=report["calls_per_second"])

    def operations(self):
        """CPU time per call of each operation. The bare SDK calls the same."""
        for number in range(self.rounds):
            for operation in self.turns(number, OPERATIONS):
                for name in self.turns(number, ["gateway", "sdk"]):
                    report = self.once(name, "plain", operation=operation)
                    self.note("operations", name, operation, value=report["cpu_us_per_call"])
            self.say(f"operations {number + 1}/{self.rounds}")

    def once(self, name, mode, callers=CALLERS, connections=CONNECTIONS, rate=None, calls=None, operation=None, may_fail=False):
        calls = calls or max(self.calls(name), int(3 * callers * self.scale))
        plan = {"callers": callers, "rate": rate, "calls": calls, "operation": operation}
        # Each caller opens a connection to AWS meanwhile.
        plan["warm_up"] = max(200, self.calls(name) // 10, 2 * callers)
        if name in ALONE:
            return self.lab.alone(name, mode, **plan)
        with self.lab.serving(name, mode, self.room(name, callers)) as server:
            return self.lab.load(name, mode, server, may_fail, connections, **plan)

    def room(self, name, callers):
        """The flags that let a server take so many calls together."""
        if name == "gateway" and callers > 1024:
            return ["--max-in-flight", callers]
        return ["--threads", max(64, callers)] if name == "python" else []

    # ---- how the cost grows -------------------------------------------------------------------------------------------

    def growth(self):
        for _ in range(max(1, self.rounds // 4)):
            for callers in GROWTH["callers"]:
                for name in ("gateway", "echo", "sdk", "go"):
                    report = self.once(name, "plain", callers=callers, connections=min(callers, CONNECTIONS))
                    self.note("callers", name, callers, value=report["cpu_us_per_call"])
                    self.note("callers-rate", name, callers, value=report["calls_per_second"])
                self.say(f"growth: {callers} callers")
            for connections in GROWTH["connections"]:
                for name in ("gateway", "echo", "go"):
                    report = self.once(name, "plain", callers=512, connections=connections)
                    self.note("connections", name, connections, value=report["cpu_us_per_call"])
                self.say(f"growth: {connections} connections")
            for replicas in GROWTH["replicas"]:
                self.note("replicas", "gateway", replicas, value=self.replicas(replicas))
                self.say(f"growth: {replicas} replicas")

    def replicas(self, count):
        """CPU time per call of all replicas together; each gets the same share of the calls."""
        with ExitStack() as stack:
            servers = [stack.enter_context(self.lab.serving("gateway", "plain")) for _ in range(count)]
            before = [cpu(server.pid) for server in servers]
            addresses = ",".join(server.address for server in servers)
            report = self.lab.load(
                "gateway", "plain", servers[0], address=addresses, calls=self.calls("gateway"), warm_up=0, callers=CALLERS
            )
            used = sum(cpu(server.pid) - was for server, was in zip(servers, before))
            return used * 1e6 / report["calls"]

    # ---- latency at fixed rates ---------------------------------------------------------------------------------------

    def latency(self):
        capacity = median(self.numbers["cost/gateway/plain/rate"])
        rates = sorted([FIXED_RATE, *[max(20, int(capacity * share)) for share in (0.1, 0.5, 0.75)]])
        self.numbers["rates"] = rates
        names = ["sdk", "gateway", "go", "python"]
        most = {name: median(self.numbers[f"cost/{name}/plain/rate"]) for name in names}
        for number in range(max(1, self.rounds // 4)):
            for rate in rates:
                for name in self.turns(number, names):
                    # Past a program's capacity its queue grows without limit, and latencies mean nothing.
                    if rate > 0.85 * most[name]:
                        continue
                    calls = max(200, int(rate * 8 * self.scale))
                    report = self.once(name, "plain", rate=rate, calls=calls, may_fail=True)
                    if report["failed"]:
                        # The machine has become slower meanwhile, so this rate is past the capacity.
                        self.say(f"latency: {name} can't keep {rate}/s now")
                        continue
                    for quantile in ("p50", "p99", "p999"):
                        self.note("latency", name, rate, quantile, value=report[quantile])
                self.say(f"latency {number + 1} at {rate}/s")

    # ---- memory ---------------------------------------------------------------------------------------------------------

    def memory(self):
        for _ in range(max(1, self.rounds // 4)):
            for name in ("gateway", "go", "python"):
                for held in (100, 1000, 4000):
                    # No server has 4,000 Python threads.
                    if not (name == "python" and held > 1000):
                        self.in_flight(name, "plain", held)
                self.in_flight(name, "tls", 1000)
                if name == "gateway":
                    self.in_flight(name, "tls", 4000)
                self.say(f"memory: calls in flight, {name}")
            for name in ("gateway", "echo", "go"):
                self.idle_connections(name, "tls", 2000)
            self.large_details()
            self.many_connections(8000)

    def in_flight(self, name, mode, held):
        extra = self.room(name, max(held, 1024))
        if name == "gateway":
            extra = ["--max-in-flight", 5000]
            extra += ["--aws-connect-timeout", "1m", "--aws-attempt-timeout", "5m", "--max-deadline", "5m", "--default-deadline", "5m"]
        with self.lab.serving(name, mode, extra) as server:
            self.note("memory", name, mode, "fresh", value=resident(server.pid))
            self.note("memory", name, mode, "own", value=own(server.pid))
            self.lab.load(name, mode, server, calls=2000, warm_up=0, callers=16, connections=8)
            idle = resident(server.pid)
            self.note("memory", name, mode, "idle", value=idle)
            with self.held(name, mode, server, held):
                busy = resident(server.pid)
            self.note("memory", name, mode, "in-flight", held, value=(busy - idle) / held)

    @contextmanager
    def held(self, name, mode, server, count, **plan):
        """So many calls that wait for AWS. At the end of the block, AWS answers all of them."""
        server.stub.ask("/gate/closed", "PUT")
        words = [self.lab.programs.rust("load"), "run", *self.lab.target(name, mode, server.address, 32)]
        words += options(plan | {"callers": count, "calls": count, "warm_up": 0, "deadline_seconds": 280})
        caller = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE)
        end = time.monotonic() + 120
        while server.stub.held() < count and time.monotonic() < end:
            time.sleep(0.05)
        reached = server.stub.held()
        yield
        server.stub.ask("/gate/open", "PUT")
        report = json.loads(caller.communicate()[0])
        if reached < count or report["failed"]:
            raise RuntimeError(f"{name} held {reached} of {count} calls: {report}")

    def large_details(self):
        """The most memory of details with a large configuration, if all responses arrive together and their callers are slow."""
        with self.lab.serving("gateway", "large") as server:
            self.lab.load("gateway", "large", server, calls=2000, warm_up=0, callers=16)
            idle = resident(server.pid)
            with self.held("gateway", "large", server, LARGE_CALLS, operation="details", window=WINDOW):
                reset_peak(server.pid)
            self.note("memory", "gateway", "large", value=(peak(server.pid) - idle) / LARGE_CALLS)

    def idle_connections(self, name, mode, count):
        """Connections after their handshakes, without a call."""
        with self.lab.serving(name, mode) as server:
            self.lab.load(name, mode, server, calls=2000, warm_up=0, callers=16)
            before = resident(server.pid)
            words = [self.lab.programs.rust("load"), "idle", *self.lab.target(name, mode, server.address, count)]
            holder = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            holder.stdout.readline()
            time.sleep(1)
            self.note("memory", name, "connection", value=(resident(server.pid) - before) / count)
            holder.communicate()

    def many_connections(self, count):
        with self.lab.serving("gateway", "tls", ["--max-connections", count + 10]) as server:
            report = self.lab.load("gateway", "tls", server, connections=count, calls=count, callers=64, warm_up=0)
            self.note("held", "gateway", value=report["calls"])
            self.say(f"memory: {count} connections, each with a call")

    # ---- start, size ------------------------------------------------------------------------------------------------------

    def start(self):
        times = {"gateway": 20, "echo": 20, "go": 20, "python": 5}
        if self.lab.programs.sigv4:
            times["sigv4"] = 20
        for number in range(max(times.values())):
            for name in times:
                if number >= times[name] * min(1, self.scale):
                    continue
                address = f"127.0.0.1:{free_port()}"
                words = [self.lab.programs.rust("load"), "start", *self.lab.target(name, "plain", address, 1), "--"]
                words += self.lab.command(name, "plain", address)
                env = self.lab.environment(name, "plain")
                done = subprocess.run([str(w) for w in words], env=env, check=True, stdout=subprocess.PIPE)
                self.note("start", name, value=json.loads(done.stdout.splitlines()[-1])["ms"])
        self.say("start")

    def sizes(self):
        programs = self.lab.programs
        for name, file in (("gateway", programs.gateway), ("echo", programs.rust("echo")), ("go", programs.go), ("sigv4", programs.sigv4)):
            if file:
                self.note("size", name, value=os.stat(file).st_size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS), help="of the last run the others are kept")
    parser.add_argument("--no-report", action="store_true", help="print the numbers, leave docs/ alone")
    args = parser.parse_args()

    programs = Programs()
    kept = programs.work / "numbers.json"
    if not args.report_only:
        if not args.no_build:
            programs.build()
        lab = Lab(programs)
        try:
            run = Run(lab, 1 if args.quick else args.rounds, 0.1 if args.quick else 1)
            about = machine() | {"rounds": run.rounds}
            if set(args.only) != set(PARTS):
                run.keep(json.loads(kept.read_text())["numbers"], args.only)
            for part in args.only:
                getattr(run, part)()
                # A failure of a later part must not lose these numbers.
                kept.write_text(json.dumps({"machine": about, "numbers": run.numbers}, indent=1))
        finally:
            lab.stop()
    if args.no_report:
        found = json.loads(kept.read_text())["numbers"]
        print("\n".join(f"{key:40} {median(values):12.2f}  of {len(values)}" for key, values in found.items()))
        return
    # matplotlib has an environment of its own.
    subprocess.run([ROOT / "tools/install.sh", "plots"], check=True)
    python = ROOT / ".tools/plots/bin/python"
    subprocess.run([python, Path(__file__).parent / "report.py", kept], check=True)


if __name__ == "__main__":
    main()
