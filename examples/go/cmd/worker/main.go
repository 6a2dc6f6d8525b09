// Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for each job.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/acknowledge/gateway"
	api "example.com/acknowledge/gen/codepipeline/thirdparty/v1"
)

func main() {
	var options gateway.Options
	options.Flags(flag.CommandLine)
	target := flag.String("target", "", "such as dns:///codepipeline-gateway-headless:50051")
	actionType := flag.String("action-type", "", "Category/Owner/Provider/Version")
	interval := flag.Float64("poll-interval", 5, "seconds until the next poll if there is no job")
	jobs := flag.Int("jobs", 0, "number of jobs to process; 0: no limit")
	flag.Parse()
	parts := strings.Split(*actionType, "/")
	client, err := gateway.New(*target, options)
	if err == nil && len(parts) != 4 {
		err = fmt.Errorf("-action-type must be Category/Owner/Provider/Version")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer client.Close()
	// One client here. A partner's own records have the token of each client id.
	token := os.Getenv("CODEPIPELINE_CLIENT_TOKEN")
	worker := worker{client, func(clientID string) string { return token }}
	poll := &api.ActionTypeId{Category: parts[0], Owner: parts[1], Provider: parts[2], Version: parts[3]}
	for done := 0; *jobs == 0 || done < *jobs; {
		found, answer := client.Poll(context.Background(), poll, 1)
		if answer.Code != "OK" {
			printLine("", "", answer)
		}
		for _, job := range found {
			end, answer := worker.process(context.Background(), job)
			printLine(job.JobId, end, answer)
			done++
		}
		if len(found) == 0 {
			time.Sleep(time.Duration(*interval * float64(time.Second)))
		}
	}
}

func printLine(jobID string, end result, answer gateway.Answer) {
	line := struct {
		JobID  string `json:"job_id"`
		Result result `json:"result"`
		gateway.Answer
	}{jobID, end, answer}
	// Writing a struct of texts and numbers can't fail.
	_ = json.NewEncoder(os.Stdout).Encode(line)
}
