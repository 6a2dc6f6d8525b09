"""What the Dockerfile says, as far as it can be read. That the program starts in its base it checks itself, as it is built."""

import datetime
import json
import re
import tomllib

import chart

DOCKERFILE = (chart.ROOT / "Dockerfile").read_text(encoding="utf-8")
# How Dependabot's parser finds an image (docker/lib/dependabot/docker/file_parser.rb): a literal name, tag, and digest.
FROM_LINE = re.compile(
    r"^FROM\s+(?:--platform=\S+\s+)?(?P<image>(?:(?P<registry>[a-z0-9.-]+\.[a-z]+)/)?(?P<name>[a-z0-9./_-]+)"
    r":(?P<tag>[\w][\w.-]{0,127})@(?P<digest>sha256:[0-9a-f]{64}))\s+AS\s+(?P<stage>[\w.-]+)$",
    re.MULTILINE,
)
END_OF_SUPPORT = json.loads((chart.ROOT / "tools" / "end-of-support.json").read_text(encoding="utf-8"))["images"]


def stage(name):
    """The lines of one stage."""
    (text,) = re.findall(rf"^(FROM \S+ AS {name}\n.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return text


def test_bases_are_pinned_by_digest_and_the_compiler_is_the_toolchains():
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    images = {found["stage"]: found["image"] for found in FROM_LINE.finditer(DOCKERFILE)}
    assert [stage for _, stage in froms] == ["build", "build-simulator", "simulator", "gateway"], "a plain build is production's"
    assert dict((stage, source) for source, stage in froms if source != "build") == images, "Dependabot doesn't see all of them"
    assert images["simulator"] == images["gateway"]
    channel = tomllib.loads((chart.ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))["toolchain"]["channel"]
    assert f"/rust:{channel}-trixie@" in images["build"] and "debian13:nonroot@" in images["gateway"]


def test_no_base_is_past_its_end_of_support():
    for found in FROM_LINE.finditer(DOCKERFILE):
        image = found["image"].partition("@")[0]
        (end,) = [entry["until"] for entry in END_OF_SUPPORT if re.fullmatch(entry["image"], image)]
        assert datetime.date.today() < datetime.date.fromisoformat(end), f"{image} is out of support since {end}: take a newer base"


def test_a_base_that_is_past_its_end_is_seen():
    (end,) = [entry["until"] for entry in END_OF_SUPPORT if re.fullmatch(entry["image"], "gcr.io/distroless/cc-debian12:nonroot")]
    assert datetime.date.fromisoformat(end) < datetime.date(2026, 10, 1)
    assert not FROM_LINE.search("FROM ${RUST} AS build")


def test_the_gateways_image_has_the_program_alone():
    program = (chart.ROOT / "tools" / "release-build.sh").read_text(encoding="utf-8")
    assert "tools/release-build.sh" in stage("build") and "--no-default-features" in program
    assert "cargo build" in stage("build-simulator") and "--no-default-features" not in stage("build-simulator")
    for name, built in ("gateway", "build"), ("simulator", "build-simulator"):
        text = stage(name)
        assert re.findall(r"^(?:COPY|ADD) .*$", text, re.MULTILINE) == [
            f"COPY --from={built} /codepipeline-gateway /usr/local/bin/codepipeline-gateway"
        ]
        assert "USER 65532:65532" in text
        # Without a shell, only the form with brackets runs.
        for line in re.findall(r"^(?:RUN|CMD|ENTRYPOINT) .*$", text, re.MULTILINE):
            assert re.fullmatch(r'\w+ \["[^$]*"\]', line), line
        for label in "title", "description", "licenses", "version", "revision", "source":
            assert f'org.opencontainers.image.{label}="' in text


def test_image_and_chart_agree():
    user = re.search(r"^USER (\d+):(\d+)$", stage("gateway"), re.MULTILINE)
    context = chart.values()["podSecurityContext"]
    assert [context["runAsUser"], context["runAsGroup"]] == [int(number) for number in user.groups()]
    ports = {port["containerPort"] for port in chart.render("default").gateway()["ports"]}
    assert ports == {int(port) for port in re.search(r"^EXPOSE (.*)$", stage("gateway"), re.MULTILINE).group(1).split()}
    assert chart.render("default").gateway()["args"] == ["serve"]


def test_the_build_sees_what_it_needs_and_no_more():
    lines = (chart.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored, *kept = [line for line in lines if line and not line.startswith("#")]
    assert ignored == "*" and all(line.startswith("!") for line in kept)
    assert not {"!.git", "!target", "!helm", "!tests", "!docs"} & set(kept)
    for line in kept:
        assert (chart.ROOT / line[1:]).exists(), line
