package com.example.gateway;

import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each. */
public final class Main {
  // --job-id: without it, ids are read from standard input, one a line. --timeout: seconds for a job, retries included.
  // --retries: further calls at most; 0: the library doesn't retry either. --ca, --cert, --key: PEM files; without --ca it
  // is plaintext. --token-file: a bearer token, read for each call. --service-config: in place of the built-in one.
  private static final Set<String> OPTIONS =
      Set.of("--target", "--job-id", "--timeout", "--retries", "--ca", "--cert", "--key", "--token-file", "--service-config");

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i + 1 < args.length; i += 2) {
      options.put(args[i], args[i + 1]);
    }
    if (args.length % 2 != 0 || !OPTIONS.containsAll(options.keySet()) || !options.containsKey("--target")) {
      System.err.println("usage: acknowledge --target TARGET and, each with a value, any of " + OPTIONS);
      System.exit(2);
    }
    System.exit(run(options));
  }

  private static int run(Map<String, String> options) throws Exception {
    var timeout = Duration.ofMillis((long) (1000 * Double.parseDouble(options.getOrDefault("--timeout", "10"))));
    // Not arguments: those show in the list of processes.
    String nonce = System.getenv().getOrDefault("CODEPIPELINE_NONCE", "");
    String clientToken = System.getenv().getOrDefault("CODEPIPELINE_CLIENT_TOKEN", "");
    int worst = 0;
    try (var gateway =
        new Gateway(
            options.get("--target"),
            new Gateway.Options(
                options.get("--ca"), options.get("--cert"), options.get("--key"), options.get("--token-file"),
                options.get("--service-config"), Integer.parseInt(options.getOrDefault("--retries", "3"))))) {
      if (options.containsKey("--job-id")) {
        return print(options.get("--job-id"), gateway.acknowledge(options.get("--job-id"), nonce, clientToken, timeout));
      }
      var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String job = lines.readLine(); job != null; job = lines.readLine()) {
        worst = Math.max(worst, print(job, gateway.acknowledge(job, nonce, clientToken, timeout)));
      }
    }
    return worst;
  }

  private static int print(String jobId, Answer answer) {
    var line = new JsonObject();
    line.addProperty("job_id", jobId);
    line.addProperty("verdict", answer.verdict().name().toLowerCase());
    line.addProperty("code", answer.code());
    line.addProperty("status", answer.status());
    line.addProperty("aws_status", answer.awsStatus());
    line.addProperty("reason", answer.reason());
    line.addProperty("outcome", answer.outcome());
    line.addProperty("attempts", answer.attempts());
    line.addProperty("calls", answer.calls());
    line.addProperty("request_id", answer.requestId());
    line.addProperty("message", answer.message());
    System.out.println(line);
    return switch (answer.verdict()) {
      case YOURS -> 0;
      case NOT_YOURS -> 1;
      case UNKNOWN -> 3;
    };
  }
}
