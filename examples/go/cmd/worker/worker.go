package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"example.com/acknowledge/gateway"
	api "example.com/acknowledge/gen/codepipeline/thirdparty/v1"
)

// How often a worker reports the result of a job whose calls have an unknown outcome.
const resultCalls = 6

// result is how a job ended.
type result string

const (
	success     result = "success"      // AWS recorded the success
	failure     result = "failure"      // AWS recorded the failure
	notYours    result = "not_yours"    // another worker can have the job
	notRecorded result = "not_recorded" // AWS rejected the result
	unknown     result = "unknown"      // look at the job in AWS
)

// jobFailed is an error that says how the pipeline sees it.
type jobFailed struct {
	kind    api.FailureType
	message string
}

func (f *jobFailed) Error() string { return f.message }

// work is the worker's own code. A jobFailed error is the job's failure, and so is every other error.
func work(ctx context.Context, data *api.ThirdPartyJobData, artifacts *gateway.Artifacts) (*api.ExecutionDetails, error) {
	text, found := data.GetConfiguration()["Seconds"]
	if !found {
		return nil, &jobFailed{api.FailureType_FAILURE_TYPE_CONFIGURATION_ERROR, "The action's configuration has no Seconds."}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	var content []byte
	for _, artifact := range data.GetInputArtifacts() {
		part, err := artifacts.Download(ctx, artifact.GetName())
		if err != nil {
			return nil, err
		}
		content = append(content, part...)
	}
	for _, artifact := range data.GetOutputArtifacts() {
		if err := artifacts.Upload(ctx, artifact.GetName(), content); err != nil {
			return nil, err
		}
	}
	summary := fmt.Sprintf("Waited and copied %d bytes.", len(content))
	return &api.ExecutionDetails{Summary: summary, PercentComplete: proto.Int32(100)}, nil
}

// worker takes jobs and ends them.
type worker struct {
	gateway     *gateway.Gateway
	clientToken func(clientID string) string
}

// process takes one job to its end. It returns the result and the last call.
func (w worker) process(ctx context.Context, job *api.ThirdPartyJob) (result, gateway.Answer) {
	token := w.clientToken(job.ClientId)
	details, answer := w.gateway.Details(ctx, job.JobId, token)
	if answer.Code != "OK" {
		// Not acknowledged, so AWS hands the job out again.
		return notYours, answer
	}
	verdict, answer := w.take(ctx, job.JobId, details.GetNonce(), token)
	if verdict != gateway.Yours {
		return result(verdict), answer
	}
	artifacts := gateway.NewArtifacts(details.GetData(), func(ctx context.Context) *api.ThirdPartyJobDetails {
		details, _ := w.gateway.Details(ctx, job.JobId, token)
		return details
	})
	done, err := do(ctx, details.GetData(), artifacts)
	if err == nil {
		return report(success, func() gateway.Answer { return w.gateway.Succeed(ctx, job.JobId, token, done) })
	}
	failed := failureDetails(err)
	return report(failure, func() gateway.Answer { return w.gateway.Fail(ctx, job.JobId, token, failed) })
}

// take acknowledges a job. After an unknown outcome, it makes one deliberate retry.
func (w worker) take(ctx context.Context, jobID, nonce, token string) (gateway.Verdict, gateway.Answer) {
	answer := w.gateway.Acknowledge(ctx, jobID, nonce, token)
	if answer.Outcome != "unknown" {
		return answer.Verdict(), answer
	}
	answer = w.gateway.Acknowledge(ctx, jobID, nonce, token)
	// INVALID_NONCE: the nonce is used up, so the first call probably succeeded.
	if answer.Verdict() == gateway.Yours || answer.Reason == "INVALID_NONCE" {
		return gateway.Yours, answer
	}
	return gateway.Unknown, answer
}

// report ends a job. After an unknown outcome, it makes the same call again, and never the opposite one.
func report(end result, put func() gateway.Answer) (result, gateway.Answer) {
	otherwise := notRecorded
	for calls := 1; ; calls++ {
		answer := put()
		// INVALID_JOB_STATE: the job has ended, and an earlier call probably ended it.
		if answer.Code == "OK" || otherwise == unknown && answer.Reason == "INVALID_JOB_STATE" {
			return end, answer
		}
		if answer.Outcome == "unknown" {
			otherwise = unknown
		}
		if answer.Outcome != "unknown" && !answer.NothingHappened() || calls == resultCalls {
			return otherwise, answer
		}
		time.Sleep(100 * time.Millisecond << calls)
	}
}

// do turns a panic of the worker's own code into an error. An error of its code is a failure of the job; an error of a
// call isn't.
func do(
	ctx context.Context, data *api.ThirdPartyJobData, artifacts *gateway.Artifacts,
) (done *api.ExecutionDetails, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return work(ctx, data, artifacts)
}

func failureDetails(err error) *api.FailureDetails {
	var failed *jobFailed
	if errors.As(err, &failed) {
		return &api.FailureDetails{Type: failed.kind, Message: failed.message}
	}
	var artifact *gateway.ArtifactError
	if errors.As(err, &artifact) {
		return &api.FailureDetails{Type: artifact.Type, Message: artifact.Error()}
	}
	log.Printf("the work failed: %v", err)
	// The text of an error can contain secrets of the configuration, and people see the message.
	text := "The worker's code failed. See its log."
	return &api.FailureDetails{Type: api.FailureType_FAILURE_TYPE_JOB_FAILED, Message: text}
}
