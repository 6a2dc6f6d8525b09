// The options that acknowledge.ts and worker.ts share, and the lines that they print.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { type Answer, Gateway } from "./gateway.js";

type Own = NonNullable<ParseArgsConfig["options"]>;

const SHARED = {
  target: { type: "string" }, // such as dns:///codepipeline-gateway-headless:50051
  timeout: { type: "string" }, // seconds per call, retries included, without the wait (10)
  retries: { type: "string" }, // maximum number of retries (3)
  ca: { type: "string" }, // PEM file with CA certificates; without it, the connection is plaintext
  cert: { type: "string" }, // PEM file with the client certificate
  key: { type: "string" }, // PEM file with its key
  "token-file": { type: "string" }, // file with a bearer token, read for each call
} as const;

/** The gateway that the shared options name, and the values of all options. */
export function command(own: Own): { gateway: Gateway; values: Record<string, string | undefined> } {
  const values = parseArgs({ options: { ...SHARED, ...own } }).values as Record<string, string | undefined>;
  if (!values.target) {
    console.error("--target is required");
    process.exit(2);
  }
  const gateway = new Gateway(values.target, {
    ca: values.ca,
    cert: values.cert,
    key: values.key,
    tokenFile: values["token-file"],
    retries: Number(values.retries ?? 3),
    timeoutMs: Number(values.timeout ?? 10) * 1000,
  });
  return { gateway, values };
}

/** A secret. It isn't an argument, because arguments show in the list of processes. */
export function secret(variable: string): string {
  const value = process.env[variable];
  if (!value) {
    console.error(`${variable} is missing or empty`);
    process.exit(2);
  }
  return value;
}

/** Prints a line of JSON: `first`, and what is known about the call. */
export function printLine(first: object, { retryAfterMs: _, reply: __, ...answer }: Answer): void {
  console.log(JSON.stringify({ ...first, ...answer }));
}
