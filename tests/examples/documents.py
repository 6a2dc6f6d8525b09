"""Executes the code blocks of a page as they are written.

What a block is, its fence says:

- `sh` is run by bash, all of a page's in one shell, one after the other;
- `sh fails` is run likewise and has to fail;
- `json` or `text` right after it is what the block before it prints: JSON has to be equal in every key that the page
  has, but for ids that are new each time; of a text, each line has to occur;
- `sh cluster NAME` needs a cluster and isn't run here: e2e/ runs it;
- any other block is data. `<!-- from FILE -->` above it says that it is that file's content, whole.

A page with `127.0.0.1:50051` gets a `dev` there, and its simulator at `127.0.0.1:4599`. If another program has one of the
ports, both addresses are replaced, and the output says so.
"""

import argparse
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from fences import blocks, problem_with
from house import Process, clean_environment, free_port, get, wait_for

ADDRESS, SIMULATOR = "127.0.0.1:50051", "127.0.0.1:4599"


class Shell:
    """One bash for a page; it ends at the first command that fails."""

    MARK = "--- the end of a block"

    def __init__(self, folder, environment):
        # What a block prints to either stream is what a person sees.
        self.bash = subprocess.Popen(
            ["bash", "-euo", "pipefail"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, text, fails=False):
        """What it printed, and whether it went as it should."""
        if fails:
            text = f"if (\n{text}); then false; fi"
        self.bash.stdin.write(f"{text}\necho; echo '{self.MARK}'\n")
        self.bash.stdin.flush()
        printed = ""
        for line in self.bash.stdout:
            if line.rstrip("\n") == self.MARK:
                return printed, True
            printed += line
        return printed, False

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()
        self.bash.stdout.close()


def check(page, root, gateway, scratch, folder):
    """What is wrong with a page, and how many blocks were executed."""
    found, count = blocks(page), 0
    replaced = {ADDRESS: ADDRESS, SIMULATOR: SIMULATOR}
    text = page.read_text()
    dev = None
    if ADDRESS in text:
        if any(map(is_port_taken, replaced)):
            replaced = {shown: f"127.0.0.1:{free_port()}" for shown in replaced}
            print(f"        {page.relative_to(root)} uses {replaced}")
        admin = f"127.0.0.1:{free_port()}"
        flags = ["--grpc-addr", replaced[ADDRESS], "--admin-addr", admin, "--simulator-addr", replaced[SIMULATOR]]
        environment = clean_environment() | {"GATEWAY_SHUTDOWN_DELAY": "0s"}
        dev = Process([gateway, "dev", *flags], scratch, "dev", environment)
        wait_for("dev", lambda: get(f"http://{admin}/readyz"))
    shell = Shell(folder, clean_environment())
    try:
        printed = None
        for block in found:
            if block.file and Path(root, block.file).read_text() != block.text:
                return f"line {block.line} is no longer {block.file}", count
            if block.info in ("sh", "sh fails"):
                command = block.text
                for shown, used in replaced.items():
                    command = command.replace(shown, used)
                printed, well = shell.run(command, fails=block.info == "sh fails")
                count += 1
                if not well:
                    return f"line {block.line} failed:\n{block.text}\n{printed}", count
            elif block.info.startswith("sh") and not re.fullmatch(r"sh cluster [a-z-]+", block.info):
                return f"line {block.line}: what is a block '{block.info}'?", count
            elif block.info in ("json", "text") and printed is not None and not block.file:
                problem = problem_with(block, printed.replace(replaced[ADDRESS], ADDRESS))
                if problem:
                    return problem, count
                printed = None
    finally:
        shell.close()
        if dev:
            dev.stop()
    return None, count


def is_port_taken(address):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, port = address.split(":")
        try:
            probe.bind((host, int(port)))
        except OSError:
            return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout, or a clean copy of it")
    parser.add_argument("--gateway", help="the program")
    parser.add_argument("pages", nargs="+", type=Path)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for page in options.pages:
            page = options.root.resolve() / page
            # A README's lines are for its folder, the others' for the checkout's root.
            folder = page.parent if page.name == "README.md" else options.root
            problem, count = check(page, options.root.resolve(), options.gateway, scratch, folder)
            if not problem and count == 0:
                problem = "there is nothing in it to execute"
            failed += bool(problem)
            name = page.relative_to(options.root.resolve())
            print(f"NOT OK  {name}: {problem}" if problem else f"ok      {name}: {count} blocks executed", flush=True)
    print(f"{len(options.pages) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
