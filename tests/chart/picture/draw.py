"""Draws the dashboard's panels from what Prometheus recorded: draw.py PROMETHEUS START END."""

import json
import math
import re
import sys
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator
from board import PICTURE, digest, expression, legend, panels

# Of one unit of Grafana's grid, in inches; and what the axes leave of it for titles and legends.
WIDTH, HEIGHT = 0.62, 0.32
COLORS = {"green": "#3f8f4f", "orange": "#d9822b", "red": "#c4322b"}
LINES = ["#2f6fb0", "#d9822b", "#3f8f4f", "#8a5ab5", "#b0413e", "#4a9aa5", "#8c6d31", "#6b6b6b", "#c06c9b", "#708a2f"]


def query(prometheus, target, start, end):
    """The series of a query: labels, times, values."""
    asked = urllib.parse.urlencode({"query": expression(target), "start": start, "end": end, "step": 2})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{asked}", timeout=60) as answer:
        result = json.load(answer)["data"]["result"]
    for series in result:
        times = [(float(at) - start) / 60 for at, _ in series["values"]]
        yield series["metric"], times, [float(value) for _, value in series["values"]]


def shown(value, unit, decimals=None):
    """A value as Grafana shows it."""
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "s":
        for size, name in (86400, "d"), (3600, "h"), (60, "min"), (1, "s"):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} /s" if unit == "reqps" else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def steps_of(panel):
    return panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])


def color_of(value, steps):
    passed = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[passed[-1]]


def draw_stat(axes, panel, series):
    defaults = panel["fieldConfig"]["defaults"]
    values = [value for _, _, values in series for value in values if math.isfinite(value)]
    axes.set_facecolor(color_of(values[-1], steps_of(panel)) if values else "#6b6b6b")
    text = shown(values[-1], defaults["unit"], defaults.get("decimals")) if values else defaults["noValue"]
    axes.text(0.5, 0.55, text, transform=axes.transAxes, ha="center", va="center", fontsize=17, color="white", weight="bold")
    if len(values) > 1:
        low = min(values)
        height = [0.05 + 0.25 * (value - low) / ((max(values) - low) or 1) for value in values]
        places = [number / (len(values) - 1) for number in range(len(values))]
        axes.fill_between(places, height, transform=axes.transAxes, color="white", alpha=0.25, linewidth=0)
    axes.set_xticks([])
    axes.set_yticks([])


def is_limit(panel, name):
    overrides = panel["fieldConfig"]["overrides"]
    return any(re.search(override["matcher"]["options"].strip("/"), name) for override in overrides)


def draw_lines(axes, panel, series):
    defaults = panel["fieldConfig"]["defaults"]
    unit, number = defaults["unit"], 0
    for name, times, values in series:
        if is_limit(panel, name):
            axes.plot(times, values, color=COLORS["red"], linestyle="--", linewidth=1, label=name)
        else:
            axes.plot(times, values, color=LINES[number % len(LINES)], linewidth=1.1, label=name)
            number += 1
    if not series:
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", va="center", color="#6b6b6b")
    elif defaults.get("custom", {}).get("thresholdsStyle"):
        for step in steps_of(panel)[1:]:
            axes.axhline(step["value"], color=COLORS[step["color"]], linestyle="--", linewidth=1)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} min")
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))
    axes.grid(color="#e3e3e3", linewidth=0.6)
    axes.tick_params(labelsize=6, length=2, colors="#444444")
    # Limits first: there isn't room for all names.
    handles = sorted(zip(*axes.get_legend_handles_labels()), key=lambda handle: not is_limit(panel, handle[1]))
    lines, names = [line for line, _ in handles], [name for _, name in handles]
    columns = max(1, panel["gridPos"]["w"] // 4)
    room = 3 * columns if columns > 1 else 4
    if len(names) > room:
        lines, names = lines[:room], [*names[: room - 1], f"and {len(names) - room + 1} more"]
    if names:
        axes.legend(lines, names, loc="upper left", bbox_to_anchor=(-0.02, -0.1), ncol=columns, fontsize=6, frameon=False, labelspacing=0.2)


def frame(figure, panel, rows):
    """The axes of a panel, where its gridPos says."""
    at, total = panel["gridPos"], rows * HEIGHT
    left, top = at["x"] * WIDTH + 0.1, total - at["y"] * HEIGHT
    width, height = at["w"] * WIDTH - 0.2, at["h"] * HEIGHT
    if panel["type"] == "row":
        figure.text(left / (24 * WIDTH), (top - 0.2) / total, panel["title"], fontsize=11, weight="bold", va="center")
        return None
    is_stat = panel["type"] == "stat"
    inner = (left, top - height + 0.1, width, height - 0.4) if is_stat else (left + 0.55, top - height + 0.72, width - 0.6, height - 1.02)
    across, up = 24 * WIDTH, total
    axes = figure.add_axes((inner[0] / across, inner[1] / up, inner[2] / across, inner[3] / up))
    figure.text(left / across, (top - 0.16) / up, panel["title"], fontsize=8, va="center", color="#222222")
    for side in axes.spines.values():
        side.set_color("#c9c9c9")
    return axes


def main():
    prometheus, start, end = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    filled = 0
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels())
    figure = plt.figure(figsize=(24 * WIDTH, rows * HEIGHT), facecolor="white")
    for panel in panels():
        axes = frame(figure, panel, rows)
        if axes is None:
            continue
        found = [(legend(target, labels), times, values) for target in panel["targets"] for labels, times, values in query(prometheus, target, start, end)]
        found = [series for series in found if any(map(math.isfinite, series[2]))]
        (draw_stat if panel["type"] == "stat" else draw_lines)(axes, panel, found)
        filled += bool(found)
    assert filled > 20, f"only {filled} panels have data"
    figure.savefig(PICTURE, dpi=90, metadata={"Software": None, "Description": f"dashboard {digest()}"})
    print(f"{PICTURE}: {filled} panels have data")


main()
