"""Turns a run's numbers into docs/performance.md's tables and the plots beside it."""

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NAMES = {
    "gateway": "this gateway",
    "echo": "bare tonic echo",
    "sdk": "bare SDK call",
    "floor": "signing and plain hyper",
    "naive": "tonic + SDK without features",
    "go": "grpc-go + aws-sdk-go-v2",
    "python": "grpcio + boto3",
    "sigv4": "aws-sigv4-proxy (HTTP)",
    "sigv4-pool": "aws-sigv4-proxy (HTTP), larger pool",
}
COLORS = {"gateway": "#1b6ca8", "echo": "#9bb8c9", "sdk": "#5b8fb0", "floor": "#c9d6df", "naive": "#3f8f8a", "go": "#d9822b", "python": "#7a9e4f", "sigv4": "#a569a5", "sigv4-pool": "#c9a3c9"}


class Numbers:
    def __init__(self, file):
        run = json.loads(Path(file).read_text())
        self.machine, self.values = run["machine"], run["numbers"]

    def __contains__(self, key):
        return key in self.values

    def median(self, key):
        return statistics.median(self.values[key])

    def quartiles(self, key):
        values = self.values[key]
        if len(values) < 2:
            return values[0], values[0]
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return low, high

    def show(self, key, form="{:.1f}", scale=1):
        if key not in self:
            return "—"
        low, high = self.quartiles(key)
        number, low, high = (form.format(value * scale) for value in (self.median(key), low, high))
        return number if low == high else f"{number} ({low}–{high})"

    def cpu(self, name, mode="plain"):
        return self.median(f"cost/{name}/{mode}/cpu")

    def times(self, over, under):
        """The median ratio of one program to the sum of others, each a (name, mode). Ratios are taken within a round."""
        rounds = zip(*(self.values[f"cost/{name}/{mode}/cpu"] for name, mode in [over, *under]))
        return statistics.median(first / sum(others) for first, *others in rounds)


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def about(n):
    m = n.machine
    return (
        f"Measured {m['date']} at commit {m['commit']} on {m['cpu']}, Linux {m['kernel']}, {m['rustc']}; {m['rounds']} rounds, "
        f"load average {m['load']} at the start. A number is the median of its rounds, with the quartiles in brackets.\n"
    )


def targets(n):
    """The targets and the measured values."""
    rows = []

    def row(what, target, value, fine, form="{:.2f} ×"):
        rows.append([what, target, form.format(value), ("yes" if fine else "no") if target else ""])

    plain, tls = [("echo", "plain"), ("sdk", "plain")], [("echo", "tls"), ("sdk", "tls")]
    ratio = n.times(("gateway", "plain"), plain)
    row("CPU per call, relative to bare echo + bare SDK call", "≤ 0.92 ×", ratio, ratio <= 0.92)
    for mode, name in (("mtls", "with mTLS, TLS to AWS"), ("mtls-jwt", "with mTLS and JWT, TLS to AWS")):
        if f"cost/gateway/{mode}/cpu" in n:
            ratio = n.times(("gateway", mode), plain)
            row(f"the same {name}", "≤ 1.25 ×", ratio, ratio <= 1.25)
            row(f"the same {name}, relative to echo and SDK over TLS", "", n.times(("gateway", mode), tls), True)
    for name, least in (("naive", None), ("go", 2.6), ("sigv4", 1.7), ("sigv4-pool", None), ("python", 20)):
        if f"cost/{name}/plain/cpu" in n:
            ratio = n.times((name, "plain"), [("gateway", "plain")])
            row(f"calls per CPU second, relative to {NAMES[name]}", f"≥ {least} ×" if least else "", ratio, least and ratio >= least)
    for held, most in ((1000, 45), (4000, None)):
        if f"memory/gateway/plain/in-flight/{held}" in n:
            value = n.median(f"memory/gateway/plain/in-flight/{held}") / 1024
            row(f"memory of a call in flight, {held:,} of them", f"≤ {most} KiB" if most else "", value, most and value <= most, "{:.1f} KiB")
    if "memory/gateway/plain/fresh" in n:
        value = n.median("memory/gateway/plain/fresh") / 2**20
        row("memory idle, after the start", "≤ 12 MiB", value, value <= 12, "{:.1f} MiB")
        value = n.median("memory/gateway/plain/own") / 2**20
        row("the same without the pages of the program's file", "", value, value <= 12, "{:.1f} MiB")
        value = n.median("memory/gateway/connection") / 1024
        row("memory of an idle TLS connection", "≤ 15 KiB", value, value <= 15, "{:.1f} KiB")
    if "start/gateway" in n:
        value = n.median("start/gateway")
        row("start to first completed call", "≤ 50 ms", value, value <= 50, "{:.1f} ms")
    if "latency/gateway/0.5/p99" in n and "latency/sdk/0.5/p99" in n:
        value = (n.median("latency/gateway/0.5/p99") - n.median("latency/sdk/0.5/p99")) / 1000
        row("p99 added to the bare SDK call's at half of capacity", "≤ 1 ms", value, value <= 1, "{:.2f} ms")
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
                n.show(f"cost/{name}/plain/rate", "{:.0f}"),
                n.show(f"cost/{name}/tls/cpu"),
            ]
        )
    for mode, label in (("mtls", "this gateway, mTLS"), ("mtls-jwt", "this gateway, mTLS and JWT")):
        if f"cost/gateway/{mode}/cpu" in n:
            rows.append([label, "—", "—", "—", n.show(f"cost/gateway/{mode}/cpu")])
    return table(["64 callers, 8 connections", "CPU per call, µs", "× gateway", "calls/s", "CPU per call with TLS, µs"], rows)


