// Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"example.com/acknowledge/gateway"
)

var exit = map[gateway.Verdict]int{gateway.Yours: 0, gateway.NotYours: 1, gateway.Unknown: 3}

func main() {
	var options gateway.Options
	options.Flags(flag.CommandLine)
	target := flag.String("target", "", "such as dns:///codepipeline-gateway-headless:50051")
	jobID := flag.String("job-id", "", "without it, ids are read from standard input, one per line")
	flag.Parse()
	os.Exit(run(*target, *jobID, options))
}

func run(target, jobID string, options gateway.Options) int {
	nonce, noNonce := gateway.Secret("CODEPIPELINE_NONCE")
	clientToken, noToken := gateway.Secret("CODEPIPELINE_CLIENT_TOKEN")
	client, err := gateway.New(target, options)
	if err := errors.Join(noNonce, noToken, err); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer client.Close()
	worst := 0
	acknowledge := func(job string) {
		answer := client.Acknowledge(context.Background(), job, nonce, clientToken)
		line := struct {
			JobID   string          `json:"job_id"`
			Verdict gateway.Verdict `json:"verdict"`
			gateway.Answer
		}{job, answer.Verdict(), answer}
		// Writing a struct of texts and numbers can't fail.
		_ = json.NewEncoder(os.Stdout).Encode(line)
		worst = max(worst, exit[answer.Verdict()])
	}
	if jobID != "" {
		acknowledge(jobID)
		return worst
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		acknowledge(lines.Text())
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return worst
}
