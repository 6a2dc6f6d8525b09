// Makes the calls of third-party jobs through codepipeline-gateway. Copy this file and buf.gen.yaml as they are.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, Code, ConnectError, type Interceptor, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  type AcknowledgeThirdPartyJobResponse,
  type ActionTypeId,
  type ExecutionDetails,
  type FailureDetails,
  type GetThirdPartyJobDetailsResponse,
  JobStatus,
  JobStatusSchema,
  type PollForThirdPartyJobsResponse,
  ThirdPartyJobService,
} from "./gen/codepipeline/thirdparty/v1/third_party_job_service_pb.js";
import { ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** A shorter call could only end as `unknown`. */
const SHORTEST_CALL_MS = 500;

/** The result of a call. Match errors on `reason` and `outcome`, never on `message`. */
export interface Answer<R = unknown> {
  code: string;
  status: string;
  aws_status: string;
  reason: string;
  outcome: string;
  /** Attempts at AWS of the last call. */
  attempts: number;
  calls: number;
  request_id: string;
  message: string;
  retryAfterMs: number;
  /** The response, if there is one. It can contain secrets. */
  reply?: R;
}

/** Of an acknowledge. `yours`: start the work. `not_yours`: don't. `unknown`: the job might be yours; don't retry automatically. */
export type Verdict = "yours" | "not_yours" | "unknown";

export function verdict({ status, outcome }: Answer): Verdict {
  if (status === "JOB_STATUS_IN_PROGRESS") return "yours";
  return outcome === "unknown" || status === "JOB_STATUS_UNSPECIFIED" ? "unknown" : "not_yours";
}

/** The same call can be retried. */
export function nothingHappened(answer: Answer): boolean {
  return isRepeatable(answer) && ["not_sent", "rejected"].includes(answer.outcome);
}

function isRepeatable({ code }: Answer): boolean {
  return ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].includes(code);
}

/** A retry of a harmless call can help. An error without a reason comes from a library or a proxy. */
function isTransient(answer: Answer): boolean {
  return isRepeatable(answer) || (answer.code !== "OK" && !answer.reason);
}

/** The files are PEM; without `ca` it is plaintext. */
export interface Options {
  ca?: string;
  cert?: string;
  key?: string;
  /** A bearer token. */
  tokenFile?: string;
  /** Maximum number of retries. */
  retries?: number;
  /** Per call, retries included. A poll has its wait in addition. */
  timeoutMs?: number;
}

/** A call of the generated client. */
type Method<Q, R> = (request: Q, options: CallOptions) => Promise<R>;

/** One for the whole process. Connect keeps one connection and balances nothing: see README.md. */
export class Gateway {
  private readonly client: Client<typeof ThirdPartyJobService>;
  private readonly retries: number;
  private readonly timeoutMs: number;

  constructor(target: string, { ca, cert, key, tokenFile, retries = 3, timeoutMs = 10_000 }: Options = {}) {
    if (tokenFile && !ca) throw new Error("the token must be encrypted: tokenFile needs ca");
    const read = (file?: string) => (file ? readFileSync(file) : undefined);
    this.retries = retries;
    this.timeoutMs = timeoutMs;
    const transport = createGrpcTransport({
      baseUrl: `${ca ? "https" : "http"}://${target.replace("dns:///", "")}`,
      nodeOptions: ca ? { ca: read(ca), cert: read(cert), key: read(key) } : {},
      // Detects a peer that disappeared, also between calls.
      pingIntervalMs: 60_000,
      pingTimeoutMs: 10_000,
      pingIdleConnection: true,
      interceptors: tokenFile ? [bearerToken(tokenFile)] : [],
    });
    this.client = createClient(ThirdPartyJobService, transport);
  }

  /** Asks for jobs, and waits for the first one. Retried after any UNAVAILABLE: AWS hands lost jobs out again. */
  poll(actionTypeId: ActionTypeId, maxBatchSize = 1, waitMs = 0): Promise<Answer<PollForThirdPartyJobsResponse>> {
    const wait = durationFromMs(waitMs);
    return this.retried(true, this.client.pollForThirdPartyJobs, { actionTypeId, maxBatchSize, wait }, waitMs);
  }

