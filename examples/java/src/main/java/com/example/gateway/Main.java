package com.example.gateway;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each. */
public final class Main {
  public static void main(String[] args) throws Exception {
    // --job-id: without it, ids are read from standard input, one per line.
    System.exit(run(new Command(args, List.of("--target"), List.of("--job-id"))));
  }

  private static int run(Command command) throws Exception {
    int worst = 0;
    String nonce = Command.secret("CODEPIPELINE_NONCE");
    String clientToken = Command.secret("CODEPIPELINE_CLIENT_TOKEN");
    try (var gateway = command.gateway()) {
      String only = command.get("--job-id", null);
      if (only != null) {
        return acknowledge(gateway, only, nonce, clientToken);
      }
      var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String job = lines.readLine(); job != null; job = lines.readLine()) {
        worst = Math.max(worst, acknowledge(gateway, job, nonce, clientToken));
      }
    }
    return worst;
  }

  private static int acknowledge(Gateway gateway, String jobId, String nonce, String clientToken)
      throws InterruptedException {
    var answer = gateway.acknowledge(jobId, nonce, clientToken);
    Command.print(jobId, "verdict", answer.verdict(), answer);
    return switch (answer.verdict()) {
      case YOURS -> 0;
      case NOT_YOURS -> 1;
      case UNKNOWN -> 3;
    };
  }
}
