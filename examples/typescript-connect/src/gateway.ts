// Takes third-party jobs through codepipeline-gateway. Copy this file and buf.gen.yaml as they are.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, type Interceptor, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  type AcknowledgeThirdPartyJobResponse,
  JobStatus,
  JobStatusSchema,
  ThirdPartyJobService,
} from "./gen/codepipeline/thirdparty/v1/third_party_job_service_pb.js";
import { ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** A call that has less could only become `unknown`. */
const SHORTEST_CALL_MS = 500;

/** What a call came to. Branch on `verdict`; match errors on `reason` and `outcome`, never on `message`. */
export interface Answer {
  /** `yours`: begin the work. `not_yours`: don't. `unknown`: it may be yours; let nothing repeat the call. */
  verdict: "yours" | "not_yours" | "unknown";
  code: string;
  status: string;
  aws_status: string;
  reason: string;
  outcome: string;
  /** At AWS, by the last call. */
  attempts: number;
  calls: number;
  request_id: string;
  message: string;
  retryAfterMs: number;
}

/** The files are PEM; without `ca` it is plaintext. */
export interface Options {
  ca?: string;
  cert?: string;
  key?: string;
  /** A bearer token. */
  tokenFile?: string;
  /** Further calls at most. */
  retries?: number;
}

/** One for the whole process. Connect keeps one connection and balances nothing: see README.md. */
export class Gateway {
  private readonly client: Client<typeof ThirdPartyJobService>;
  private readonly retries: number;

  constructor(target: string, { ca, cert, key, tokenFile, retries = 3 }: Options = {}) {
    if (tokenFile && !ca) throw new Error("a token must not cross the network in the clear: tokenFile needs ca");
    const read = (file?: string) => (file ? readFileSync(file) : undefined);
    this.retries = retries;
    const transport = createGrpcTransport({
      baseUrl: `${ca ? "https" : "http"}://${target.replace("dns:///", "")}`,
      nodeOptions: ca ? { ca: read(ca), cert: read(cert), key: read(key) } : {},
      // Notices a peer that has vanished, also between calls.
      pingIntervalMs: 60_000,
      pingTimeoutMs: 10_000,
      pingIdleConnection: true,
      interceptors: tokenFile ? [bearerToken(tokenFile)] : [],
    });
    this.client = createClient(ThirdPartyJobService, transport);
  }

  /** One acknowledge, repeated within `timeoutMs` only where the gateway says that nothing happened. */
  async acknowledge(jobId: string, nonce: string, clientToken: string, timeoutMs = 10_000): Promise<Answer> {
    const end = Date.now() + timeoutMs;
    for (let calls = 1; ; calls++) {
      const answer = { ...(await this.call({ jobId, nonce, clientToken }, end - Date.now())), calls };
      // What the gateway asks for; and longer every time, if it keeps on.
      const pause = Math.max(answer.retryAfterMs, 100 * 2 ** calls) * (1 + Math.random() / 5);
      if (!mayRepeat(answer) || calls > this.retries || Date.now() + pause + SHORTEST_CALL_MS > end) return answer;
      await sleep(pause);
    }
  }

  private async call(request: { jobId: string; nonce: string; clientToken: string }, timeoutMs: number): Promise<Answer> {
    let request_id = "";
    try {
      const onHeader = (headers: Headers) => (request_id = headers.get("x-request-id") ?? "");
      return succeeded(await this.client.acknowledgeThirdPartyJob(request, { timeoutMs, onHeader }), request_id);
    } catch (error) {
      return failed(ConnectError.from(error));
    }
  }
}

/** Nothing happened, and the same call may be made again. */
function mayRepeat({ code, outcome }: Answer): boolean {
  return ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].includes(code) && ["not_sent", "rejected"].includes(outcome);
}

const NOTHING = {
  status: "", aws_status: "", reason: "", outcome: "", attempts: 0, calls: 1, request_id: "", message: "", retryAfterMs: 0,
};

function succeeded(reply: AcknowledgeThirdPartyJobResponse, request_id: string): Answer {
  // A gateway that is newer than the stubs may know one more.
  const status = reply.status in JobStatusSchema.value ? reply.status : JobStatus.UNSPECIFIED;
  const verdict =
    status === JobStatus.IN_PROGRESS ? "yours"
    : status === JobStatus.UNSPECIFIED ? "unknown"
    : "not_yours";
  const { name } = JobStatusSchema.value[status];
  return { ...NOTHING, verdict, code: "OK", status: name, aws_status: reply.awsStatus, request_id };
}

function failed(error: ConnectError): Answer {
  // Without ErrorInfo it was made by something else than the gateway, and nothing is known of the call.
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "codepipeline-gateway");
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const outcome = info?.metadata.outcome || "unknown";
  return {
    ...NOTHING,
    verdict: outcome === "unknown" ? "unknown" : "not_yours",
    // AlreadyExists is ALREADY_EXISTS; Canceled has an l more in gRPC.
    code: Code[error.code].replace(/(?!^)[A-Z]/g, "_$&").toUpperCase().replace("CANCELED", "CANCELLED"),
    reason: info?.reason ?? "",
    outcome,
    attempts: Number(info?.metadata.attempts ?? 0),
    request_id: error.findDetails(RequestInfoSchema)[0]?.requestId ?? "",
    message: error.rawMessage,
    retryAfterMs: delay ? Number(delay.seconds) * 1000 + delay.nanos / 1e6 : 0,
  };
}

/** Reads the token for each call: Kubernetes replaces a projected one before it expires. */
function bearerToken(file: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${readFileSync(file, "utf8").trim()}`);
    return next(request);
  };
}
