"""What the Dockerfile says, as far as it can be read. That the program starts in its base it checks itself, as it is built."""

import re
import tomllib

import chart

DOCKERFILE = (chart.ROOT / "Dockerfile").read_text(encoding="utf-8")
ARGS = dict(re.findall(r"^ARG (RUST|BASE)=(\S+)$", DOCKERFILE, re.MULTILINE))


def stage(name):
    """The lines of one stage."""
    (text,) = re.findall(rf"^(FROM \S+ AS {name}\n.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return text


def test_bases_are_pinned_by_digest_and_the_compiler_is_the_toolchains():
    for image in ARGS.values():
        assert re.search(r":[^:@]+@sha256:[0-9a-f]{64}$", image), image
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {source for source, _ in froms} == {"${RUST}", "${BASE}", "build"}
    assert froms[-1] == ("${BASE}", "gateway"), "a plain build is production's"
    channel = tomllib.loads((chart.ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))["toolchain"]["channel"]
    assert f"/rust:{channel}-bookworm@" in ARGS["RUST"] and "debian12:nonroot@" in ARGS["BASE"]


def test_the_gateways_image_has_the_program_alone():
    assert "--no-default-features" in stage("build") and "--no-default-features" not in stage("build-simulator")
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
