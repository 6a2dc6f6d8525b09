"""Builds what is measured: the gateway, the harness's own programs and the peers, all of them optimised."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
PROTO = "codepipeline/thirdparty/v1/third_party_job_service.proto"

# What its maintainers released last when this was written. It is no importable module (its own go.mod names it
# `aws-sigv4-proxy`), so it is built from its repository, whose vendor/ folder has all that it needs.
SIGV4_PROXY = "https://github.com/awslabs/aws-sigv4-proxy"
SIGV4_PROXY_COMMIT = "4165dc78f51d8faae974f6d3091d2e1c14bdb4b1"


def run(*command, **options):
    print("+", *command, file=sys.stderr, flush=True)
    subprocess.run([str(word) for word in command], check=True, **options)


class Programs:
    """Where everything is, once it is built."""

    def __init__(self):
        self.target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.work = self.target / "bench"
        self.work.mkdir(parents=True, exist_ok=True)
        self.gateway = self.target / "release/codepipeline-gateway"
        self.python = ROOT / ".tools/venv/bin/python"
        self.stubs = self.work / "python"
        self.go = self.work / "go-peer"
        self.sigv4 = self.work / "aws-sigv4-proxy"

    def rust(self, name):
        return self.target / "release" / name

    def build(self):
        target = ["--target-dir", self.target]
        # As the production image has it: without the simulator.
        run("cargo", "build", "--locked", "--release", "--package", "codepipeline-gateway", "--no-default-features", "--features", "jemalloc", *target, cwd=ROOT)
        run("cargo", "build", "--locked", "--release", "--features", "bounds", *target, cwd=BENCH)
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
        options = [f"M{PROTO}=bench/peer/pb", "module=bench/peer"]
        self.protoc(
            f"--plugin=protoc-gen-go={self.work / 'protoc-gen-go'}",
            f"--plugin=protoc-gen-go-grpc={self.work / 'protoc-gen-go-grpc'}",
            f"--go_out={source}",
            f"--go-grpc_out={source}",
            *[f"--go_opt={option}" for option in options],
            *[f"--go-grpc_opt={option}" for option in options],
        )
        run("go", "build", "-trimpath", "-o", self.go, ".", cwd=source)

    def build_sigv4(self):
        """From $SIGV4_PROXY_REPO, a clone of its repository, or from its public home; without either it is left out."""
        home = os.environ.get("SIGV4_PROXY_REPO", SIGV4_PROXY)
        source = self.work / "aws-sigv4-proxy-source"
        shutil.rmtree(source, ignore_errors=True)
        try:
            run("git", "clone", "--quiet", home, source)
            run("git", "checkout", "--quiet", SIGV4_PROXY_COMMIT, cwd=source)
            run("go", "build", "-mod=vendor", "-trimpath", "-o", self.sigv4, "./cmd/aws-sigv4-proxy", cwd=source)
        except subprocess.CalledProcessError:
            print(f"aws-sigv4-proxy is left out: no source from {home}", file=sys.stderr)
            self.sigv4 = None
