package com.example.gateway;

import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.Artifact;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ArtifactRequest;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.FailureType;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ThirdPartyJobData;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Version;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;

/**
 * Downloads and uploads a job's artifacts with the presigned requests of its details. The requests are secrets.
 * Copy this file as it is.
 */
public final class Artifacts {
  /** Bytes. A larger artifact needs a file instead of memory. */
  private static final int LARGEST = 64 * 1024 * 1024;

  /** How often a request is sent, and the time for each. */
  private static final int CALLS = 4;

  private static final Duration TIMEOUT = Duration.ofMinutes(1);

  /** A request that expires earlier is replaced. */
  private static final Duration SHORTEST_VALIDITY = Duration.ofMinutes(1);

  // S3 speaks HTTP/1.1 only.
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();

  /** An artifact can't be downloaded or uploaded. */
  public static final class ArtifactException extends Exception {
    private final FailureType type;

    ArtifactException(FailureType type, String message) {
      super(message);
      this.type = type;
    }

    /** The failure type of the job. */
    public FailureType type() {
      return type;
    }
  }

  /** The HTTP status, which is 0 without a response, and the body of a good response. */
  private record Sent(int status, byte[] body) {}

  private final Callable<ThirdPartyJobData> readAgain;
  private ThirdPartyJobData data;

  /**
   * The artifacts of one job.
   *
   * @param data from the job's details
   * @param readAgain reads the details again; returns null if that fails
   */
  public Artifacts(ThirdPartyJobData data, Callable<ThirdPartyJobData> readAgain) {
    this.data = data;
    this.readAgain = readAgain;
  }

  /** The content of an input artifact. */
  public byte[] download(String name) throws Exception {
    return send(ThirdPartyJobData::getInputArtifactsList, name, null);
  }

  /** Stores an output artifact. */
  public void upload(String name, byte[] content) throws Exception {
    send(ThirdPartyJobData::getOutputArtifactsList, name, content);
  }

  /** Retries after a missing response and after the statuses that can change. After 403, with a new request. */
  private byte[] send(Function<ThirdPartyJobData, List<Artifact>> list, String name, byte[] content)
      throws Exception {
    int status = 0;
    for (int call = 0; call < CALLS; call++) {
      if (call > 0) {
        Thread.sleep(250L << call);
      }
      Sent sent = sendOnce(request(list, name, status == 403), content);
      status = sent.status();
      if (status == 200 && sent.body().length <= LARGEST) {
        return sent.body();
      }
      if (status == 200) {
        String text = "The artifact %s is larger than %d bytes.".formatted(name, LARGEST);
        throw new ArtifactException(FailureType.FAILURE_TYPE_JOB_FAILED, text);
      }
      if (!List.of(0, 403, 429).contains(status) && status < 500) {
        break;
      }
    }
    String why = status == 0 ? "no response" : "HTTP status " + status;
    throw new ArtifactException(failureType(status), "The artifact %s isn't available: %s.".formatted(name, why));
  }

  /** The artifact's request. Reads the details again if S3 rejected the request, or if it expires soon. */
  private ArtifactRequest request(
      Function<ThirdPartyJobData, List<Artifact>> list, String name, boolean rejected) throws Exception {
    if (rejected || expiresSoon(find(list, name))) {
      ThirdPartyJobData read = readAgain.call();
      data = read == null ? data : read;
    }
    ArtifactRequest request = find(list, name);
    if (request == null) {
      String text = "The job has no request for the artifact %s.".formatted(name);
      throw new ArtifactException(FailureType.FAILURE_TYPE_PERMISSION_ERROR, text);
    }
    return request;
  }

  private ArtifactRequest find(Function<ThirdPartyJobData, List<Artifact>> list, String name) {
    return list.apply(data).stream()
        .filter(artifact -> artifact.getName().equals(name) && artifact.hasRequest())
        .map(Artifact::getRequest)
        .findFirst()
        .orElse(null);
  }

  private static boolean expiresSoon(ArtifactRequest request) {
    long expiresAt = request == null ? 0 : request.getExpiresAt().getSeconds();
    return expiresAt < Instant.now().plus(SHORTEST_VALIDITY).getEpochSecond();
  }

  private static FailureType failureType(int status) {
    return switch (status) {
      case 403 -> FailureType.FAILURE_TYPE_PERMISSION_ERROR;
      case 404 -> FailureType.FAILURE_TYPE_REVISION_UNAVAILABLE;
      default -> FailureType.FAILURE_TYPE_SYSTEM_UNAVAILABLE;
    };
  }

  /** Sends a GET, or the content. Drops errors, which can show the URL or a header. */
  private static Sent sendOnce(ArtifactRequest request, byte[] content) throws InterruptedException {
    try {
      var call = HttpRequest.newBuilder(URI.create(request.getUrl())).timeout(TIMEOUT);
      request.getHeadersMap().forEach(call::header);
      if (content != null) {
        call.method(request.getMethod(), BodyPublishers.ofByteArray(content));
      }
      var response = HTTP.send(call.build(), BodyHandlers.ofInputStream());
      try (InputStream stream = response.body()) {
        boolean good = response.statusCode() == 200;
        return new Sent(response.statusCode(), good ? stream.readNBytes(LARGEST + 1) : null);
      }
    } catch (IOException | IllegalArgumentException error) {
      return new Sent(0, null);
    }
  }
}
