"""Draws the plots of docs/performance.md from a run's numbers.

A plot is as readable on a phone as on a wide page, and on a dark page as on a light one: it has its own background, which
follows the reader's preference.
"""

import re

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator  # noqa: E402
from results import GROWTH, NAMES  # noqa: E402

WIDTH = 6
# Each is readable on both backgrounds. Lines also differ in their markers.
STYLES = {
    "gateway": ("#2f81f7", "o"),
    "unprofiled": ("#79b8ff", "o"),
    "echo": ("#8a919a", "s"),
    "sdk": ("#1b9aaa", "D"),
    "floor": ("#8a919a", "s"),
    "naive": ("#2da44e", "v"),
    "go": ("#d9730d", "^"),
    "python": ("#a371f7", "P"),
    "sigv4": ("#d6569b", "X"),
    "sigv4-pool": ("#d6569b", "X"),
}
# Text and axes, lines of the grid, background: on a light page and on a dark one.
INK, GRID, PAPER = "#1f2328", "#d8dee4", "#fffffe"
DARK = {INK: "#e6edf3", GRID: "#30363d", PAPER: "#0d1117"}
SETTINGS = {
    # The same numbers make the same file. Text stays text, so the file is small.
    "svg.hashsalt": "performance",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "legend.frameon": False,
    "lines.markersize": 5,
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def plain(number, _=None):
    """A tick's number, without powers of ten."""
    return f"{number:,.0f}" if number >= 10 else f"{number:g}"


def dark_too(svg):
    """The file with colors for a dark page, and with the reader's own fonts."""
    rules = "".join(
        f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n' for light, dark in DARK.items() for kind in ("fill", "stroke")
    )
    svg = re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", svg)
    return svg.replace("</metadata>", f"</metadata>\n <style>@media (prefers-color-scheme: dark) {{\n{rules}}}</style>", 1)


def save(figure, file):
    """Writes the plot with one legend for all of its axes, above them, where it hides no point."""
    lines = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels())}
    if lines:
        figure.legend(lines.values(), lines, loc="outside upper left", ncols=2, fontsize=9)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    file.write_text(dark_too(file.read_text()))


def panels(count, height=1.9):
    """Axes below one another, and room for the legend."""
    figure, axes = plt.subplots(count, 1, figsize=(WIDTH, height * count + 0.6), layout="constrained", squeeze=False)
    return figure, axes[:, 0]


def line(axes, name, points):
    """A line through the points that there are. The gateway's is the thickest."""
    color, marker = STYLES[name]
    width, front = (2.4, 3) if name == "gateway" else (1.4, 2)
    if points:
        axes.plot(*zip(*points), color=color, marker=marker, label=NAMES[name], linewidth=width, zorder=front)


def plot_cost(n, folder):
    names = [name for name in NAMES if f"cost/{name}/plain/cpu" in n and name != "python"]
    figure, (axes,) = panels(1, height=0.34 * len(names) + 0.4)
    for row, name in enumerate(reversed(names)):
        low, high = n.quartiles(f"cost/{name}/plain/cpu")
        value = n.cpu(name)
        error = {"ecolor": INK, "capsize": 2, "elinewidth": 1}
        axes.barh(row, value, color=STYLES[name][0], xerr=[[value - low], [high - value]], error_kw=error)
        axes.annotate(f"{value:.1f}", (high, row), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(names)), [NAMES[name] for name in reversed(names)])
    axes.grid(axis="y", visible=False)
    axes.set_title("CPU time per call, µs: median and quartiles")
    if "cost/python/plain/cpu" in n:
        axes.set_xlabel(f"Not shown: {NAMES['python']} with {n.cpu('python'):,.0f} µs")
    axes.margins(x=0.12)
    save(figure, folder / "cost.svg")


def plot_latency(n, folder):
    if "rates" not in n:
        return
    figure, all_axes = panels(3)
    for axes, quantile in zip(all_axes, ("p50", "p99", "p999")):
        for name in ("gateway", "sdk", "go", "python"):
            known = [rate for rate in n.values["rates"] if f"latency/{name}/{rate}/{quantile}" in n]
            line(axes, name, [(rate, n.median(f"latency/{name}/{rate}/{quantile}") / 1000) for rate in known])
        axes.set_title(f"Latency, {quantile.replace('p999', 'p99.9')}, ms")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(LogLocator(subs=()))
        axes.yaxis.set_major_formatter(FuncFormatter(plain))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        axes.set_xlim(left=0)
    all_axes[-1].set_xlabel("calls per second")
    save(figure, folder / "latency.svg")


def plot_growth(n, folder):
    if "callers/gateway/64" not in n:
        return
    figure, all_axes = panels(3)
    for axes, (kind, counts) in zip(all_axes, GROWTH.items()):
        for name in ("gateway", "echo", "sdk", "go"):
            line(axes, name, [(count, n.median(f"{kind}/{name}/{count}")) for count in counts if f"{kind}/{name}/{count}" in n])
        axes.set_title(f"CPU time per call by number of {kind}, µs")
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [plain(count) for count in counts])
        axes.minorticks_off()
        axes.set_ylim(0, 1.1 * axes.dataLim.y1)
    save(figure, folder / "growth.svg")


def plot_memory(n, folder):
    if "memory/gateway/plain/in-flight/100" not in n:
        return
    figure, (axes,) = panels(1, height=2.6)
    for name in ("gateway", "go", "python"):
        idle = n.median(f"memory/{name}/plain/idle")
        held = [count for count in (100, 1000, 4000) if f"memory/{name}/plain/in-flight/{count}" in n]
        total = [(count, idle + count * n.median(f"memory/{name}/plain/in-flight/{count}")) for count in held]
        line(axes, name, [(count, used / 2**20) for count, used in [(0, idle), *total]])
    axes.set_title("Memory by number of calls in flight, MiB")
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.set_xlabel("calls in flight")
    axes.set_ylim(0, 1.1 * axes.dataLim.y1)
    save(figure, folder / "memory.svg")


def draw(n, folder):
    folder.mkdir(exist_ok=True)
    with plt.rc_context(SETTINGS):
        for plot in (plot_cost, plot_latency, plot_growth, plot_memory):
            plot(n, folder)