  /** Reads a job. Retried after any UNAVAILABLE: the call changes nothing. */
  details(jobId: string, clientToken: string): Promise<Answer<GetThirdPartyJobDetailsResponse>> {
    return this.retried(true, this.client.getThirdPartyJobDetails, { jobId, clientToken });
  }

  /** Takes a job. Retried only if the gateway says that nothing happened. */
  async acknowledge(jobId: string, nonce: string, clientToken: string): Promise<Answer<AcknowledgeThirdPartyJobResponse>> {
    const answer = await this.retried(false, this.client.acknowledgeThirdPartyJob, { jobId, nonce, clientToken });
    if (!answer.reply) return answer;
    // A newer gateway can know more statuses than these stubs.
    const status = answer.reply.status in JobStatusSchema.value ? answer.reply.status : JobStatus.UNSPECIFIED;
    return { ...answer, status: JobStatusSchema.value[status].name, aws_status: answer.reply.awsStatus };
  }

  /** Ends a job with a success. Retried only if the gateway says that nothing happened. */
  succeed(jobId: string, clientToken: string, executionDetails: ExecutionDetails): Promise<Answer> {
    return this.retried(false, this.client.putThirdPartyJobSuccessResult, { jobId, clientToken, executionDetails });
  }

  /** Ends a job with a failure. Retried only if the gateway says that nothing happened. */
  fail(jobId: string, clientToken: string, failureDetails: FailureDetails): Promise<Answer> {
    return this.retried(false, this.client.putThirdPartyJobFailureResult, { jobId, clientToken, failureDetails });
  }

  /** A harmless call is retried whatever its outcome is. */
  private async retried<Q, R>(harmless: boolean, method: Method<Q, R>, request: Q, waitMs = 0): Promise<Answer<R>> {
    const end = Date.now() + waitMs + this.timeoutMs;
    for (let calls = 1; ; calls++) {
      const answer = { ...(await this.call(method, request, end - Date.now())), calls };
      const repeatable = nothingHappened(answer) || (harmless && isTransient(answer));
      // At least the RetryInfo delay, and longer each time.
      const pause = Math.max(answer.retryAfterMs, 100 * 2 ** calls) * (1 + Math.random() / 5);
      if (!repeatable || calls > this.retries || Date.now() + pause + SHORTEST_CALL_MS > end) return answer;
      await sleep(pause);
    }
  }

  private async call<Q, R>(method: Method<Q, R>, request: Q, timeoutMs: number): Promise<Answer<R>> {
    let request_id = "";
    try {
      const onHeader = (headers: Headers) => (request_id = headers.get("x-request-id") ?? "");
      const reply = await method(request, { timeoutMs, onHeader });
      return { ...NOTHING, code: "OK", request_id, reply };
    } catch (error) {
      return failed(ConnectError.from(error));
    }
  }
}

const NOTHING = {
  code: "", status: "", aws_status: "", reason: "", outcome: "",
  attempts: 0, calls: 1, request_id: "", message: "", retryAfterMs: 0,
};

function failed(error: ConnectError): Answer<never> {
  // An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "codepipeline-gateway");
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    ...NOTHING,
    // AlreadyExists is ALREADY_EXISTS; Canceled has an l more in gRPC.
    code: Code[error.code].replace(/(?!^)[A-Z]/g, "_$&").toUpperCase().replace("CANCELED", "CANCELLED"),
    reason: info?.reason ?? "",
    outcome: info?.metadata.outcome || "unknown",
    attempts: Number(info?.metadata.attempts ?? 0),
    request_id: error.findDetails(RequestInfoSchema)[0]?.requestId ?? "",
    message: error.rawMessage,
    retryAfterMs: delay ? Number(delay.seconds) * 1000 + delay.nanos / 1e6 : 0,
  };
}

/** Reads the token for each call, because Kubernetes replaces a projected token before it expires. */
function bearerToken(file: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${readFileSync(file, "utf8").trim()}`);
    return next(request);
  };
}
