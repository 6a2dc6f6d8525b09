"""Turns a run's numbers into docs/performance.md's tables and the plots beside it."""

import sys
from pathlib import Path

import plots
from contenders import LARGE
from results import FIXED_RATE, GROWTH, NAMES, OPERATIONS, Numbers

DOCS = Path(__file__).resolve().parents[2] / "docs"
METHODS = {
    "poll": "PollForThirdPartyJobs, ten jobs",
    "details": "GetThirdPartyJobDetails, 2 KB of configuration and two artifacts",
    "acknowledge": "AcknowledgeThirdPartyJob",
    "success": "PutThirdPartyJobSuccessResult",
    "failure": "PutThirdPartyJobFailureResult, a message of 200 bytes",
}
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def summary(n):
    """What a reader wants to know first, as far as it was measured."""
    lines = []
    cpu = n.cpu("gateway")
    lines += [f"- A call uses {cpu:.1f} µs of CPU time.", f"  One core completes about {round(1e6 / cpu, -2):,.0f} calls per second."]
    if "cost/gateway/mtls/cpu" in n:
        lines += [f"- With mTLS and TLS to AWS, a call uses {n.cpu('gateway', 'mtls'):.1f} µs."]
    if "cost/gateway/mtls-jwt/cpu" in n:
        lines += [f"  With a bearer token as well, a call uses {n.cpu('gateway', 'mtls-jwt'):.1f} µs."]
    for name in ("go", "python"):
        if f"cost/{name}/plain/cpu" in n:
            ratio = n.times((name, "plain"), [("gateway", "plain")])
            lines += [f"- Per CPU second, the gateway completes {ratio:.1f} times as many calls as {NAMES[name]}."]
    if "memory/gateway/connection" in n:
        idle, call, connection = memory_use(n)
        lines += [
            f"- The gateway uses {idle / 2**20:.1f} MiB after its start.",
            f"  With TLS, a call in flight adds {call / 1024:.0f} KiB, and an idle connection adds {connection / 1024:.0f} KiB.",
        ]
    if "start/gateway" in n:
        lines += [f"- The first call completes {n.median('start/gateway'):.0f} ms after the start."]
    return "\n".join(lines) + "\n"


def memory_use(n):
    """The bytes after the start, of a call in flight, and of an idle connection, with TLS."""
    return [n.median(f"memory/gateway/{key}") for key in ("plain/fresh", "tls/in-flight/1000", "connection")]


def sizing(n):
    if not {"memory/gateway/connection", "cost/gateway/mtls/cpu"} <= n.values.keys():
        return ""
    cpu, (idle, call, connection) = n.cpu("gateway", "mtls"), memory_use(n)
    total = (idle + 1000 * call + 1000 * connection) / 2**20
    rows = [
        ["CPU", f"{cpu:.1f} µs per call", "1,000 calls per second", f"{cpu / 1000:.2f} cores"],
        [
            "memory",
            f"{idle / 2**20:.1f} MiB, {call / 1024:.0f} KiB per call in flight, {connection / 1024:.0f} KiB per idle connection",
            "1,000 calls in flight and 1,000 idle connections",
            f"{total:.0f} MiB",
        ],
    ]
    return (
        "The estimates are for mTLS and TLS to AWS.\n\n"
        + table(["resource", "estimate", "example", "result"], rows)
        + "\nThe number of calls in flight is the rate multiplied by the duration of a call at AWS.\n"
        "At 1,000 calls per second and 100 ms, 100 calls are in flight.\n"
    )


def about(n):
    m = n.machine
    return (
        f"Measured on {m['date']} at commit {m['commit']} on {m['cpu']}, Linux {m['kernel']}, {m['rustc']}.\n"
        f"The run had {m['rounds']} rounds, and the load average was {m['load']} at its start.\n"
        "A number is the median of its rounds, with the quartiles in brackets.\n"
    )


def targets(n):
    """The targets and the measured values."""
    rows = []

    def row(what, target, value, fine, form="{:.2f} ×"):
        rows.append([what, target, form.format(value), ("yes" if fine else "no") if target else ""])

    plain, tls = [("echo", "plain"), ("sdk", "plain")], [("echo", "tls"), ("sdk", "tls")]
    ratio = n.times(("gateway", "plain"), plain)
    row("CPU per call, relative to bare echo + bare SDK call", "≤ 0.75 ×", ratio, ratio <= 0.75)
    row("the same without a profile", "", n.times(("unprofiled", "plain"), plain), None)
    for mode, name, most in (("mtls", "mTLS", None), ("mtls-jwt", "mTLS and JWT", 0.9)):
        if f"cost/gateway/{mode}/cpu" in n:
            ratio = n.times(("gateway", mode), tls)
            what = f"the same with {name} and TLS to AWS, relative to echo and SDK over TLS"
            row(what, f"≤ {most:.2f} ×" if most else "", ratio, most and ratio <= most)
    for name, least in (("naive", None), ("go", 3.1), ("sigv4", 2.1), ("sigv4-pool", None), ("python", 28)):
        if f"cost/{name}/plain/cpu" in n:
            ratio = n.times((name, "plain"), [("gateway", "plain")])
            row(f"calls per CPU second, relative to {NAMES[name]}", f"≥ {least} ×" if least else "", ratio, least and ratio >= least)
    for mode, name in (("plain", ""), ("tls", " with TLS")):
        for held, most in ((1000, 36), (4000, 45)):
            if f"memory/gateway/{mode}/in-flight/{held}" in n:
                value = n.median(f"memory/gateway/{mode}/in-flight/{held}") / 1024
                row(f"memory of a call in flight{name}, {held:,} of them", f"≤ {most} KiB", value, value <= most, "{:.1f} KiB")
    if "memory/gateway/large" in n:
        value = n.median("memory/gateway/large") / LARGE
        row(f"memory of a details call of {LARGE // 1000} KB, relative to the length of its response", "≤ 3 ×", value, value <= 3)
    if "memory/gateway/plain/fresh" in n:
        value = n.median("memory/gateway/plain/own") / 2**20
        row("memory idle, without the pages of the program's file", "≤ 4 MiB", value, value <= 4, "{:.1f} MiB")
        value = n.median("memory/gateway/connection") / 1024
        row("memory of an idle TLS connection", "≤ 21 KiB", value, value <= 21, "{:.1f} KiB")
    if "start/gateway" in n:
        value = n.median("start/gateway")
        row("start to first completed call", "≤ 10 ms", value, value <= 10, "{:.1f} ms")
    if f"latency/gateway/{FIXED_RATE}/p99" in n and f"latency/sdk/{FIXED_RATE}/p99" in n:
        value = (n.median(f"latency/gateway/{FIXED_RATE}/p99") - n.median(f"latency/sdk/{FIXED_RATE}/p99")) / 1000
        row(f"p99 added to the bare SDK call's at {FIXED_RATE:,} calls/s", "≤ 0.5 ms", value, value <= 0.5, "{:.2f} ms")
    return table(["what", "target", "measured", "reached"], rows)


