// Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Gateway } from "./gateway.js";

const EXIT = { yours: 0, not_yours: 1, unknown: 3 };

const { values } = parseArgs({
  options: {
    target: { type: "string" }, // such as dns:///codepipeline-gateway-headless:50051
    "job-id": { type: "string" }, // without it, ids are read from standard input, one a line
    timeout: { type: "string", default: "10" }, // seconds for a job, retries included
    retries: { type: "string", default: "3" }, // further calls at most
    ca: { type: "string" }, // PEM roots; without them it is plaintext
    cert: { type: "string" }, // PEM client certificate
    key: { type: "string" }, // its key
    "token-file": { type: "string" }, // a bearer token, read for each call
  },
});
if (!values.target) {
  console.error("--target is required");
  process.exit(2);
}

const gateway = new Gateway(values.target, {
  ca: values.ca,
  cert: values.cert,
  key: values.key,
  tokenFile: values["token-file"],
  retries: Number(values.retries),
});
// Not arguments: those show in the list of processes.
const { CODEPIPELINE_NONCE: nonce = "", CODEPIPELINE_CLIENT_TOKEN: clientToken = "" } = process.env;

const jobs = values["job-id"] === undefined ? createInterface({ input: process.stdin }) : [values["job-id"]];
for await (const job_id of jobs) {
  const { retryAfterMs: _, ...answer } = await gateway.acknowledge(job_id, nonce, clientToken, Number(values.timeout) * 1000);
  console.log(JSON.stringify({ job_id, ...answer }));
  process.exitCode = Math.max(Number(process.exitCode ?? 0), EXIT[answer.verdict]);
}
