"""Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each."""

import sys

import command

EXIT = {"yours": 0, "not_yours": 1, "unknown": 3}


def main():
    parser = command.parser(__doc__)
    parser.add_argument("--job-id", help="without it, ids are read from standard input, one per line")
    options = parser.parse_args()
    secrets = [command.secret(parser, variable) for variable in ("CODEPIPELINE_NONCE", "CODEPIPELINE_CLIENT_TOKEN")]
    gateway = command.gateway(parser, options)

    worst = 0
    one = options.job_id
    for job in [one] if one is not None else (line.rstrip("\n") for line in sys.stdin):
        answer = gateway.acknowledge(job, *secrets)
        command.print_line(answer, job_id=job, verdict=answer.verdict)
        worst = max(worst, EXIT[answer.verdict])
    return worst


if __name__ == "__main__":
    sys.exit(main())
