// Makes the calls of third-party jobs through codepipeline-gateway. Copy this file, service-config.json and buf.gen.yaml as they are.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import {
  type AcknowledgeThirdPartyJobResponse,
  type ActionTypeId,
  type ExecutionDetails,
  type FailureDetails,
  type GetThirdPartyJobDetailsResponse,
  JobStatus,
  type PollForThirdPartyJobsResponse,
  ThirdPartyJobServiceClient,
  jobStatusToJSON,
} from "./gen/codepipeline/thirdparty/v1/third_party_job_service.js";
import { ErrorInfo, RequestInfo, RetryInfo } from "./gen/google/rpc/error_details.js";
import { Status } from "./gen/google/rpc/status.js";

const SERVICE_CONFIG = new URL("../service-config.json", import.meta.url);

/** Needs no identity and no request, and isn't in the service config. */
const HEALTH = "/grpc.health.v1.Health/Check";

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
  /** A file that replaces the built-in one. */
  serviceConfig?: string;
  /** Maximum number of retries. With 0, the library doesn't retry either. */
  retries?: number;
  /** Per call, retries included. A poll has its wait in addition. */
  timeoutMs?: number;
}

/** A call of the generated client. */
type Method<Q, R> = (
  request: Q,
  metadata: grpc.Metadata,
  options: Partial<grpc.CallOptions>,
  callback: (error: grpc.ServiceError | null, reply: R) => void,
) => grpc.ClientUnaryCall;

/** Create one for the whole process: it keeps a connection to each replica. */
export class Gateway {
  private readonly client: ThirdPartyJobServiceClient;
  private connected = false;
  private readonly retries: number;
  private readonly timeoutMs: number;

  /** `target` is a headless Service: `dns:///codepipeline-gateway-headless:50051`. */
  constructor(private readonly target: string, options: Options = {}) {
    this.retries = options.retries ?? 3;
    this.timeoutMs = options.timeoutMs ?? 10_000;
    this.client = new ThirdPartyJobServiceClient(target, credentials(options), {
      "grpc.service_config": readFileSync(options.serviceConfig ?? SERVICE_CONFIG, "utf8"),
      // Ignores a service config in DNS.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_retries": this.retries > 0 ? 1 : 0,
      // Detects a peer that disappeared, also between calls.
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 10_000,
      "grpc.keepalive_permit_without_calls": 1,
    });
  }

  close(): void {
    this.client.close();
  }

  /** Asks for jobs, and waits for the first one. Retried after any UNAVAILABLE: AWS hands lost jobs out again. */
  poll(actionTypeId: ActionTypeId, maxBatchSize = 1, waitMs = 0): Promise<Answer<PollForThirdPartyJobsResponse>> {
    const wait = { seconds: Math.floor(waitMs / 1000), nanos: Math.floor(waitMs % 1000) * 1e6 };
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
    const status = answer.reply.status in JobStatus ? answer.reply.status : JobStatus.JOB_STATUS_UNSPECIFIED;
    return { ...answer, status: jobStatusToJSON(status), aws_status: answer.reply.awsStatus };
  }

  /** Ends a job with a success. Retried only if the gateway says that nothing happened. */
  succeed(jobId: string, clientToken: string, executionDetails: ExecutionDetails): Promise<Answer> {
    const request = { jobId, clientToken, executionDetails, currentRevision: undefined };
    return this.retried(false, this.client.putThirdPartyJobSuccessResult, request);
  }

  /** Ends a job with a failure. Retried only if the gateway says that nothing happened. */
  fail(jobId: string, clientToken: string, failureDetails: FailureDetails): Promise<Answer> {
    return this.retried(false, this.client.putThirdPartyJobFailureResult, { jobId, clientToken, failureDetails });
  }

  /** A harmless call is retried whatever its outcome is. */
  private async retried<Q, R>(harmless: boolean, method: Method<Q, R>, request: Q, waitMs = 0): Promise<Answer<R>> {
    const end = Date.now() + waitMs + this.timeoutMs;
    for (let calls = 1; ; calls++) {
      const answer = { ...(await this.call(method, request, end)), calls };
      const repeatable = nothingHappened(answer) || (harmless && isTransient(answer));
      // At least the RetryInfo delay, and longer each time.
      const pause = Math.max(answer.retryAfterMs, 100 * 2 ** calls) * (1 + Math.random() / 5);
      if (!repeatable || calls > this.retries || Date.now() + pause + SHORTEST_CALL_MS > end) return answer;
      await sleep(pause);
    }
  }

