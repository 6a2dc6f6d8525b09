package com.example.gateway;

import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ActionTypeId;
import codepipeline.thirdparty.v1.ThirdPartyJobServiceOuterClass.ThirdPartyJob;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for each job. */
public final class WorkerMain {
  public static void main(String[] args) throws Exception {
    // --action-type: Category/Owner/Provider/Version. --wait: seconds that a poll waits for a job; 0: it doesn't wait.
    // --poll-interval: least seconds of a poll without a job. --places: number of jobs at the same time.
    // --jobs: number of jobs to process; 0: no limit.
    var required = List.of("--target", "--action-type");
    var command = new Command(args, required, List.of("--wait", "--poll-interval", "--places", "--jobs"));
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
    // One client here. A partner's own records have the token of each client id.
    String token = Command.secret("CODEPIPELINE_CLIENT_TOKEN");
    try (var gateway = command.gateway()) {
      new WorkerMain(command, gateway, actionType).run(new Worker(gateway, clientId -> token));
    }
  }

  private final Gateway gateway;
  private final ActionTypeId actionType;
  private final Duration wait;
  private final Duration interval;
  private final int places;
  private final int jobs;
  private final Semaphore free;

  private WorkerMain(Command command, Gateway gateway, ActionTypeId actionType) {
    this.gateway = gateway;
    this.actionType = actionType;
    wait = command.seconds("--wait", "20");
    interval = command.seconds("--poll-interval", "5");
    places = Integer.parseInt(command.get("--places", "1"));
    jobs = Integer.parseInt(command.get("--jobs", "0"));
    free = new Semaphore(places);
  }

  /** Polls for as many jobs as there are free places, and prints a line for each job that has ended. */
  private void run(Worker worker) throws InterruptedException {
    var pool = Executors.newFixedThreadPool(places);
    for (int started = 0; jobs == 0 || started < jobs; ) {
      int taken = takeFree(jobs == 0 ? places : Math.min(places, jobs - started));
      List<ThirdPartyJob> found = poll(taken);
      for (ThirdPartyJob job : found) {
        pool.execute(() -> process(worker, job));
      }
      started += found.size();
      free.release(taken - found.size());
    }
    pool.shutdown();
    // All places are free when all jobs have ended.
    free.acquire(places);
  }

  /** Waits for a free place and takes all that are free, up to {@code most}. */
  private int takeFree(int most) throws InterruptedException {
    free.acquire();
    int taken = 1;
    while (taken < most && free.tryAcquire()) {
      taken++;
    }
    return taken;
  }

  private void process(Worker worker, ThirdPartyJob job) {
    try {
      var ended = worker.process(job);
      Command.print(job.getJobId(), "result", ended.result(), ended.last());
    } catch (Exception error) {
      System.err.println("the job's result is unknown: " + error);
    } finally {
      free.release();
    }
  }

  /** Returns jobs. Without jobs, it takes at least the interval, so that polls never follow each other fast. */
  private List<ThirdPartyJob> poll(int most) throws InterruptedException {
    long start = System.nanoTime();
    var polled = gateway.poll(actionType, most, wait);
    if (!polled.isOk()) {
      Command.print("", "result", null, polled);
    }
    List<ThirdPartyJob> found = polled.isOk() ? polled.reply().getJobsList() : List.of();
    if (found.isEmpty()) {
      long least = Math.max(interval.toNanos(), polled.retryAfter().toNanos());
      TimeUnit.NANOSECONDS.sleep(start + least - System.nanoTime());
    }
    return found;
  }
}
