"""compose.yaml: Compose takes it, its images are the Dockerfile's, and its settings are the program's, the simulator's, and Grafana's."""

import json
import re
import subprocess

import pytest
import yaml

import chart

FILE = chart.ROOT / "compose.yaml"
PROFILES = [[], ["--profile", "monitoring"]]


def config(text, *profile):
    """What Compose makes of a file's text: its exit code, and the model or the errors."""
    command = ["docker-compose", "--project-directory", str(chart.ROOT), "--file", "-", *profile, "config", "--format", "json"]
    ran = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stdout if ran.returncode == 0 else ran.stderr


def model(*profile):
    code, out = config(FILE.read_text(encoding="utf-8"), *profile)
    assert code == 0, out
    return json.loads(out)


@pytest.mark.parametrize("wrong", [
    ("target: gateway", "taget: gateway"),
    ("depends_on: [simulator]", "depends_on: [simulater]"),
    ("{source: jobs,", "{source: job,"),
    ('"127.0.0.1:4599:4599"', '"127.0.0.1:4599:port"'),
    ("stop_grace_period: 40s", "stop_grace_period: soon"),
])  # fmt: skip
def test_compose_sees_what_is_wrong(wrong):
    text = FILE.read_text(encoding="utf-8")
    assert wrong[0] in text
    code, told = config(text.replace(*wrong), "--profile", "monitoring")
    assert code != 0 and told


def test_monitoring_is_a_choice():
    assert set(model()["services"]) == {"gateway", "simulator"}
    assert set(model("--profile", "monitoring")["services"]) == {"gateway", "simulator", "prometheus", "grafana"}


def test_images_are_the_dockerfiles_or_pinned():
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (chart.ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    for name, service in model("--profile", "monitoring")["services"].items():
        if "build" in service:
            assert service["build"]["context"] == str(chart.ROOT) and service["build"]["target"] == name and name in stages
        else:
            assert re.fullmatch(r"docker\.io/\S+:v?\d+\.\d+\.\d+", service["image"]), service["image"]


def test_every_port_is_on_loopback_and_used_once():
    ports = [port for service in model("--profile", "monitoring")["services"].values() for port in service["ports"]]
    assert len(ports) == 5 and all(port["host_ip"] == "127.0.0.1" for port in ports)
    assert len({port["published"] for port in ports}) == len(ports)


def test_the_gateways_settings_are_the_programs_and_the_simulators():
    services = model()["services"]
    given = services["gateway"]["environment"]
    page = (chart.ROOT / "simulator" / "README.md").read_text(encoding="utf-8")
    assert f"| `{given['AWS_ACCESS_KEY_ID']}` | `{given['AWS_SECRET_ACCESS_KEY']}` | none |" in page
    flags = "\n".join(path.read_text(encoding="utf-8") for path in (chart.ROOT / "src").rglob("*.rs"))
    for name in given:
        assert not name.startswith("GATEWAY_") or f'"{name}"' in flags, name
    (port,) = [port["target"] for port in services["simulator"]["ports"]]
    assert given["AWS_ENDPOINT_URL_S3"] == f"http://localhost:{services['simulator']['ports'][0]['published']}"
    assert given["AWS_ENDPOINT_URL_CODEPIPELINE"] == f"http://simulator:{port}" and f"0.0.0.0:{port}" in services["simulator"]["command"]
    listening = {int(given[name].rpartition(":")[2]) for name in ("GATEWAY_GRPC_ADDR", "GATEWAY_ADMIN_ADDR")}
    assert {port["target"] for port in services["gateway"]["ports"]} == listening


def test_the_files_are_there():
    for name, given in model("--profile", "monitoring")["configs"].items():
        assert "content" in given or (chart.ROOT / given["file"]).is_file(), name
    assert json.loads((chart.ROOT / model()["configs"]["jobs"]["file"]).read_text(encoding="utf-8"))["jobs"]


def test_prometheus_takes_its_configuration_and_scrapes_the_gateway(tmp_path):
    found = model("--profile", "monitoring")
    file = tmp_path / "prometheus.yml"
    file.write_text(found["configs"]["prometheus"]["content"], encoding="utf-8")
    ran = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ((target,),) = [job["static_configs"] for job in yaml.safe_load(file.read_text(encoding="utf-8"))["scrape_configs"]]
    admin = found["services"]["gateway"]["environment"]["GATEWAY_ADMIN_ADDR"].rpartition(":")[2]
    assert target["targets"] == [f"gateway:{admin}"]
    # What the dashboard selects by.
    assert {"namespace", "pod"} <= set(target["labels"])


def test_grafana_has_the_dashboard_and_its_data_source():
    found = model("--profile", "monitoring")
    grafana = found["services"]["grafana"]
    files = {given["target"]: found["configs"][given["source"]] for given in grafana["configs"]}
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert files[home]["file"] == str(chart.HELM / "files" / "dashboard.json")
    (provider,) = [yaml.safe_load(given["content"])["providers"] for path, given in files.items() if "provisioning/dashboards" in path]
    assert home.startswith(provider[0]["options"]["path"] + "/")
    (source,) = [yaml.safe_load(given["content"])["datasources"] for path, given in files.items() if "datasources" in path]
    port = [port["target"] for port in found["services"]["prometheus"]["ports"]]
    assert (source[0]["type"], source[0]["url"]) == ("prometheus", f"http://prometheus:{port[0]}")
