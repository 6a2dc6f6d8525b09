package com.example.gateway;

import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.JobStatus;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;

/**
 * The result of a call. Match errors on {@code reason} and {@code outcome}, never on {@code message}.
 *
 * @param attempts at AWS, by the last call
 * @param calls how many calls were made
 * @param reply the response; null after an error
 */
public record Answer<R>(
    String code, String status, String awsStatus, String reason, String outcome, int attempts, int calls,
    String requestId, String message, Duration retryAfter, R reply) {

  /** What a worker does after an acknowledge. */
  public enum Verdict {
    /** Start the work. */
    YOURS,
    /** Don't. */
    NOT_YOURS,
    /** The job might be yours; don't retry automatically. */
    UNKNOWN
  }

  public boolean isOk() {
    return code.equals("OK");
  }

  public boolean isUnknown() {
    return outcome.equals("unknown");
  }

  public Verdict verdict() {
    if (status.equals("JOB_STATUS_IN_PROGRESS")) {
      return Verdict.YOURS;
    }
    return isUnknown() || status.equals("JOB_STATUS_UNSPECIFIED") ? Verdict.UNKNOWN : Verdict.NOT_YOURS;
  }

  /** The same call can be retried. */
  public boolean nothingHappened() {
    return isRepeatable() && (outcome.equals("not_sent") || outcome.equals("rejected"));
  }

  boolean isRepeatable() {
    return code.equals("UNAVAILABLE") || code.equals("RESOURCE_EXHAUSTED");
  }

  /** A retry of a harmless call can help. An error without a reason comes from a library or a proxy. */
  boolean isTransient() {
    return isRepeatable() || (!isOk() && reason.isEmpty());
  }

  /** Without the response, which can contain secrets. */
  @Override
  public String toString() {
    return "%s %s %s %s: %s".formatted(code, reason, outcome, requestId, message);
  }

  Answer<R> withCalls(int calls) {
    return new Answer<>(
        code, status, awsStatus, reason, outcome, attempts, calls, requestId, message, retryAfter, reply);
  }

  Answer<R> withStatus(JobStatus jobStatus, String awsStatus) {
    // A status that this program's stubs don't know counts like one that the gateway doesn't know.
    String status =
        switch (jobStatus) {
          case UNRECOGNIZED -> "JOB_STATUS_UNSPECIFIED";
          default -> jobStatus.name();
        };
    return new Answer<>(
        code, status, awsStatus, reason, outcome, attempts, calls, requestId, message, retryAfter, reply);
  }

  static <R> Answer<R> of(R reply, String requestId) {
    return new Answer<>("OK", "", "", "", "", 0, 1, requestId, "", Duration.ZERO, reply);
  }

  static <R> Answer<R> notSent(StatusRuntimeException error, String what) {
    String message = what + error.getStatus().getDescription();
    if (error.getCause() != null) {
      message += ": " + error.getCause().getMessage();
    }
    return new Answer<>(
        error.getStatus().getCode().name(), "", "", "", "not_sent", 0, 1, "", message, Duration.ZERO, null);
  }

  static <R> Answer<R> of(StatusRuntimeException error) {
    // An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
    String reason = "";
    String outcome = "unknown";
    String requestId = "";
    int attempts = 0;
    Duration retryAfter = Duration.ZERO;
    try {
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          if (info.getDomain().equals("codepipeline-gateway")) {
            reason = info.getReason();
            outcome = info.getMetadataOrDefault("outcome", "unknown");
            attempts = Integer.parseInt(info.getMetadataOrDefault("attempts", "0"));
          }
        } else if (detail.is(RetryInfo.class)) {
          var delay = detail.unpack(RetryInfo.class).getRetryDelay();
          retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
        } else if (detail.is(RequestInfo.class)) {
          requestId = detail.unpack(RequestInfo.class).getRequestId();
        }
      }
    } catch (InvalidProtocolBufferException | IllegalArgumentException broken) {
      // A proxy changed the code or the details.
      outcome = "unknown";
    }
    String message = error.getStatus().getDescription();
    return new Answer<>(
        error.getStatus().getCode().name(), "", "", reason, outcome, attempts, 1, requestId,
        message == null ? "" : message, retryAfter, null);
  }
}
