"""Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for each job.

Copy this file and replace `work`.
"""

import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import command
from artifacts import ArtifactError, Artifacts
from codepipeline.thirdparty.v1 import third_party_job_service_pb2 as api

# How often a worker reports the result of a job whose calls have an unknown outcome.
RESULT_CALLS = 6


def work(data, artifacts):
    """The worker's own code: ExecutionDetails is a success, FailureDetails a failure. An exception is a failure too."""
    if "Seconds" not in data.configuration:
        text = "The action's configuration has no Seconds."
        return api.FailureDetails(type=api.FAILURE_TYPE_CONFIGURATION_ERROR, message=text)
    time.sleep(float(data.configuration["Seconds"]))
    content = b"".join(artifacts.download(artifact.name) for artifact in data.input_artifacts)
    for artifact in data.output_artifacts:
        artifacts.upload(artifact.name, content)
    return api.ExecutionDetails(summary=f"Waited and copied {len(content)} bytes.", percent_complete=100)


class Worker:
    """Takes jobs and ends them. `client_token` returns the token of a client id."""

    def __init__(self, gateway, client_token):
        self.gateway, self.client_token = gateway, client_token

    def process(self, job):
        """One job. Returns the result and the last call.

        `success`, `failure`: AWS recorded this result. `not_yours`: another worker can have the job.
        `not_recorded`: AWS rejected the result. `unknown`: look at the job in AWS.
        """
        token = self.client_token(job.client_id)
        answer = self.gateway.details(job.job_id, token)
        if answer.code != "OK":
            # Not acknowledged, so AWS hands the job out again.
            return "not_yours", answer
        details = answer.reply.job_details
        verdict, answer = self.take(job.job_id, details.nonce, token)
        if verdict != "yours":
            return verdict, answer
        artifacts = Artifacts(details.data, lambda: self.read_again(job.job_id, token))
        return self.report(job.job_id, token, do(details.data, artifacts))

    def read_again(self, job_id, token):
        """The job's details with new requests for its artifacts, or None."""
        answer = self.gateway.details(job_id, token)
        return answer.reply.job_details if answer.reply else None

    def take(self, job_id, nonce, token):
        """Acknowledges a job. After an unknown outcome, one deliberate retry."""
        answer = self.gateway.acknowledge(job_id, nonce, token)
        if answer.outcome != "unknown":
            return answer.verdict, answer
        answer = self.gateway.acknowledge(job_id, nonce, token)
        # The nonce is used up: the first call probably succeeded.
        is_yours = answer.verdict == "yours" or answer.reason == "INVALID_NONCE"
        return "yours" if is_yours else "unknown", answer

    def report(self, job_id, token, result):
        """Ends a job. After an unknown outcome, the same call again, and never the opposite result."""
        success = isinstance(result, api.ExecutionDetails)
        put = self.gateway.succeed if success else self.gateway.fail
        unknown = False
        for call in range(RESULT_CALLS):
            answer = put(job_id, token, result)
            # The job has ended: an earlier call probably ended it.
            if answer.code == "OK" or (unknown and answer.reason == "INVALID_JOB_STATE"):
                return "success" if success else "failure", answer
            unknown = unknown or answer.outcome == "unknown"
            if answer.outcome != "unknown" and not answer.nothing_happened:
                break
            time.sleep(0.2 * 2**call)
        return "unknown" if unknown else "not_recorded", answer


def do(data, artifacts):
    """An error of the worker's own code is a failure of the job. An error of a call isn't."""
    try:
        return work(data, artifacts)
    except ArtifactError as error:
        return api.FailureDetails(type=error.type, message=str(error))
    except Exception as error:
        # The text of an exception can contain secrets of the configuration, and people see the message.
        logging.exception("the work failed")
        text = f"The worker's code failed: {type(error).__name__}."
        return api.FailureDetails(type=api.FAILURE_TYPE_JOB_FAILED, message=text)


def run(worker, action_type, options):
    """Polls for as many jobs as there are free places, and prints a line for each job that has ended."""
    places, started = threading.Semaphore(options.places), 0

    def process(job):
        try:
            result, last = worker.process(job)
            command.print_line(last, job_id=job.job_id, result=result)
        except Exception:
            logging.exception("the job's result is unknown")
        finally:
            places.release()

    with ThreadPoolExecutor(options.places) as pool:
        while not options.jobs or started < options.jobs:
            free = take_free(places, options.jobs - started if options.jobs else options.places)
            jobs = poll(worker.gateway, action_type, free, options)
            for job in jobs:
                pool.submit(process, job)
            started += len(jobs)
            for _ in range(free - len(jobs)):
                places.release()


def take_free(places, most):
    """Waits for a free place and takes all that are free, up to `most`."""
    places.acquire()
    taken = 1
    while taken < most and places.acquire(blocking=False):
        taken += 1
    return taken


def poll(gateway, action_type, free, options):
    """The jobs of a poll. Without jobs, it takes at least the poll interval, so that polls never follow each other fast."""
    start = time.monotonic()
    answer = gateway.poll(action_type, free, options.wait)
    if answer.code != "OK":
        command.print_line(answer, job_id="", result="")
    jobs = answer.reply.jobs if answer.reply else []
    if not jobs:
        least = max(options.poll_interval, answer.retry_after or 0)
        time.sleep(max(0, start + least - time.monotonic()))
    return jobs


def main():
    parser = command.parser(__doc__.splitlines()[0])
    parser.add_argument("--action-type", required=True, help="Category/Owner/Provider/Version")
    parser.add_argument("--wait", type=float, default=20, help="seconds that a poll waits for a job; 0: it doesn't wait")
    parser.add_argument("--poll-interval", type=float, default=5, help="least seconds of a poll without a job")
    parser.add_argument("--places", type=int, default=1, help="number of jobs at the same time")
    parser.add_argument("--jobs", type=int, default=0, help="number of jobs to process; 0: no limit")
    options = parser.parse_args()
    try:
        category, owner, provider, version = options.action_type.split("/")
    except ValueError:
        parser.error("--action-type must be Category/Owner/Provider/Version")
    action_type = api.ActionTypeId(category=category, owner=owner, provider=provider, version=version)
    # One client here. A partner's own records have the token of each client id.
    token = command.secret(parser, "CODEPIPELINE_CLIENT_TOKEN")
    gateway = command.gateway(parser, options)
    run(Worker(gateway, lambda client_id: token), action_type, options)


if __name__ == "__main__":
    sys.exit(main())