  /** The error if there has never been a connection. The calls wait for one, so only the health check reports the cause. */
  private async connect(deadline: number): Promise<Answer<never> | undefined> {
    if (this.connected) return undefined;
    const error = await new Promise<grpc.ServiceError | null>((resolve) =>
      this.client.makeUnaryRequest(HEALTH, () => Buffer.alloc(0), () => 0, 0, new grpc.Metadata(), { deadline }, resolve),
    );
    if (error && [grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED].includes(error.code)) {
      const message = `no connection to ${this.target}: ${error.details}`;
      return { ...NOTHING, code: grpc.status[error.code], outcome: "not_sent", message };
    }
    this.connected = true;
    return undefined;
  }

  private async call<Q, R>(method: Method<Q, R>, request: Q, deadline: number): Promise<Answer<R>> {
    const failure = await this.connect(deadline);
    if (failure) return failure;
    // grpc-js doesn't take waitForReady from the service config.
    const metadata = new grpc.Metadata({ waitForReady: true });
    return new Promise((resolve) => {
      let request_id = "";
      method
        .call(this.client, request, metadata, { deadline }, (error, reply) =>
          resolve(error ? failed(error) : { ...NOTHING, code: "OK", request_id, reply }),
        )
        .on("metadata", (headers) => (request_id = headers.get("x-request-id").join()));
    });
  }
}

const NOTHING = {
  code: "", status: "", aws_status: "", reason: "", outcome: "",
  attempts: 0, calls: 1, request_id: "", message: "", retryAfterMs: 0,
};

function failed(error: grpc.ServiceError): Answer<never> {
  // An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
  const answer = { ...NOTHING, code: grpc.status[error.code], outcome: "unknown", message: error.details };
  try {
    readDetails(error.metadata, answer);
  } catch {
    // A proxy changed the details.
    answer.outcome = "unknown";
  }
  return answer;
}

function readDetails(metadata: grpc.Metadata, answer: Answer): void {
  const [bytes] = metadata.get("grpc-status-details-bin");
  for (const { typeUrl, value } of bytes ? Status.decode(bytes as Buffer).details : []) {
    switch (typeUrl) {
      case "type.googleapis.com/google.rpc.ErrorInfo": {
        const { domain, reason, metadata } = ErrorInfo.decode(value);
        if (domain !== "codepipeline-gateway") break;
        answer.reason = reason;
        answer.outcome = metadata.outcome || "unknown";
        answer.attempts = Number(metadata.attempts ?? 0);
        break;
      }
      case "type.googleapis.com/google.rpc.RetryInfo": {
        const { seconds, nanos } = RetryInfo.decode(value).retryDelay ?? { seconds: 0, nanos: 0 };
        answer.retryAfterMs = seconds * 1000 + nanos / 1e6;
        break;
      }
      case "type.googleapis.com/google.rpc.RequestInfo":
        answer.request_id = RequestInfo.decode(value).requestId;
    }
  }
}

function credentials({ ca, cert, key, tokenFile }: Options): grpc.ChannelCredentials {
  if (!ca) {
    if (tokenFile) throw new Error("the token must be encrypted: tokenFile needs ca");
    return grpc.credentials.createInsecure();
  }
  const read = (file?: string) => (file ? readFileSync(file) : null);
  const tls = grpc.credentials.createSsl(read(ca), read(key), read(cert));
  if (!tokenFile) return tls;
  // Read for each call, because Kubernetes replaces a projected token before it expires.
  const token = grpc.credentials.createFromMetadataGenerator((_, callback) => {
    try {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${readFileSync(tokenFile, "utf8").trim()}`);
      callback(null, metadata);
    } catch (error) {
      callback(error as Error);
    }
  });
  return grpc.credentials.combineChannelCredentials(tls, token);
}
