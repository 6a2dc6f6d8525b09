"""A terminal as a person has one: commands run as they are printed, and ports that are forwarded meanwhile."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading

from cluster import check, eventually, kubectl

# What is printed forwards the same local port everywhere.
PORT = threading.Lock()


class Terminal:
    """A directory of its own with these files, and kubectl and helm in this namespace by default."""

    def __init__(self, where, files=None, cwd=None):
        self._scratch = tempfile.TemporaryDirectory()
        home = pathlib.Path(self._scratch.name)
        config = json.loads(kubectl("config", "view", "--raw", "--flatten", "--minify", "--output", "json"))
        for each in config["contexts"]:
            each["context"]["namespace"] = where
        config_file = home / ".kubeconfig"
        config_file.touch(mode=0o600)
        config_file.write_text(json.dumps(config))
        for name, text in (files or {}).items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text)
        self._where = {"cwd": cwd or home, "env": os.environ | {"KUBECONFIG": str(config_file), "HOME": str(home)}}

    def run(self, text, fails=False):
        """Runs a block, which has to succeed, or to fail; gives what it printed to either stream."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            **self._where,
        )
        check((done.returncode != 0) == fails, f"exit {done.returncode} of\n{text}\n{done.stdout}")
        return done.stdout

    @contextlib.contextmanager
    def forwarding(self, text):
        """Runs a block that forwards a port, as in a second terminal, until the caller is done."""
        port = int(re.search(r" (\d+):\d+\s*$", text)[1])
        with PORT:
            running = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **self._where,
            )
            try:
                eventually(f"{text.strip()} listens", lambda: running.poll() is not None or listens(port))
                check(running.poll() is None, f"{text.strip()} has ended")
                yield
            finally:
                running.terminate()
                running.communicate()


def listens(port):
    """Whether a program listens on this port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
