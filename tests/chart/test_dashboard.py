"""The dashboard of a release: its own UID and limits, its first row, its links, and the picture of it in docs/."""

import json
import re

import pytest
import yaml

import chart
from picture import board as drawn

ON = "metrics.dashboard.enabled=true,metrics.prometheusRule.enabled=true"


def board(*args, release="gw", scenario="default"):
    data = chart.render(scenario, "--set", ON, *args, release=release).one("ConfigMap")["data"]
    ((name, text),) = data.items()
    return name, json.loads(text)


def variables(found):
    return {variable["name"]: variable for variable in found["templating"]["list"]}


def test_the_dashboards_of_two_releases_are_two_dashboards():
    (name, one), (other_name, other) = board(), board(release="other")
    assert name == "gateways-gw-codepipeline-gateway.json" != other_name
    assert one["uid"] != other["uid"] and one["title"] != other["title"] and len(one["uid"]) <= 40
    assert one["panels"] == other["panels"]


def test_a_dashboard_shows_the_pods_of_its_release_alone():
    own = variables(board()[1])
    assert own["namespace"]["current"]["value"] == "gateways" and own["deployment"]["query"] == "gw-codepipeline-gateway"
    pods = own["pod"]["allValue"]
    assert own["pod"]["regex"] == f"/^{pods}$/"
    assert re.fullmatch(pods, "gw-codepipeline-gateway-5d5d5d5d5d-x0001")
    assert not re.fullmatch(pods, "gw-codepipeline-gateway-other-5d5d5d5d5d-x0001")


def test_limits_and_runbooks_are_the_releases():
    args = "gateway.maxInFlight=7,gateway.maxPollWaiters=8,gateway.maxConnections=9,metrics.prometheusRule.errorBudgetPercentage=0.25"
    own = variables(board("--set", f"{args},metrics.prometheusRule.runbookUrl=https://a.example/b")[1])
    found = {name: own[name]["query"] for name in ("max_in_flight", "max_poll_waiters", "max_connections", "error_budget", "runbook_url")}
    assert list(found.values()) == ["7", "8", "9", "0.25", "https://a.example/b"]
    for name, value in found.items():
        assert own[name]["type"] == "constant" and own[name]["current"]["value"] == value


def test_the_defaults_in_the_file_are_the_charts():
    file = variables(json.loads((chart.HELM / "files" / "dashboard.json").read_text(encoding="utf-8")))
    for name in "max_in_flight", "max_poll_waiters", "max_connections", "error_budget", "runbook_url":
        assert file[name]["query"] == variables(board()[1])[name]["query"]


def test_the_first_row_says_whether_the_release_is_healthy():
    _, found = board()
    first, *panels = sorted(found["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    assert (first["type"], first["title"]) == ("row", "Health")
    stats = [panel for panel in panels if panel["type"] == "stat"]
    assert stats == panels[: len(stats)] and sum(panel["gridPos"]["w"] for panel in stats) == 24
    assert [panel["title"] for panel in stats] == [
        *("Ready pods", "Failed calls", "Calls", "Duration, p99"),
        *("AWS throttles", "Credentials expire in", "In-flight calls", "Waiting polls"),
    ]
    for panel in stats:
        colors = [step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert panel["fieldConfig"]["defaults"]["noValue"]
        assert panel["title"] in ("Calls", "AWS throttles") or {"green", "orange", "red"} == set(colors)


@pytest.mark.parametrize("title, limit", [
    ("In-flight calls", "vector($max_in_flight)"),
    ("Waiting calls", "vector($max_poll_waiters)"),
    ("Connections", "vector($max_connections)"),
    ("Memory", "kube_pod_container_resource_limits"),
    ("Open files", "process_max_fds"),
    ("Failed calls by operation", "vector(14.4 * $error_budget / 100)"),
])  # fmt: skip
def test_a_panel_has_a_line_for_its_limit(title, limit):
    (panel,) = [panel for panel in board()[1]["panels"] if panel["type"] == "timeseries" and panel["title"] == title]
    (line,) = [target for target in panel["targets"] if limit in target["expr"]]
    ((matcher, styles),) = [override.values() for override in panel["fieldConfig"]["overrides"]]
    assert re.search(matcher["options"].strip("/"), line["legendFormat"]), "no override draws it as a limit"
    assert {"custom.lineStyle", "color"} <= {style["id"] for style in styles}


def test_every_query_is_of_the_cluster_and_the_release():
    _, found = board()
    for panel in found["panels"]:
        for target in panel.get("targets", []):
            for matchers in re.findall(r"\{([^}]*)\}", target["expr"]):
                assert 'cluster=~"$cluster"' in matchers and 'namespace="$namespace"' in matchers
                assert 'pod=~"$pod"' in matchers or 'deployment=~"$deployment"' in matchers
    # Without a cluster label, `All` has to match too.
    assert variables(found)["cluster"]["allValue"] == ".*" and variables(found)["cluster"]["current"]["value"] == "$__all"


def test_ids_are_unique_and_panels_do_not_overlap():
    panels = board()[1]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    seen = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & seen and max(x for x, _ in cells) < 24, panel["title"]
        seen |= cells


def test_links_lead_to_runbooks():
    page = (chart.ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^#+ (\S+)$", page, re.MULTILINE)}
    _, found = board()
    links = [link["url"] for panel in found["panels"] for link in panel.get("links", [])]
    assert len(links) > 15 and found["links"][0]["url"] == "${runbook_url}"
    for link in links:
        start, _, anchor = link.partition("#")
        assert start == "${runbook_url}" and anchor in headings, link


def test_alerts_link_to_the_dashboard_of_their_release():
    def annotations(*args):
        (group,) = chart.render("default", "--set", "metrics.prometheusRule.enabled=true", *args).one("PrometheusRule")["spec"]["groups"]
        return [rule["annotations"] for rule in group["rules"]]

    uid = board()[1]["uid"]
    assert not any("__dashboardUid__" in found or "dashboard_url" in found for found in annotations())
    assert all(found["__dashboardUid__"] == uid and "dashboard_url" not in found for found in annotations("--set", ON))
    for url in "https://grafana.example", "https://grafana.example/":
        linked = annotations("--set", f"{ON},metrics.dashboard.grafanaUrl={url}")
        assert all(found["dashboard_url"] == f"https://grafana.example/d/{uid}" for found in linked)


def test_every_panel_has_a_text_in_sentences():
    for panel in board()[1]["panels"]:
        if panel["type"] != "row":
            assert re.fullmatch(r"[A-Z].*\.", panel["description"], re.DOTALL), panel["title"]


def test_a_scenario_has_the_dashboard():
    assert yaml.safe_load(next(iter(chart.render("everything").of("ConfigMap")[0]["data"].values())))["panels"]


def test_the_picture_shows_the_dashboard_as_it_is():
    picture = drawn.PICTURE.read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 500_000
    assert f"dashboard {drawn.digest()}".encode() in picture, "the dashboard's panels changed: `just picture` draws docs/dashboard.png again"


def test_a_changed_query_makes_the_picture_stale(monkeypatch):
    changed, before = drawn.board(), drawn.digest()
    next(panel for panel in changed["panels"] if panel["title"] == "Calls")["targets"][0]["expr"] += " > 0"
    monkeypatch.setattr(drawn, "board", lambda: changed)
    assert drawn.digest() != before


def test_the_picture_has_the_queries_of_the_dashboard():
    """Every variable has a value, so that no query of the picture is empty for want of one."""
    for panel in drawn.panels():
        for target in panel.get("targets", []):
            assert "$" not in drawn.expression(target)
