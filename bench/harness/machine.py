"""What Linux knows of the machine and of a process."""

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

from build import ROOT


def cpu(pid):
    """Seconds of user and system time, by the process's own CPU clock (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def resident(pid):
    """Bytes of memory that the process has in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def own(pid):
    """Those of them that no file backs: what the process needs beside its program."""
    return status(pid, "RssAnon")


def peak(pid):
    """The most bytes of memory since `reset_peak`."""
    return status(pid, "VmHWM")


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def status(pid, field):
    return int(Path(f"/proc/{pid}/status").read_text().split(f"{field}:")[1].split()[0]) * 1024


def median(values):
    return statistics.median(values)


def machine():
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    version = subprocess.run(["rustc", "--version"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return {
        "cpu": f"{os.cpu_count()} × {model[0].split(':')[1].strip()}",
        "kernel": platform.release(),
        "rustc": version,
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "load": Path("/proc/loadavg").read_text().split()[0],
    }
