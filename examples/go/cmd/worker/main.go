// Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for each job.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/acknowledge/gateway"
	api "example.com/acknowledge/gen/codepipeline/thirdparty/v1"
)

func main() {
	var options gateway.Options
	options.Flags(flag.CommandLine)
	target := flag.String("target", "", "such as dns:///codepipeline-gateway-headless:50051")
	actionType := flag.String("action-type", "", "Category/Owner/Provider/Version")
	wait := flag.Float64("wait", 20, "seconds that a poll waits for a job; 0: it doesn't wait")
	interval := flag.Float64("poll-interval", 5, "least seconds of a poll without a job")
	places := flag.Int("places", 1, "number of jobs at the same time")
	jobs := flag.Int("jobs", 0, "number of jobs to process; 0: no limit")
	flag.Parse()
	parts := strings.Split(*actionType, "/")
	// One client here. A partner's own records have the token of each client id.
	token, noToken := gateway.Secret("CODEPIPELINE_CLIENT_TOKEN")
	client, err := gateway.New(*target, options)
	if err == nil && len(parts) != 4 {
		err = errors.New("-action-type must be Category/Owner/Provider/Version")
	}
	if err := errors.Join(noToken, err); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer client.Close()
	worker := worker{client, func(clientID string) string { return token }}
	poller := poller{
		client, &api.ActionTypeId{Category: parts[0], Owner: parts[1], Provider: parts[2], Version: parts[3]},
		seconds(*wait), seconds(*interval),
	}
	run(worker, poller, *places, *jobs)
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }

// run polls for as many jobs as there are free places, and prints a line for each job that has ended.
func run(worker worker, poller poller, places, jobs int) {
	taken := make(chan struct{}, places)
	var running sync.WaitGroup
	for started := 0; jobs == 0 || started < jobs; {
		most := places
		if jobs > 0 {
			most = min(places, jobs-started)
		}
		free := takeFree(taken, most)
		found := poller.poll(context.Background(), free)
		for _, job := range found {
			running.Go(func() {
				defer func() { <-taken }()
				end, answer := worker.process(context.Background(), job)
				printLine(job.JobId, end, answer)
			})
		}
		started += len(found)
		for range free - len(found) {
			<-taken
		}
	}
	running.Wait()
}

// takeFree waits for a free place and takes all that are free, up to most.
func takeFree(taken chan struct{}, most int) int {
	taken <- struct{}{}
	for count := 1; count < most; count++ {
		select {
		case taken <- struct{}{}:
		default:
			return count
		}
	}
	return most
}

// poller asks for jobs of an action type.
type poller struct {
	gateway        *gateway.Gateway
	actionType     *api.ActionTypeId
	wait, interval time.Duration
}

// poll returns jobs. Without jobs, it takes at least the interval, so that polls never follow each other fast.
func (p poller) poll(ctx context.Context, free int) []*api.ThirdPartyJob {
	start := time.Now()
	jobs, answer := p.gateway.Poll(ctx, p.actionType, free, p.wait)
	if answer.Code != "OK" {
		printLine("", "", answer)
	}
	if len(jobs) == 0 {
		time.Sleep(max(p.interval, answer.RetryAfter) - time.Since(start))
	}
	return jobs
}

var output sync.Mutex

func printLine(jobID string, end result, answer gateway.Answer) {
	line := struct {
		JobID  string `json:"job_id"`
		Result result `json:"result"`
		gateway.Answer
	}{jobID, end, answer}
	output.Lock()
	defer output.Unlock()
	// Writing a struct of texts and numbers can't fail.
	_ = json.NewEncoder(os.Stdout).Encode(line)
}
