package com.example.gateway;

import codepipeline.thirdparty.v1.ThirdPartyJobServiceGrpc;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceGrpc.ThirdPartyJobServiceBlockingStub;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.AcknowledgeThirdPartyJobRequest;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.AcknowledgeThirdPartyJobResponse;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ActionTypeId;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ExecutionDetails;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.FailureDetails;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.GetThirdPartyJobDetailsRequest;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.GetThirdPartyJobDetailsResponse;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.PollForThirdPartyJobsRequest;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.PollForThirdPartyJobsResponse;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.PutThirdPartyJobFailureResultRequest;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.PutThirdPartyJobFailureResultResponse;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.PutThirdPartyJobSuccessResultRequest;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.PutThirdPartyJobSuccessResultResponse;
import com.google.gson.Gson;
import com.google.protobuf.Empty;
import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.CompositeChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiFunction;

/**
 * Makes the calls of third-party jobs through codepipeline-gateway. Create one for the whole process: it keeps a connection to each replica.
 * Copy this file, Answer.java and service-config.json as they are.
 */
public final class Gateway implements AutoCloseable {
  /** A shorter call could only end as {@code unknown}. */
  private static final Duration SHORTEST_CALL = Duration.ofMillis(500);

  /** Needs no identity and no request, and isn't in the service config. */
  private static final MethodDescriptor<Empty, Empty> HEALTH =
      MethodDescriptor.<Empty, Empty>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("grpc.health.v1.Health/Check")
          .setRequestMarshaller(ProtoUtils.marshaller(Empty.getDefaultInstance()))
          .setResponseMarshaller(ProtoUtils.marshaller(Empty.getDefaultInstance()))
          .build();

  private static final Metadata.Key<String> REQUEST_ID =
      Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

  /**
   * How to reach it. The files are PEM and may be null; without {@code ca} it is plaintext.
   *
   * @param tokenFile a bearer token
   * @param serviceConfig a file that replaces the built-in one
   * @param retries maximum number of retries; with 0, the library doesn't retry either
   * @param timeout per call, retries included; a poll has its wait in addition
   */
  public record Options(
      String ca, String cert, String key, String tokenFile, String serviceConfig, int retries, Duration timeout) {}

  private final String target;
  private final ManagedChannel channel;
  private final int retries;
  private final Duration timeout;
  private volatile boolean connected;

