package com.example.gateway;

import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ActionTypeId;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ThirdPartyJob;
import java.util.List;

/** Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for each job. */
public final class WorkerMain {
  public static void main(String[] args) throws Exception {
    // --action-type: Category/Owner/Provider/Version. --poll-interval: seconds until the next poll if there is no job.
    // --jobs: number of jobs to process; 0: no limit.
    var required = List.of("--target", "--action-type");
    var command = new Command(args, required, List.of("--poll-interval", "--jobs"));
    String[] parts = command.get("--action-type", "").split("/");
    if (parts.length != 4) {
      System.err.println("--action-type must be Category/Owner/Provider/Version");
      System.exit(2);
    }
    var actionType =
        ActionTypeId.newBuilder()
            .setCategory(parts[0])
            .setOwner(parts[1])
            .setProvider(parts[2])
            .setVersion(parts[3])
            .build();
    int jobs = Integer.parseInt(command.get("--jobs", "0"));
    // One client here. A partner's own records have the token of each client id.
    String token = Command.secret("CODEPIPELINE_CLIENT_TOKEN");
    try (var gateway = command.gateway()) {
      var worker = new Worker(gateway, clientId -> token);
      for (int done = 0; jobs == 0 || done < jobs; ) {
        var polled = gateway.poll(actionType, 1);
        if (!polled.isOk()) {
          Command.print("", "result", null, polled);
        }
        List<ThirdPartyJob> found = polled.isOk() ? polled.reply().getJobsList() : List.of();
        for (ThirdPartyJob job : found) {
          var ended = worker.process(job);
          Command.print(job.getJobId(), "result", ended.result(), ended.last());
          done++;
        }
        if (found.isEmpty()) {
          Thread.sleep(command.seconds("--poll-interval", "5").toMillis());
        }
      }
    }
  }
}
