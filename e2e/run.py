#!/usr/bin/env python3
"""Installs the chart on a real cluster in every way that matters, and calls the gateway while pods come and go.

Needs KUBECONFIG, kubectl, helm, openssl, curl and grpcurl, and three images that the cluster's nodes have or can pull. The
gateway talks to the CodePipeline simulator beside it; no AWS account is touched. Everything is in namespaces whose
names begin with e2e-, and they go at the end.
"""

import argparse
import pathlib
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import definitions
import simulator
from cluster import Failed, Skipped, dump, kubectl, namespace, remove_namespace, remove_namespaces, without_proxies
from pods import RESTRICTED
from release import Images, Stage
from scenarios import SCENARIOS

CHART = pathlib.Path(__file__).resolve().parent.parent / "helm"


def main():
    """Runs the scenarios that were asked for; exit code 1 if one failed."""
    given = arguments()
    if given.list:
        for name, scenario in SCENARIOS.items():
            print(f"{name}: {' '.join(scenario.__doc__.split())}")
        return 0
    without_proxies()
    print(kubectl("version").strip(), flush=True)
    wanted = given.scenario or list(SCENARIOS)
    images = Images(given.image, given.simulator_image, given.caller_image)
    start = time.monotonic()
    simulator.start(images.simulator)
    added = definitions.install() if "operators" in wanted else []
    with ThreadPoolExecutor(given.parallel) as threads:
        rows = list(threads.map(lambda name: row(name, images, given), wanted))
    if not given.keep:
        remove_namespace(simulator.NAMESPACE)
        definitions.remove(added)
    report = table(rows, time.monotonic() - start)
    print(f"\n{report}")
    if given.report:
        given.report.write_text(report)
    return any(result == "FAILED" for _, result, _, _ in rows)


def arguments():
    """What to run, and with which images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="names of scenarios; none: all of them")
    parser.add_argument("--list", action="store_true", help="print the scenarios and what each shows")
    parser.add_argument("--image", default="codepipeline-gateway:e2e", help="the gateway (default: %(default)s)")
    parser.add_argument("--simulator-image", default="codepipeline-simulator:e2e", help="default: %(default)s")
    parser.add_argument("--caller-image", default="codepipeline-caller:e2e", help="of caller/ (default: %(default)s)")
    parser.add_argument("--chart", type=pathlib.Path, default=CHART, help="default: this checkout's")
    parser.add_argument("--parallel", type=int, default=1, help="scenarios at a time (default: %(default)s)")
    parser.add_argument("--report", type=pathlib.Path, help="write the table into this file too")
    parser.add_argument("--keep", action="store_true", help="leave the namespaces as they are")
    given = parser.parse_args()
    unknown = set(given.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return given


def row(name, images, given):
    """Runs one scenario in a namespace of its own: (name, result, seconds, figures)."""
    where, start, more = f"e2e-{name}", time.monotonic(), ""
    print(f"==> {name}", flush=True)
    try:
        namespace(where, **RESTRICTED)
        result, shown = "ok", SCENARIOS[name](Stage(where, images, given.chart))
    except Skipped as skipped:
        result, shown = "skipped", str(skipped)
    except (Failed, subprocess.TimeoutExpired) as failed:
        result, shown = "FAILED", str(failed)
    except Exception as error:  # a mistake of the run's own must not hide the other scenarios' results
        result, shown, more = "FAILED", repr(error), traceback.format_exc()
    seconds = time.monotonic() - start
    if result == "FAILED":
        more += dump(where) + "\n"
    print(f"<== {name}: {result}, {seconds:.0f} s\n    {shown}\n{more}", end="", flush=True)
    if not given.keep:
        remove_namespaces(where)
    return name, result, seconds, shown


def table(rows, seconds):
    """The report in Markdown."""
    lines = ["| scenario | result | s | what was seen |", "|---|---|---|---|"]
    for name, result, took, shown in rows:
        first = (shown.splitlines() or [""])[0].replace("|", "\\|")
        lines.append(f"| {name} | {result} | {took:.0f} | {first[:400]} |")
    return "\n".join([*lines, f"| all | | {seconds:.0f} | |", ""])


if __name__ == "__main__":
    sys.exit(main())