def cost(n):
    rows = []
    for name, label in NAMES.items():
        if f"cost/{name}/plain/cpu" not in n:
            continue
        rows.append(
            [
                label,
                n.show(f"cost/{name}/plain/cpu"),
                f"{n.cpu(name) / n.cpu('gateway'):.2f}",
                n.show(f"cost/{name}/plain/rate", "{:,.0f}"),
                n.show(f"cost/{name}/tls/cpu"),
            ]
        )
    for mode, label in (("mtls", "this gateway, mTLS"), ("mtls-jwt", "this gateway, mTLS and JWT")):
        if f"cost/gateway/{mode}/cpu" in n:
            rows.append([label, "—", "—", "—", n.show(f"cost/gateway/{mode}/cpu")])
    return table(["64 callers, 8 connections", "CPU per call, µs", "× gateway", "calls/s", "CPU per call with TLS, µs"], rows)


def operations(n):
    if "operations/gateway/poll" not in n:
        return ""
    rows = [[METHODS[name], n.show(f"operations/gateway/{name}"), n.show(f"operations/sdk/{name}")] for name in OPERATIONS]
    return table(["CPU per call, µs", NAMES["gateway"], NAMES["sdk"]], rows)


def latency(n):
    if "rates" not in n:
        return ""
    rows = []
    for rate in n.values["rates"]:
        for name in ("sdk", "gateway", "go", "python"):
            if f"latency/{name}/{rate}/p50" in n:
                quantiles = [n.show(f"latency/{name}/{rate}/{q}", "{:.2f}", 1e-3) for q in ("p50", "p99", "p999")]
                rows.append([f"{rate:,}", NAMES[name], *quantiles])
    return table(["calls/s", "program", "p50, ms", "p99, ms", "p99.9, ms"], rows)


def memory(n):
    if "memory/gateway/plain/idle" not in n:
        return ""
    names = ("gateway", "echo", "go", "python")
    rows = []

    def row(what, key, unit=None, form="{:,.1f}"):
        rows.append([what, *[n.show(key.format(name), form, 1 / unit if unit else 1) for name in names]])

    row("started, MiB", "memory/{}/plain/fresh", 2**20)
    row("started, without the pages of its file, MiB", "memory/{}/plain/own", 2**20)
    row("after 2,000 calls, MiB", "memory/{}/plain/idle", 2**20)
    for held in (100, 1000, 4000):
        row(f"a call in flight, of {held:,}, KiB", f"memory/{{}}/plain/in-flight/{held}", 2**10)
    row("a call in flight, of 1,000 with TLS, KiB", "memory/{}/tls/in-flight/1000", 2**10)
    row("a call in flight, of 4,000 with TLS, KiB", "memory/{}/tls/in-flight/4000", 2**10)
    row("an idle TLS connection, KiB", "memory/{}/connection", 2**10)
    row("start to first response, ms", "start/{}")
    row("binary, MiB", "size/{}", 2**20)
    return table(["what", *[NAMES[name] for name in names]], rows)


def growth(n):
    if "callers/gateway/64" not in n:
        return ""
    rows = []
    for kind, counts in GROWTH.items():
        for count in counts:
            values = [n.show(f"{kind}/{name}/{count}") for name in ("gateway", "echo", "sdk", "go")]
            rows.append([f"{count:,} {kind if count > 1 else kind[:-1]}", *values])
    return table(["CPU per call, µs", *[NAMES[name] for name in ("gateway", "echo", "sdk", "go")]], rows)


def main():
    n = Numbers(sys.argv[1])
    plots.draw(n, DOCS / "performance")
    parts = ["## Summary\n", summary(n)]
    if estimates := sizing(n):
        parts += ["## Sizing\n", estimates]
    parts += ["## Results\n", about(n), "### Targets\n", targets(n)]
    parts += ["### Cost of a call\n", cost(n), "![CPU time per call of each program](performance/cost.svg)\n"]
    if rows := operations(n):
        parts += ["### Operations\n", rows]
    parts += ["### Latency at fixed rates\n", latency(n), "![Latency by calls per second](performance/latency.svg)\n"]
    parts += ["### Memory, start, size\n", memory(n), "![Memory by calls in flight](performance/memory.svg)\n"]
    parts += ["### Growth\n", growth(n), "![CPU time per call by callers, connections, and replicas](performance/growth.svg)\n"]
    page = DOCS / "performance.md"
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(part for part in parts if part) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
