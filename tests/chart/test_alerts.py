"""The alert rules are valid, fire when they should, and each has its section in docs/runbook.md."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import chart

ON = ("--set", "metrics.prometheusRule.enabled=true")
UNIT_TESTS = Path(__file__).with_name("alerts.yaml")


def rules(*args):
    (group,) = chart.render("default", *ON, *args).one("PrometheusRule")["spec"]["groups"]
    return group["rules"]


@pytest.fixture(params=["gw", chart.LONG_RELEASE])
def folder(request, tmp_path):
    """A folder with the rules as Prometheus reads them, and their unit tests, for a release and one with a long name."""
    rendered = chart.render("default", *ON, release=request.param)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rendered.one("PrometheusRule")["spec"], sort_keys=False), encoding="utf-8")
    name = rendered.one("Deployment")["metadata"]["name"]
    tests = re.sub(r"\bgw-codepipeline-gateway-5d-x(\d)", lambda pod: pod_of(name, pod[1]), UNIT_TESTS.read_text(encoding="utf-8"))
    (tmp_path / "alerts.yaml").write_text(tests.replace("gw-codepipeline-gateway", name), encoding="utf-8")
    return tmp_path


def pod_of(deployment, number):
    """A pod's name, as Kubernetes makes it: what the ReplicaSet is called is cut to 58 characters first."""
    return f"{deployment}-5d5d5d5d5d-"[:58] + f"x000{number}"


def promtool(folder, *args):
    ran = subprocess.run(["promtool", *args], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return ran.returncode, ran.stdout + ran.stderr


def test_prometheus_takes_the_rules(folder):
    code, told = promtool(folder, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert code == 0, told


def test_each_alert_fires_when_it_should_and_is_quiet_when_it_should_be(folder):
    code, told = promtool(folder, "test", "rules", "alerts.yaml")
    assert code == 0, told


def test_alerts_of_two_releases_are_two_alerts(tmp_path):
    team = ("--set", "metrics.prometheusRule.alertLabels.team=delivery")
    for release in "gw", "other":
        rules_of_one = chart.render("default", *ON, *team, release=release).one("PrometheusRule")["spec"]
        (tmp_path / f"{release}.yaml").write_text(yaml.safe_dump(rules_of_one, sort_keys=False), encoding="utf-8")
    (tmp_path / "tests.yaml").write_text(UNIT_TESTS.with_name("two-releases.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    code, told = promtool(tmp_path, "test", "rules", "tests.yaml")
    assert code == 0, told


def test_every_alert_names_its_release_and_has_the_labels_for_routing():
    for rule in rules("--set", "metrics.prometheusRule.alertLabels.team=delivery"):
        assert rule["labels"].pop("severity") in {"warning", "critical"}
        assert rule["labels"] == {"deployment": "gw-codepipeline-gateway", "team": "delivery"}


def test_no_alert_is_without_a_test_of_both():
    tests = [test for group in yaml.safe_load(UNIT_TESTS.read_text(encoding="utf-8"))["tests"] for test in group["alert_rule_test"]]
    fired = {test["alertname"] for test in tests if test["exp_alerts"]}
    quiet = {test["alertname"] for test in tests if not test["exp_alerts"]}
    assert fired == quiet == {rule["alert"] for rule in rules()}
    assert len(fired) >= 12


def test_a_link_leads_to_a_section_and_every_section_has_its_alert():
    headings = re.findall(r"^#+ (.*)$", (chart.ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    # How GitHub makes an anchor of a heading.
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbook.md" and anchor in anchors, f"no section for {rule['alert']}"
    assert {heading for heading in headings if heading.startswith("CodepipelineGateway")} == {rule["alert"] for rule in rules()}


def test_an_alert_can_be_left_out_and_the_page_be_elsewhere():
    less = rules("--set", "metrics.prometheusRule.disabled={CodepipelineGatewayDown},metrics.prometheusRule.runbookUrl=https://a.example/b")
    assert {rule["alert"] for rule in rules()} - {rule["alert"] for rule in less} == {"CodepipelineGatewayDown"}
    assert all(rule["annotations"]["runbook_url"].startswith("https://a.example/b#codepipelinegateway") for rule in less)


def test_rules_know_their_release_and_its_limit():
    text = yaml.safe_dump(rules("--set", "gateway.maxInFlight=77,metrics.prometheusRule.errorBudgetPercentage=0.25"))
    assert "14.4 * 0.25 / 100" in text
    assert "$" not in re.sub(r"\{\{[^}]*\}\}", "", text), "a placeholder is left"
    assert "0.8 * 77" in text
    for rule in rules():
        assert 'namespace="gateways"' in rule["expr"] and "gw-codepipeline-gateway" in rule["expr"]


def test_a_metric_is_on_the_dashboard_and_has_an_alert_or_a_reason_for_none():
    def first_column(page, section):
        text = (chart.ROOT / "docs" / page).read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        return {name for row in rows for name in re.findall(r"[a-z_]+_[a-z_]+", re.sub(r"\{.*?\}", "", row))}

    asked = "\n".join(rule["expr"] for rule in rules())
    metrics, reasoned = first_column("operations.md", "Metrics"), first_column("runbook.md", "What has no alert")
    alerted = {name for name in metrics if re.search(rf"\b{name}\b", asked)}
    assert len(metrics) > 20 and not alerted & reasoned
    assert alerted | reasoned == metrics
    dashboard = (chart.HELM / "files" / "dashboard.json").read_text(encoding="utf-8")
    # What few look at.
    unseen = {"process_virtual_memory_bytes", "process_threads", "process_start_time_seconds"}
    assert {name for name in metrics if not re.search(rf"\b{name}(_bucket)?\b", dashboard)} == unseen