def latency(n):
    if "capacity" not in n:
        return ""
    capacity, rows = n.median("capacity"), []
    for share in ("0.1", "0.25", "0.5", "0.75"):
        for name in ("sdk", "gateway", "go", "python"):
            if f"latency/{name}/{share}/p50" in n:
                quantiles = [n.show(f"latency/{name}/{share}/{q}", "{:.2f}", 1e-3) for q in ("p50", "p99", "p999")]
                rows.append([f"{int(capacity * float(share))}", NAMES[name], *quantiles])
    return table(["calls/s", "program", "p50, ms", "p99, ms", "p99.9, ms"], rows)


def memory(n):
    if "memory/gateway/plain/idle" not in n:
        return ""
    rows = []
    for name in ("gateway", "echo", "go", "python"):
        mib, kib = ("{:.1f}", 1 / 2**20), ("{:.1f}", 1 / 1024)
        rows.append(
            [
                NAMES[name],
                n.show(f"memory/{name}/plain/fresh", *mib),
                n.show(f"memory/{name}/plain/own", *mib),
                n.show(f"memory/{name}/plain/idle", *mib),
                *[n.show(f"memory/{name}/plain/in-flight/{held}", *kib) for held in (100, 1000, 4000)],
                n.show(f"memory/{name}/tls/in-flight/1000", *kib),
                n.show(f"memory/{name}/connection", *kib),
                n.show(f"start/{name}"),
                n.show(f"size/{name}", "{:.1f}", 1 / 2**20),
            ]
        )
    header = ["program", "started, MiB", "without its file's pages", "after 2,000 calls, MiB", "a call in flight of 100, KiB", "of 1,000", "of 4,000", "of 1,000 with TLS", "an idle TLS connection, KiB"]
    return table([*header, "start to first response, ms", "binary, MiB"], rows)


def growth(n):
    if "callers/gateway/64" not in n:
        return ""
    rows = []
    for kind, counts in (("callers", (1, 8, 64, 256, 1024)), ("connections", (1, 8, 64, 512)), ("replicas", (1, 2, 4))):
        for count in counts:
            values = [n.show(f"{kind}/{name}/{count}") for name in ("gateway", "echo", "sdk", "go")]
            rows.append([f"{count:,} {kind}", *values])
    return table(["CPU per call, µs", *[NAMES[name] for name in ("gateway", "echo", "sdk", "go")]], rows)


# ---- plots ------------------------------------------------------------------------------------------------------------


def save(figure, name):
    folder = DOCS / "performance"
    folder.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(folder / name, metadata={"Date": None})
    plt.close(figure)