  /**
   * Connects at the first call.
   *
   * @param target a headless Service: {@code dns:///codepipeline-gateway-headless:50051}
   */
  public Gateway(String target, Options options) throws IOException {
    this.target = target;
    retries = options.retries();
    timeout = options.timeout();
    var builder =
        Grpc.newChannelBuilder(target, credentials(options))
            .defaultServiceConfig(serviceConfig(options.serviceConfig()))
            // Ignores a service config in DNS.
            .disableServiceConfigLookUp()
            // Detects a peer that disappeared, also between calls.
            .keepAliveTime(1, TimeUnit.MINUTES)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true);
    channel = (retries > 0 ? builder.enableRetry() : builder.disableRetry()).build();
  }

  /** Asks for jobs, and waits for the first one. Retried after any UNAVAILABLE: AWS hands lost jobs out again. */
  public Answer<PollForThirdPartyJobsResponse> poll(ActionTypeId actionType, int maxBatchSize, Duration wait)
      throws InterruptedException {
    var request =
        PollForThirdPartyJobsRequest.newBuilder()
            .setActionTypeId(actionType)
            .setMaxBatchSize(maxBatchSize)
            .setWait(com.google.protobuf.Duration.newBuilder().setSeconds(wait.toSeconds()).setNanos(wait.getNano()))
            .build();
    return retried(
        timeout.plus(wait), true, ThirdPartyJobServiceBlockingStub::pollForThirdPartyJobs, request);
  }

  /** Reads a job. Retried after any UNAVAILABLE: the call changes nothing. */
  public Answer<GetThirdPartyJobDetailsResponse> details(String jobId, String clientToken)
      throws InterruptedException {
    var request = GetThirdPartyJobDetailsRequest.newBuilder().setJobId(jobId).setClientToken(clientToken);
    return retried(timeout, true, ThirdPartyJobServiceBlockingStub::getThirdPartyJobDetails, request.build());
  }

  /** Takes a job. Retried only if the gateway says that nothing happened. */
  public Answer<AcknowledgeThirdPartyJobResponse> acknowledge(String jobId, String nonce, String clientToken)
      throws InterruptedException {
    var request =
        AcknowledgeThirdPartyJobRequest.newBuilder()
            .setJobId(jobId)
            .setNonce(nonce)
            .setClientToken(clientToken)
            .build();
    var answer = retried(timeout, false, ThirdPartyJobServiceBlockingStub::acknowledgeThirdPartyJob, request);
    var reply = answer.reply();
    return reply == null ? answer : answer.withStatus(reply.getStatus(), reply.getAwsStatus());
  }

  /** Ends a job with a success. Retried only if the gateway says that nothing happened. */
  public Answer<PutThirdPartyJobSuccessResultResponse> succeed(
      String jobId, String clientToken, ExecutionDetails details) throws InterruptedException {
    var request =
        PutThirdPartyJobSuccessResultRequest.newBuilder()
            .setJobId(jobId)
            .setClientToken(clientToken)
            .setExecutionDetails(details)
            .build();
    return retried(timeout, false, ThirdPartyJobServiceBlockingStub::putThirdPartyJobSuccessResult, request);
  }

  /** Ends a job with a failure. Retried only if the gateway says that nothing happened. */
  public Answer<PutThirdPartyJobFailureResultResponse> fail(
      String jobId, String clientToken, FailureDetails details) throws InterruptedException {
    var request =
        PutThirdPartyJobFailureResultRequest.newBuilder()
            .setJobId(jobId)
            .setClientToken(clientToken)
            .setFailureDetails(details)
            .build();
    return retried(timeout, false, ThirdPartyJobServiceBlockingStub::putThirdPartyJobFailureResult, request);
  }

  /** A harmless call is retried whatever its outcome is. */
  private <Q, R> Answer<R> retried(
      Duration timeout, boolean harmless, BiFunction<ThirdPartyJobServiceBlockingStub, Q, R> method, Q request)
      throws InterruptedException {
    long end = System.nanoTime() + timeout.toNanos();
    for (int calls = 1; ; calls++) {
      Answer<R> answer = call(method, request, end - System.nanoTime()).withCalls(calls);
      boolean repeatable = answer.nothingHappened() || (harmless && answer.isTransient());
      // At least the RetryInfo delay, and longer each time.
      double pause = Math.max(answer.retryAfter().toNanos(), 1e8 * Math.pow(2, calls));
      pause *= ThreadLocalRandom.current().nextDouble(1, 1.2);
      double left = end - System.nanoTime() - pause;
      if (!repeatable || calls > retries || left < SHORTEST_CALL.toNanos()) {
        return answer;
      }
      TimeUnit.NANOSECONDS.sleep((long) pause);
    }
  }

  private <Q, R> Answer<R> call(
      BiFunction<ThirdPartyJobServiceBlockingStub, Q, R> method, Q request, long timeoutNanos) {
    var failure = this.<R>connect(timeoutNanos);
    if (failure != null) {
      return failure;
    }
    var headers = new AtomicReference<Metadata>();
    var capture = MetadataUtils.newCaptureMetadataInterceptor(headers, new AtomicReference<>());
    var stub =
        ThirdPartyJobServiceGrpc.newBlockingStub(ClientInterceptors.intercept(channel, capture))
            .withDeadlineAfter(timeoutNanos, TimeUnit.NANOSECONDS);
    try {
      R reply = method.apply(stub, request);
      return Answer.of(reply, Objects.requireNonNullElse(headers.get().get(REQUEST_ID), ""));
    } catch (StatusRuntimeException error) {
      return Answer.of(error);
    }
  }

  /** The error if there has never been a connection, else null. The calls wait for one, so only the health check reports the cause. */
  private <R> Answer<R> connect(long timeoutNanos) {
    if (!connected) {
      var deadline = CallOptions.DEFAULT.withDeadlineAfter(timeoutNanos, TimeUnit.NANOSECONDS);
      try {
        ClientCalls.blockingUnaryCall(channel, HEALTH, deadline, Empty.getDefaultInstance());
      } catch (StatusRuntimeException error) {
        var code = error.getStatus().getCode();
        if (code == Status.Code.UNAVAILABLE || code == Status.Code.DEADLINE_EXCEEDED) {
          return Answer.notSent(error, "no connection to " + target + ": ");
        }
      }
      connected = true;
    }
    return null;
  }

  /** Accepts no more calls. Calls in flight finish. */
  @Override
  public void close() {
    channel.shutdown();
  }

  private static Map<String, ?> serviceConfig(String file) throws IOException {
    try (Reader reader =
        file != null
            ? Files.newBufferedReader(Path.of(file))
            : new InputStreamReader(Gateway.class.getResourceAsStream("/service-config.json"), StandardCharsets.UTF_8)) {
      @SuppressWarnings("unchecked")
      Map<String, ?> config = new Gson().fromJson(reader, Map.class);
      return config;
    }
  }

  private static ChannelCredentials credentials(Options options) throws IOException {
    if (options.ca() == null) {
      if (options.tokenFile() != null) {
        throw new IllegalArgumentException("the token must be encrypted: a token file needs a CA");
      }
      return InsecureChannelCredentials.create();
    }
    var tls = TlsChannelCredentials.newBuilder().trustManager(new File(options.ca()));
    if (options.cert() != null) {
      tls.keyManager(new File(options.cert()), new File(options.key()));
    }
    return options.tokenFile() == null
        ? tls.build()
        : CompositeChannelCredentials.create(tls.build(), new BearerToken(Path.of(options.tokenFile())));
  }

  /** Reads the token for each call, because Kubernetes replaces a projected token before it expires. */
  private static final class BearerToken extends CallCredentials {
    private static final Metadata.Key<String> AUTHORIZATION =
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private final Path file;

    BearerToken(Path file) {
      this.file = file;
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
      executor.execute(
          () -> {
            try {
              var metadata = new Metadata();
              metadata.put(AUTHORIZATION, "Bearer " + Files.readString(file).strip());
              applier.apply(metadata);
            } catch (IOException error) {
              applier.fail(Status.UNAUTHENTICATED.withDescription("the token file can't be read").withCause(error));
            }
          });
    }
  }
}
