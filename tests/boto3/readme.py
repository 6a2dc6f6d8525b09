"""Executes the code blocks of simulator/README.md as they are written, in the checkout's root.

- The first `sh` block starts the simulator. It runs in the background on a free port.
- The other `sh` blocks run in one shell, one after the other. Each command has to succeed.
- A `text` block is the output of the block before it.
- A `json` block is a job file, which the simulator has to accept.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/examples"))
from fences import blocks  # noqa: E402

SHOWN = "127.0.0.1:4600"
SECONDS = 30


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def environment(program, folder):
    """The program on the PATH, and nothing of this machine's AWS configuration."""
    (folder / "codepipeline-gateway").symlink_to(program)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not re.match("AWS_|GATEWAY_|.*_proxy$", name, re.IGNORECASE)}
    return kept | {"PATH": path, "HOME": str(folder)}


def wait_for(address, process):
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            return urllib.request.urlopen(f"http://{address}/_simulator/jobs", timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.05)
    raise SystemExit("NOT OK  the simulator didn't start")


def run(found, address, variables):
    """Runs the blocks after the first one in one shell, and returns each block's output."""
    # curl alone has exit code 0 for an error of the control API.
    script = ["set -euo pipefail", 'curl() { command curl --fail-with-body "$@"; }']
    for block in found:
        script += [f"echo '--- {block.line}'", textwrap.dedent(block.text).replace(SHOWN, address), "echo"]
    ended = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=ROOT, env=variables, text=True, timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise SystemExit(f"NOT OK  exit code {ended.returncode}:\n{ended.stdout}")
    parts = re.split(r"^--- (\d+)$", ended.stdout, flags=re.MULTILINE)[1:]
    return {int(line): output for line, output in zip(parts[::2], parts[1::2], strict=True)}


def check_outputs(page, outputs):
    printed = ""
    for block in page:
        if block.info == "sh":
            printed = outputs.get(block.line, "")
        elif block.info == "text" and textwrap.dedent(block.text).strip() != printed.strip():
            raise SystemExit(f"NOT OK  line {block.line} shows another output:\n{printed}")


def put_job_file(block, address):
    request = urllib.request.Request(f"http://{address}/_simulator/jobs", json.dumps(json.loads(block.text)).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=5).close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="the gateway")
    options = parser.parse_args()
    page = blocks(ROOT / "simulator/README.md")
    commands = [block for block in page if block.info == "sh"]
    assert len(commands) >= 4, f"only {len(commands)} blocks"
    assert {block.info for block in page} <= {"sh", "text", "json", "rust", "mermaid"}, "a block of another kind"
    address = free_address()
    with tempfile.TemporaryDirectory() as folder:
        variables = environment(options.program.resolve(), Path(folder))
        start = commands[0].text.strip().replace(SHOWN, address)
        simulator = subprocess.Popen(["bash", "-c", f"exec {start}"], cwd=ROOT, env=variables, stdout=subprocess.DEVNULL)
        try:
            wait_for(address, simulator)
            for block in page:
                if block.info == "json":
                    put_job_file(block, address)
            check_outputs(page, run(commands[1:], address, variables))
        finally:
            simulator.terminate()
            simulator.wait()
    print(f"ok      simulator/README.md: {len(commands)} blocks executed")


if __name__ == "__main__":
    main()
