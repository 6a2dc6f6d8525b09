// Downloads and uploads a job's artifacts with the presigned requests of its details. Copy this file as it is.

import { setTimeout as sleep } from "node:timers/promises";
import {
  type Artifact,
  type ArtifactRequest,
  FailureType,
  type ThirdPartyJobData,
  type ThirdPartyJobDetails,
} from "./gen/codepipeline/thirdparty/v1/third_party_job_service.js";

/** Bytes. A larger artifact needs a file instead of memory. */
const LARGEST = 64 * 1024 * 1024;
/** How often a request is sent, and the time for each. */
const CALLS = 4;
const TIMEOUT_MS = 60_000;
/** A request that expires earlier is replaced. */
const SHORTEST_VALIDITY_MS = 60_000;

/** An artifact can't be downloaded or uploaded. */
export class ArtifactError extends Error {
  constructor(
    /** The failure type of the job. */
    readonly type: FailureType,
    message: string,
  ) {
    super(message);
  }
}

type List = (data: ThirdPartyJobData | undefined) => Artifact[];

/** The artifacts of one job. Their requests are secrets. */
export class Artifacts {
  constructor(
    private data: ThirdPartyJobData | undefined,
    /** Reads the job again. Returns undefined if that fails. */
    private readonly readAgain: () => Promise<ThirdPartyJobDetails | undefined>,
  ) {}

  /** The content of an input artifact. */
  download(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.send((data) => data?.inputArtifacts ?? [], name);
  }

  /** Stores an output artifact. */
  async upload(name: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.send((data) => data?.outputArtifacts ?? [], name, content);
  }

  /** Retries after a missing response and after the statuses that can change. After 403, with a new request. */
  private async send(list: List, name: string, content?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    let status = 0;
    for (let call = 0; call < CALLS; call++) {
      if (call) await sleep(250 * 2 ** call);
      const request = await this.request(list, name, status === 403);
      const sent = await sendOnce(request, content);
      if (sent.body) return sent.body;
      status = sent.status;
      if (![0, 403, 429].includes(status) && status < 500) break;
    }
    const why = status ? `HTTP status ${status}` : "no response";
    throw new ArtifactError(failureType(status), `The artifact ${name} isn't available: ${why}.`);
  }

  /** The artifact's request. Reads the details again if S3 rejected the request, or if it expires soon. */
  private async request(list: List, name: string, rejected: boolean): Promise<ArtifactRequest> {
    const find = () => list(this.data).find((artifact) => artifact.name === name)?.request;
    if (rejected || expiresSoon(find())) {
      const details = await this.readAgain();
      if (details) this.data = details.data;
    }
    const request = find();
    if (request) return request;
    const text = `The job has no request for the artifact ${name}.`;
    throw new ArtifactError(FailureType.FAILURE_TYPE_PERMISSION_ERROR, text);
  }
}

function expiresSoon(request: ArtifactRequest | undefined): boolean {
  const expiresAt = request?.expiresAt?.getTime() ?? 0;
  return expiresAt < Date.now() + SHORTEST_VALIDITY_MS;
}

function failureType(status: number): FailureType {
  if (status === 403) return FailureType.FAILURE_TYPE_PERMISSION_ERROR;
  if (status === 404) return FailureType.FAILURE_TYPE_REVISION_UNAVAILABLE;
  return FailureType.FAILURE_TYPE_SYSTEM_UNAVAILABLE;
}

/** The body of a good response, or the HTTP status, which is 0 without a response. Drops errors, which can show the URL. */
async function sendOnce(
  { method, url, headers }: ArtifactRequest,
  content?: Uint8Array<ArrayBuffer>,
): Promise<{ status: number; body?: Uint8Array<ArrayBuffer> }> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { method, headers, body: content ?? null, signal });
    if (response.status === 200) return { status: 200, body: await bounded(response) };
    await response.body?.cancel();
    return { status: response.status };
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    return { status: 0 };
  }
}

/** The body, with its largest size. */
async function bounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > LARGEST) {
      throw new ArtifactError(FailureType.FAILURE_TYPE_JOB_FAILED, `An artifact is larger than ${LARGEST} bytes.`);
    }
    parts.push(part);
  }
  return concat(parts);
}

/** The parts as one array. */
export function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}
