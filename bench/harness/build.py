"""Builds what is measured: the gateway, the harness's own programs and the peers, all of them optimized."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
PROTO = "codepipeline/thirdparty/v1/third_party_job_service.proto"

# Its latest release at the time of writing. It isn't an importable module (its go.mod names it `aws-sigv4-proxy`), so it
# is built from its repository, which has a vendor/ folder.
SIGV4_PROXY = "https://github.com/awslabs/aws-sigv4-proxy"
SIGV4_PROXY_COMMIT = "4165dc78f51d8faae974f6d3091d2e1c14bdb4b1"


# Its proxy keeps two idle connections to AWS, the default of Go's transport, and has no flag for that. With more callers
# it reconnects constantly, so a second build has a larger pool.
SIGV4_TRANSPORT = "http.DefaultTransport.(*http.Transport).IdleConnTimeout = *idleConnTimeout"
SIGV4_POOL = "http.DefaultTransport.(*http.Transport).MaxIdleConns, http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 0, 8192"

# The instructions that GOAMD64=v3 uses, as Linux names them.
AMD64_V3 = {"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}


def go_environment():
    """Go's best target for this machine. Everything else is Go's default."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    v3 = flags and AMD64_V3 <= set(flags.group(1).split())
    return os.environ | ({"GOAMD64": "v3"} if v3 else {})


def host():
    """The target triple of this machine."""
    version = subprocess.run(["rustc", "-vV"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search("^host: (.*)$", version, re.MULTILINE).group(1)


def run(*command, **options):
    print("+", *command, file=sys.stderr, flush=True)
    subprocess.run([str(word) for word in command], check=True, **options)


class Programs:
    """The paths of all programs, and how to build them."""

    def __init__(self):
        self.target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.work = self.target / "bench"
        self.work.mkdir(parents=True, exist_ok=True)
        self.gateway = self.target / host() / "release/codepipeline-gateway"
        self.unprofiled = self.target / "release/codepipeline-gateway"
        self.python = ROOT / ".tools/venv/bin/python"
        self.stubs = self.work / "python"
        self.go = self.work / "go-peer"
        self.sigv4 = self.work / "aws-sigv4-proxy"
        self.sigv4_pool = self.work / "aws-sigv4-proxy-pool"

    def rust(self, name):
        return self.target / "release" / name

    def build(self):
        gateway, target = ROOT / "tools/release-build.sh", {"CARGO_TARGET_DIR": str(self.target)}
        # A release's build, and the same without a profile. Neither has the simulator.
        run(ROOT / "tools/install.sh", "llvm-profdata")
        run(gateway, "--profile-guided", env=os.environ | target)
        run(gateway, env=os.environ | target)
        run("cargo", "build", "--locked", "--release", "--features", "bounds", cwd=BENCH, env=os.environ | target)
        self.build_python()
        self.build_go()
        self.build_sigv4()

    def protoc(self, *options):
        run(self.python, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'proto'}", *options, PROTO)

    def build_python(self):
        run(ROOT / "tools/install.sh", "python")
        self.stubs.mkdir(exist_ok=True)
        self.protoc(f"--python_out={self.stubs}", f"--grpc_python_out={self.stubs}")

    def build_go(self):
        """The peer's generated code goes into its own folder, where Go looks for it; git ignores it."""
        source = BENCH / "peers/go"
        for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):
            package = {"protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go"}
            name = package.get(plugin, "google.golang.org/grpc/cmd/protoc-gen-go-grpc")
            run("go", "build", "-o", self.work / plugin, name, cwd=source)
        options = [f"M{PROTO}=bench/peer/pb;pb", "module=bench/peer"]
        self.protoc(
            f"--plugin=protoc-gen-go={self.work / 'protoc-gen-go'}",
            f"--plugin=protoc-gen-go-grpc={self.work / 'protoc-gen-go-grpc'}",
            f"--go_out={source}",
            f"--go-grpc_out={source}",
            *[f"--go_opt={option}" for option in options],
            *[f"--go-grpc_opt={option}" for option in options],
        )
        run("go", "build", "-trimpath", "-o", self.go, ".", cwd=source, env=go_environment())

    def build_sigv4(self):
        """As its image builds it, and with a larger pool for this machine. The source is $SIGV4_PROXY_REPO, a clone of its
        repository, or its public home; without either it is left out."""
        home = os.environ.get("SIGV4_PROXY_REPO", SIGV4_PROXY)
        source = self.work / "aws-sigv4-proxy-source"
        shutil.rmtree(source, ignore_errors=True)
        try:
            run("git", "clone", "--quiet", home, source)
            run("git", "checkout", "--quiet", SIGV4_PROXY_COMMIT, cwd=source)
            build = ["go", "build", "-mod=vendor", "-trimpath"]
            run(*build, "-o", self.sigv4, "./cmd/aws-sigv4-proxy", cwd=source)
            program = source / "cmd/aws-sigv4-proxy/main.go"
            text = program.read_text()
            if SIGV4_TRANSPORT not in text:
                raise RuntimeError("aws-sigv4-proxy no longer sets its transport as expected")
            program.write_text(text.replace(SIGV4_TRANSPORT, f"{SIGV4_TRANSPORT}\n\t{SIGV4_POOL}"))
            run(*build, "-o", self.sigv4_pool, "./cmd/aws-sigv4-proxy", cwd=source, env=go_environment())
        except subprocess.CalledProcessError:
            print(f"aws-sigv4-proxy is left out: no source from {home}", file=sys.stderr)
            self.sigv4 = self.sigv4_pool = None