def plot_cost(n):
    names = [name for name in NAMES if f"cost/{name}/plain/cpu" in n and name != "python"]
    figure, axes = plt.subplots(figsize=(7.5, 3.2))
    for row, name in enumerate(reversed(names)):
        low, high = n.quartiles(f"cost/{name}/plain/cpu")
        value = n.cpu(name)
        axes.barh(row, value, color=COLORS[name], xerr=[[value - low], [high - value]], ecolor="#444444")
    axes.set_yticks(range(len(names)), [NAMES[name] for name in reversed(names)])
    title = "CPU time per call, µs (median, quartiles)"
    if "cost/python/plain/cpu" in n:
        title += f"; grpcio + boto3: {n.cpu('python'):.0f}"
    axes.set_title(title, fontsize=10)
    save(figure, "cost.svg")


def plot_latency(n):
    if "capacity" not in n:
        return
    capacity = n.median("capacity")
    figure, all_axes = plt.subplots(1, 3, figsize=(10, 3.2))
    for axes, quantile in zip(all_axes, ("p50", "p99", "p999")):
        for name in ("sdk", "gateway", "go", "python"):
            shares = [s for s in ("0.1", "0.25", "0.5", "0.75") if f"latency/{name}/{s}/{quantile}" in n]
            values = [n.median(f"latency/{name}/{s}/{quantile}") / 1000 for s in shares]
            axes.plot([capacity * float(s) for s in shares], values, "o-", color=COLORS[name], label=NAMES[name])
        axes.set_title(f"{quantile.replace('p999', 'p99.9')}, ms", fontsize=10)
        axes.set_yscale("log")
        axes.set_xlabel("calls per second")
    all_axes[0].legend(fontsize=7)
    save(figure, "latency.svg")


def plot_growth(n):
    if "callers/gateway/64" not in n:
        return
    figure, all_axes = plt.subplots(1, 3, figsize=(10, 3.2))
    for axes, (kind, counts) in zip(all_axes, (("callers", (1, 8, 64, 256, 1024)), ("connections", (1, 8, 64, 512)), ("replicas", (1, 2, 4)))):
        for name in ("gateway", "echo", "sdk", "go"):
            known = [count for count in counts if f"{kind}/{name}/{count}" in n]
            if known:
                axes.plot(known, [n.median(f"{kind}/{name}/{c}") for c in known], "o-", color=COLORS[name], label=NAMES[name])
        axes.set_xscale("log", base=2)
        axes.set_xlabel(kind)
        axes.set_ylim(bottom=0)
    all_axes[0].set_title("CPU time per call, µs", fontsize=10)
    all_axes[0].legend(fontsize=7)
    save(figure, "growth.svg")


def plot_memory(n):
    if "memory/gateway/plain/in-flight/100" not in n:
        return
    figure, axes = plt.subplots(figsize=(7.5, 3.2))
    for name in ("gateway", "go", "python"):
        held = [h for h in (100, 1000, 4000) if f"memory/{name}/plain/in-flight/{h}" in n]
        total = [(n.median(f"memory/{name}/plain/idle") + h * n.median(f"memory/{name}/plain/in-flight/{h}")) / 2**20 for h in held]
        axes.plot([0, *held], [n.median(f"memory/{name}/plain/idle") / 2**20, *total], "o-", color=COLORS[name], label=NAMES[name])
    axes.set_title("Memory by calls in flight, MiB", fontsize=10)
    axes.set_xlabel("calls in flight")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    save(figure, "memory.svg")


def main():
    # The same numbers make the same file. Text stays text, so the file is small.
    plt.rcParams["svg.hashsalt"] = "performance"
    plt.rcParams["svg.fonttype"] = "none"
    n = Numbers(sys.argv[1])
    for plot in (plot_cost, plot_latency, plot_growth, plot_memory):
        plot(n)
    parts = [about(n), targets(n), "### Cost of a call", cost(n), "![Cost](performance/cost.svg)\n"]
    parts += ["### Latency at fixed rates", latency(n), "![Latency](performance/latency.svg)\n"]
    parts += ["### Memory, start, size", memory(n), "![Memory](performance/memory.svg)\n"]
    parts += ["### Growth", growth(n), "![Growth](performance/growth.svg)\n"]
    page = DOCS / "performance.md"
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
