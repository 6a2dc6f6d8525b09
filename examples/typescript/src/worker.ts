// Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for each job.
// Copy this file and replace `work`.

import { setTimeout as sleep } from "node:timers/promises";
import { ArtifactError, Artifacts, concat } from "./artifacts.js";
import { command, printLine, secret } from "./command.js";
import {
  type ActionTypeId,
  ExecutionDetails,
  FailureDetails,
  FailureType,
  type ThirdPartyJob,
  type ThirdPartyJobData,
} from "./gen/codepipeline/thirdparty/v1/third_party_job_service.js";
import { type Answer, type Gateway, type Verdict, nothingHappened, verdict } from "./gateway.js";

/** How often a worker reports the result of a job whose calls have an unknown outcome. */
const RESULT_CALLS = 6;

/**
 * How a job ended. `success`, `failure`: AWS recorded this result. `not_yours`: another worker can have the job.
 * `not_recorded`: AWS rejected the result. `unknown`: look at the job in AWS.
 */
type Result = "success" | "failure" | "not_yours" | "not_recorded" | "unknown";

/** A failure of the job that says how the pipeline sees it. */
class JobFailed extends Error {
  constructor(readonly type: FailureType, message: string) {
    super(message);
  }
}

/** The worker's own code. A JobFailed is the job's failure, and so is every other error. */
async function work(data: ThirdPartyJobData | undefined, artifacts: Artifacts): Promise<ExecutionDetails> {
  const seconds = data?.configuration.Seconds;
  if (!data || seconds === undefined) {
    const text = "The action's configuration has no Seconds.";
    throw new JobFailed(FailureType.FAILURE_TYPE_CONFIGURATION_ERROR, text);
  }
  if (Number.isNaN(Number(seconds))) throw new RangeError("Seconds isn't a number");
  await sleep(1000 * Number(seconds));
  const parts: Uint8Array[] = [];
  for (const { name } of data.inputArtifacts) parts.push(await artifacts.download(name));
  const content = concat(parts);
  for (const { name } of data.outputArtifacts) await artifacts.upload(name, content);
  return ExecutionDetails.fromPartial({ summary: `Waited and copied ${content.length} bytes.`, percentComplete: 100 });
}

/** Takes jobs and ends them. */
class Worker {
  constructor(
    readonly gateway: Gateway,
    /** Returns the token of a client id. */
    readonly clientToken: (clientId: string) => string,
  ) {}

  /** Takes one job to its end. Returns the result and the last call. */
  async process({ jobId, clientId }: ThirdPartyJob): Promise<[Result, Answer]> {
    const token = this.clientToken(clientId);
    const read = await this.gateway.details(jobId, token);
    const details = read.reply?.jobDetails;
    // Not acknowledged, so AWS hands the job out again.
    if (!details) return ["not_yours", read];
    const [whose, taken] = await this.take(jobId, details.nonce, token);
    if (whose !== "yours") return [whose, taken];
    let done: ExecutionDetails;
    try {
      const readAgain = async () => (await this.gateway.details(jobId, token)).reply?.jobDetails;
      done = await work(details.data, new Artifacts(details.data, readAgain));
    } catch (error) {
      // An error of the worker's own code is a failure of the job. An error of a call isn't.
      const failure = failureDetails(error);
      return report("failure", () => this.gateway.fail(jobId, token, failure));
    }
    return report("success", () => this.gateway.succeed(jobId, token, done));
  }

  /** Acknowledges a job. After an unknown outcome, one deliberate retry. */
  private async take(jobId: string, nonce: string, token: string): Promise<[Verdict, Answer]> {
    const first = await this.gateway.acknowledge(jobId, nonce, token);
    if (first.outcome !== "unknown") return [verdict(first), first];
    const second = await this.gateway.acknowledge(jobId, nonce, token);
    // INVALID_NONCE: the nonce is used up, so the first call probably succeeded.
    const isYours = verdict(second) === "yours" || second.reason === "INVALID_NONCE";
    return [isYours ? "yours" : "unknown", second];
  }
}

/** Ends a job. After an unknown outcome, the same call again, and never the opposite result. */
async function report(result: Result, put: () => Promise<Answer>): Promise<[Result, Answer]> {
  let otherwise: Result = "not_recorded";
  for (let calls = 1; ; calls++) {
    const answer = await put();
    // INVALID_JOB_STATE: the job has ended, and an earlier call probably ended it.
    const ended = otherwise === "unknown" && answer.reason === "INVALID_JOB_STATE";
    if (answer.code === "OK" || ended) return [result, answer];
    if (answer.outcome === "unknown") otherwise = "unknown";
    const final = answer.outcome !== "unknown" && !nothingHappened(answer);
    if (final || calls === RESULT_CALLS) return [otherwise, answer];
    await sleep(100 * 2 ** calls);
  }
}

function failureDetails(error: unknown): FailureDetails {
  if (error instanceof JobFailed || error instanceof ArtifactError) {
    return FailureDetails.fromPartial({ type: error.type, message: error.message });
  }
  console.error("the work failed:", error);
  // The text of an error can contain secrets of the configuration, and people see the message.
  const message = `The worker's code failed: ${error instanceof Error ? error.name : typeof error}.`;
  return FailureDetails.fromPartial({ type: FailureType.FAILURE_TYPE_JOB_FAILED, message });
}

// --action-type: Category/Owner/Provider/Version. --wait: seconds that a poll waits for a job; 0: it doesn't wait (20).
// --poll-interval: least seconds of a poll without a job (5). --places: number of jobs at the same time (1).
// --jobs: number of jobs to process; 0: no limit (0).
const { gateway, values } = command({
  "action-type": { type: "string" },
  wait: { type: "string" },
  "poll-interval": { type: "string" },
  places: { type: "string" },
  jobs: { type: "string" },
});
const [category, owner, provider, version] = (values["action-type"] ?? "").split("/");
if (!category || !owner || !provider || !version) {
  console.error("--action-type must be Category/Owner/Provider/Version");
  process.exit(2);
}
const actionType: ActionTypeId = { category, owner, provider, version };
// One client here. A partner's own records have the token of each client id.
const token = secret("CODEPIPELINE_CLIENT_TOKEN");
const worker = new Worker(gateway, () => token);

const jobs = Number(values.jobs ?? 0);
const places = Number(values.places ?? 1);
const waitMs = 1000 * Number(values.wait ?? 20);
const intervalMs = 1000 * Number(values["poll-interval"] ?? 5);
const running = new Set<Promise<void>>();
for (let started = 0; !jobs || started < jobs; ) {
  const free = Math.min(places - running.size, jobs ? jobs - started : places);
  const found = await poll(free);
  for (const job of found) {
    const ended = processJob(job).finally(() => running.delete(ended));
    running.add(ended);
  }
  started += found.length;
  if (running.size === places) await Promise.race(running);
}
await Promise.all(running);
gateway.close();

/** Jobs for the free places. Without jobs, it takes at least the interval, so that polls never follow each other fast. */
async function poll(free: number): Promise<ThirdPartyJob[]> {
  const start = Date.now();
  const polled = await gateway.poll(actionType, free, waitMs);
  if (polled.code !== "OK") printLine({ job_id: "", result: "" }, polled);
  const found = polled.reply?.jobs ?? [];
  if (!found.length) await sleep(start + Math.max(intervalMs, polled.retryAfterMs) - Date.now());
  return found;
}

async function processJob(job: ThirdPartyJob): Promise<void> {
  const [result, last] = await worker.process(job);
  printLine({ job_id: job.jobId, result }, last);
}
