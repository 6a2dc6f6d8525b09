package com.example.gateway;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The options that {@link Main} and {@link WorkerMain} share, each with a value. */
final class Command {
  // --timeout: seconds per call, retries included, without the wait. --retries: at most; 0: the library doesn't retry
  // either. --ca, --cert, --key: PEM files; without --ca, the connection is plaintext. --token-file: a bearer token, read for each call.
  // --service-config: replaces the built-in one.
  private static final Set<String> SHARED =
      Set.of("--target", "--timeout", "--retries", "--ca", "--cert", "--key", "--token-file", "--service-config");

  private final Map<String, String> values = new HashMap<>();

  /** Ends the program if an option is unknown, or a required one is missing. */
  Command(String[] args, List<String> required, List<String> optional) {
    for (int i = 0; i + 1 < args.length; i += 2) {
      values.put(args[i], args[i + 1]);
    }
    var known = new HashSet<>(SHARED);
    known.addAll(required);
    known.addAll(optional);
    if (args.length % 2 != 0 || !known.containsAll(values.keySet()) || !values.keySet().containsAll(required)) {
      System.err.println("required, each with a value: " + required + "; of these: " + known);
      System.exit(2);
    }
  }

  String get(String option, String otherwise) {
    return values.getOrDefault(option, otherwise);
  }

  Duration seconds(String option, String otherwise) {
    return Duration.ofMillis((long) (1000 * Double.parseDouble(get(option, otherwise))));
  }

  Gateway gateway() throws IOException {
    return new Gateway(
        values.get("--target"),
        new Gateway.Options(
            values.get("--ca"), values.get("--cert"), values.get("--key"), values.get("--token-file"),
            values.get("--service-config"), Integer.parseInt(get("--retries", "3")), seconds("--timeout", "10")));
  }

  /** A secret. It isn't an argument, because arguments show in the list of processes. */
  static String secret(String variable) {
    String value = System.getenv(variable);
    if (value == null || value.isEmpty()) {
      System.err.println(variable + " is missing or empty");
      System.exit(2);
    }
    return value;
  }

  /** Prints a line of JSON. */
  static synchronized void print(String jobId, String name, Enum<?> value, Answer<?> answer) {
    var line = new JsonObject();
    line.addProperty("job_id", jobId);
    line.addProperty(name, value == null ? "" : value.name().toLowerCase());
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
  }
}
