// Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each.

import { createInterface } from "node:readline";
import { command, printLine, secret } from "./command.js";
import { verdict } from "./gateway.js";

const EXIT = { yours: 0, not_yours: 1, unknown: 3 };

// --job-id: without it, ids are read from standard input, one per line.
const { gateway, values } = command({ "job-id": { type: "string" } });
const nonce = secret("CODEPIPELINE_NONCE");
const clientToken = secret("CODEPIPELINE_CLIENT_TOKEN");

const jobs = values["job-id"] === undefined ? createInterface({ input: process.stdin }) : [values["job-id"]];
for await (const job_id of jobs) {
  const answer = await gateway.acknowledge(job_id, nonce, clientToken);
  printLine({ job_id, verdict: verdict(answer) }, answer);
  process.exitCode = Math.max(Number(process.exitCode ?? 0), EXIT[verdict(answer)]);
}
