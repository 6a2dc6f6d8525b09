package com.example.gateway;

import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.Artifact;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ExecutionDetails;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.FailureDetails;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.FailureType;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ThirdPartyJob;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ThirdPartyJobData;
import java.io.ByteArrayOutputStream;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;

/** Takes jobs and ends them. Copy this file and replace {@link #work}. */
public final class Worker {
  /** How often a worker reports the result of a job whose calls have an unknown outcome. */
  private static final int RESULT_CALLS = 6;

  /** How a job ended. */
  public enum Result {
    /** AWS recorded the success. */
    SUCCESS,
    /** AWS recorded the failure. */
    FAILURE,
    /** Another worker can have the job. */
    NOT_YOURS,
    /** AWS rejected the result. */
    NOT_RECORDED,
    /** Look at the job in AWS. */
    UNKNOWN
  }

  /** The result of a job, and the last call. */
  public record Ended(Result result, Answer<?> last) {}

  /** A failure of the job that says how the pipeline sees it. */
  private static final class JobFailed extends Exception {
    private final FailureType type;

    JobFailed(FailureType type, String message) {
      super(message);
      this.type = type;
    }
  }

  private final Gateway gateway;
  private final UnaryOperator<String> clientToken;

  /**
   * A worker of one gateway.
   *
   * @param clientToken returns the token of a client id
   */
  public Worker(Gateway gateway, UnaryOperator<String> clientToken) {
    this.gateway = gateway;
    this.clientToken = clientToken;
  }

  /** The worker's own code. A JobFailed is the job's failure, and so is every other exception. */
  private static ExecutionDetails work(ThirdPartyJobData data, Artifacts artifacts) throws Exception {
    String seconds = data.getConfigurationMap().get("Seconds");
    if (seconds == null) {
      throw new JobFailed(
          FailureType.FAILURE_TYPE_CONFIGURATION_ERROR, "The action's configuration has no Seconds.");
    }
    Thread.sleep((long) (1000 * Double.parseDouble(seconds)));
    var content = new ByteArrayOutputStream();
    for (Artifact artifact : data.getInputArtifactsList()) {
      content.writeBytes(artifacts.download(artifact.getName()));
    }
    for (Artifact artifact : data.getOutputArtifactsList()) {
      artifacts.upload(artifact.getName(), content.toByteArray());
    }
    String summary = "Waited and copied " + content.size() + " bytes.";
    return ExecutionDetails.newBuilder().setSummary(summary).setPercentComplete(100).build();
  }

  /** Takes one job to its end. */
  public Ended process(ThirdPartyJob job) throws Exception {
    String id = job.getJobId();
    String token = clientToken.apply(job.getClientId());
    var read = gateway.details(id, token);
    if (!read.isOk()) {
      // Not acknowledged, so AWS hands the job out again.
      return new Ended(Result.NOT_YOURS, read);
    }
    var details = read.reply().getJobDetails();
    Ended taken = take(id, details.getNonce(), token);
    if (taken != null) {
      return taken;
    }
    var artifacts = new Artifacts(details.getData(), () -> readAgain(id, token));
    ExecutionDetails done;
    try {
      done = work(details.getData(), artifacts);
    } catch (Exception error) {
      // An error of the worker's own code is a failure of the job. An error of a call isn't.
      var failure = failureDetails(error);
      return report(Result.FAILURE, () -> gateway.fail(id, token, failure));
    }
    return report(Result.SUCCESS, () -> gateway.succeed(id, token, done));
  }

  /** The job's data with new requests for its artifacts; null if the call fails. */
  private ThirdPartyJobData readAgain(String jobId, String token) throws InterruptedException {
    var read = gateway.details(jobId, token);
    return read.isOk() ? read.reply().getJobDetails().getData() : null;
  }

  /** Acknowledges a job; null if it is this worker's. After an unknown outcome, one deliberate retry. */
  private Ended take(String jobId, String nonce, String token) throws InterruptedException {
    var first = gateway.acknowledge(jobId, nonce, token);
    var last = first.isUnknown() ? gateway.acknowledge(jobId, nonce, token) : first;
    // The nonce is used up: the first call probably succeeded.
    boolean probably = first.isUnknown() && last.reason().equals("INVALID_NONCE");
    if (last.verdict() == Answer.Verdict.YOURS || probably) {
      return null;
    }
    boolean unknown = first.isUnknown() || last.verdict() == Answer.Verdict.UNKNOWN;
    return new Ended(unknown ? Result.UNKNOWN : Result.NOT_YOURS, last);
  }

  /** Ends a job. After an unknown outcome, the same call again, and never the opposite result. */
  private static Ended report(Result result, Callable<Answer<?>> put) throws Exception {
    boolean unknown = false;
    for (int calls = 1; ; calls++) {
      Answer<?> answer = put.call();
      // INVALID_JOB_STATE: the job has ended, and an earlier call probably ended it.
      if (answer.isOk() || (unknown && answer.reason().equals("INVALID_JOB_STATE"))) {
        return new Ended(result, answer);
      }
      unknown |= answer.isUnknown();
      if (!answer.isUnknown() && !answer.nothingHappened() || calls == RESULT_CALLS) {
        return new Ended(unknown ? Result.UNKNOWN : Result.NOT_RECORDED, answer);
      }
      Thread.sleep(100L << calls);
    }
  }

  private static FailureDetails failureDetails(Exception error) {
    if (error instanceof JobFailed failed) {
      return FailureDetails.newBuilder().setType(failed.type).setMessage(failed.getMessage()).build();
    }
    if (error instanceof Artifacts.ArtifactException failed) {
      return FailureDetails.newBuilder().setType(failed.type()).setMessage(failed.getMessage()).build();
    }
    System.err.println("the work failed: " + error);
    // The text of an exception can contain secrets of the configuration, and people see the message.
    String text = "The worker's code failed: " + error.getClass().getSimpleName() + ".";
    return FailureDetails.newBuilder().setType(FailureType.FAILURE_TYPE_JOB_FAILED).setMessage(text).build();
  }
}
