"""The commands that the chart's notes print, run as they are printed."""

import pathlib
import re
import tempfile

import simulator
from cluster import check, command
from terminal import PORT

# What a line of a command begins with; other lines are prose, or for an AWS account.
COMMAND = re.compile(r"^  ((?:kubectl|grpcurl|helm) .*|[A-Z]+=\$\(.*)$")

# One session, as a person has it. What is added is the wait for the port, which a person's hands take.
SESSION = """set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null' EXIT
listening() {
    for _ in $(seq 300); do (: <>/dev/tcp/localhost/$1) 2>/dev/null && return; sleep 0.1; done
    echo "nothing listens on $1"; exit 1
}
"""


def commands(notes):
    """The commands, in the order of the notes."""
    return [found[1] for found in map(COMMAND.match, notes.splitlines()) if found]


def address(notes):
    """The address that a client in a pod shall use."""
    return re.search(r"^  (dns:///\S+)$", notes, re.MULTILINE)[1]


def settings(notes):
    """The --set options that the notes propose, those that are complete."""
    return [found for found in re.findall(r"^  (--set \S+)", notes, re.MULTILINE) if "…" not in found]


def run(notes, files=None):
    """Runs them all in a directory with these files; one that fails, fails the scenario. Gives how many they are."""
    script, lines = SESSION, commands(notes)
    for line in lines:
        script += line + "\n"
        if line.endswith("&"):
            script += f"listening {re.search(r'([0-9]+):[0-9]+ &$', line)[1]}\n"
    with PORT, tempfile.TemporaryDirectory() as directory:
        for name, text in (files or {}).items():
            pathlib.Path(directory, name).write_text(text)
        # The printed call has these words in it.
        simulator.put_job("JOB", "NONCE", "CLIENT_TOKEN")
        printed = command("bash", "-c", script, cwd=directory, timeout=300)
    for sign in ("successfully rolled out", '"status": "SERVING"', '"status": "JOB_STATUS_IN_PROGRESS"'):
        check(sign in printed, f"the notes' commands didn't print {sign}:\n{script}\n{printed}")
    return len(lines)
