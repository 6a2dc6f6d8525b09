"""Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each."""

import argparse
import json
import os
import sys

from gateway import Gateway

EXIT = {"yours": 0, "not_yours": 1, "unknown": 3}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="such as dns:///codepipeline-gateway-headless:50051")
    parser.add_argument("--job-id", help="without it, ids are read from standard input, one a line")
    parser.add_argument("--timeout", type=float, default=10, help="seconds for a job, retries included")
    parser.add_argument("--retries", type=int, default=3, help="further calls at most; 0: the library doesn't retry either")
    parser.add_argument("--ca", help="PEM roots; without them it is plaintext")
    parser.add_argument("--cert", help="PEM client certificate")
    parser.add_argument("--key", help="its key")
    parser.add_argument("--token-file", help="a bearer token, read for each call")
    parser.add_argument("--service-config", help="a gRPC service config in place of the built-in one")
    options = vars(parser.parse_args())
    target, job_id, timeout = options.pop("target"), options.pop("job_id"), options.pop("timeout")
    # Not arguments: those show in the list of processes.
    secrets = os.environ.get("CODEPIPELINE_NONCE", ""), os.environ.get("CODEPIPELINE_CLIENT_TOKEN", "")
    try:
        gateway = Gateway(target, **options)
    except (OSError, ValueError) as error:
        parser.error(str(error))

    worst = 0
    for job in [job_id] if job_id is not None else (line.rstrip("\n") for line in sys.stdin):
        answer = gateway.acknowledge(job, *secrets, timeout)
        fields = {name: value for name, value in vars(answer).items() if name != "retry_after"}
        print(json.dumps({"job_id": job, "verdict": answer.verdict, **fields}), flush=True)
        worst = max(worst, EXIT[answer.verdict])
    return worst


if __name__ == "__main__":
    sys.exit(main())
