"""The dashboard as the picture has it: its panels, their queries for one release, and the digest that ties the picture to them."""

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "helm" / "files" / "dashboard.json"
PICTURE = ROOT / "docs" / "dashboard.png"
# The release that record.py runs.
RELEASE = {"cluster": ".*", "namespace": "gateways", "pod": ".+", "deployment": ".+", "__rate_interval": "20s"}


# The rows of the picture. Without TLS, bearer tokens, and traces, the others would be empty.
ROWS = ["Health", "Calls", "AWS", "Limits and process"]


def board():
    return json.loads(FILE.read_text(encoding="utf-8"))


def panels():
    """The panels of the picture's rows, closed up."""
    row, above, top, found = None, 0, 0, []
    for panel in sorted(board()["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"])):
        at = panel["gridPos"]
        if panel["type"] == "row":
            row, above = panel["title"], at["y"] - top
        if row in ROWS:
            found.append(panel | {"gridPos": at | {"y": at["y"] - above}})
            top = max(top, at["y"] - above + at["h"])
    assert ROWS == [panel["title"] for panel in found if panel["type"] == "row"]
    return found


def digest():
    """Changes with everything that the picture shows, but not with texts and links beside the panels."""
    shown = [{key: value for key, value in panel.items() if key not in ("description", "links")} for panel in panels()]
    constants = {name: value for name, value in variables().items() if name != "runbook_url"}
    return hashlib.sha256(json.dumps([shown, constants], sort_keys=True).encode()).hexdigest()


def variables():
    constants = {each["name"]: each["query"] for each in board()["templating"]["list"] if each["type"] == "constant"}
    return constants | RELEASE


def expression(target):
    """A panel's query, with Grafana's variables replaced."""
    values = variables()
    return re.sub(r"\$(\w+)", lambda name: values[name[1]], target["expr"])


def legend(target, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), target.get("legendFormat", "")).strip()
