"""What a release is scanned, signed, and blocked by, as far as the workflows and tools/scan.sh say it."""

import os
import re
import subprocess

import pytest
import yaml

import chart

WORKFLOWS = chart.ROOT / ".github" / "workflows"
SCAN = chart.ROOT / "tools" / "scan.sh"
# Plays grype: writes its arguments and settings, and has a critical finding with a fix in a source that is called so.
GRYPE = """#!/bin/sh
echo "$GRYPE_DB_AUTO_UPDATE $GRYPE_CHECK_FOR_APP_UPDATE $*" >> "$CALLS"
for last; do :; done
echo "findings of $last"
case "$*" in *--fail-on*critical.json) exit 2 ;; *broken.json) exit 1 ;; esac
"""


def jobs(name):
    return yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))["jobs"]


def runs(job):
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.fixture(name="scan")
def _scan(tmp_path):
    """Runs tools/scan.sh with a program in grype's place. Returns its exit code, output, and grype's calls."""
    program, calls = tmp_path / "grype", tmp_path / "calls"
    program.write_text(GRYPE, encoding="utf-8")
    program.chmod(0o755)

    def run(*sources):
        calls.write_text("", encoding="utf-8")
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
        ran = subprocess.run([SCAN, *sources], capture_output=True, text=True, env=environment, check=False, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr, calls.read_text(encoding="utf-8").splitlines()

    return run


def test_a_scan_fetches_nothing_and_reads_the_accepted_findings(scan):
    code, told, calls = scan("sbom:good.json")
    assert code == 0 and "findings of sbom:good.json" in told and len(calls) == 2
    for call in calls:
        assert call.startswith("false false ") and f"--config {chart.ROOT}/tools/grype.yaml" in call
    assert "--only-fixed --fail-on critical" in calls[1]
    assert "ignore" in yaml.safe_load((chart.ROOT / "tools" / "grype.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", ["sbom:critical.json", "sbom:broken.json"])
def test_a_critical_finding_or_a_failed_scan_is_an_error(scan, source):
    code, told, _ = scan(source, "sbom:good.json")
    assert code != 0 and (source in told)


def test_a_scan_of_the_bases_has_those_of_the_dockerfile(scan):
    code, _, calls = scan()
    (base,) = set(re.findall(r"^FROM (\S+@sha256:\S+) AS (?:gateway|simulator)$", (chart.ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    assert code == 0 and all(call.endswith(f" registry:{base}") for call in calls) and calls
    assert scan("--update")[2][0].endswith("db update")


def test_a_release_waits_for_the_scan_of_its_images():
    release = jobs("release.yml")
    assert {"scan", "build"} <= set(release["publish"]["needs"])
    text = runs(release["scan"])
    for name in "gateway-amd64", "gateway-arm64", "simulator-amd64", "simulator-arm64":
        assert f"{name}.spdx.json" in text and name in release["build"]["outputs"]
    assert text.index("--update") < text.index('"${sources[@]/#/sbom:}"')


def test_an_advisory_blocks_no_release_but_turns_the_night_red():
    advisories = jobs("ci.yml")["advisories"]
    assert "startsWith(github.ref, 'refs/tags/')" in advisories["continue-on-error"] and "schedule" not in advisories["continue-on-error"]
    assert "schedule" in jobs("ci.yml")["scan"]["if"] and runs(jobs("ci.yml")["scan"]).endswith("just scan")


def test_kind_loads_images_without_attestations():
    jobs_with_kind = [job for name in ("ci.yml", "release.yml") for job in jobs(name).values() if "kind load" in runs({"steps": job.get("steps", [])})]
    assert jobs_with_kind and all(job["env"]["BUILDX_NO_DEFAULT_ATTESTATIONS"] == 1 for job in jobs_with_kind)
    page = (chart.ROOT / "e2e" / "README.md").read_text(encoding="utf-8")
    assert 0 < page.index("BUILDX_NO_DEFAULT_ATTESTATIONS=1") < page.index("kind load")


def test_cosign_and_what_verifies_its_signatures_are_named():
    (installer,) = [step for step in jobs("release.yml")["publish"]["steps"] if "cosign-installer" in step.get("uses", "")]
    assert installer["with"]["cosign-release"].startswith("v3.")
    for page in runs(jobs("release.yml")["publish"]), (chart.HELM / "README.md").read_text(encoding="utf-8"):
        for name in "osign 3", "Flux 2.8", "ImageValidatingPolicy":
            assert name in page
