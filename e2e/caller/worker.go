package main

import (
	"context"
	"flag"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "example.com/caller/gen/codepipeline/thirdparty/v1"
)

// A job worker, and what it did with its job.
type jobWorker struct {
	client      pb.ThirdPartyJobServiceClient
	actionType  *pb.ActionTypeId
	clientToken string
	timeout     time.Duration

	Job           string   `json:"job,omitempty"`
	Configuration int      `json:"configuration"`     // number of values in the job's details
	Steps         []string `json:"steps"`             // calls that succeeded
	Failure       *answer  `json:"failure,omitempty"` // call that failed
}

// Takes one job from the poll to its result, and prints the calls. The worker needs an address of the gateway and the
// job's client token, and no AWS credentials.
func worker(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("worker", flag.ExitOnError)
	var where connection
	where.flags(flags)
	w := &jobWorker{Steps: []string{}, actionType: &pb.ActionTypeId{Owner: "ThirdParty", Version: "1"}}
	flags.StringVar(&w.actionType.Category, "category", "Test", "the action type's category")
	flags.StringVar(&w.actionType.Provider, "provider", "FakeProvider", "the action type's provider")
	flags.StringVar(&w.clientToken, "client-token", clientToken, "the client token of the worker's customer")
	flags.DurationVar(&w.timeout, "timeout", 10*time.Second, "each call's deadline")
	fail := flags.Bool("fail", false, "report a failure instead of a success")
	patience := flags.Duration("patience", time.Minute, "time to wait for a job")
	_ = flags.Parse(arguments)
	connected, err := where.open()
	if err != nil {
		return nil, err
	}
	defer connected.Close()
	w.client = pb.NewThirdPartyJobServiceClient(connected)
	for end := time.Now().Add(*patience); w.Job == "" && w.Failure == nil; time.Sleep(200 * time.Millisecond) {
		w.poll(ctx, time.Now().After(end))
	}
	w.acknowledge(ctx, w.details(ctx))
	if *fail {
		w.fail(ctx)
	} else {
		w.succeed(ctx)
	}
	return w, nil
}

// Makes a call within its deadline and records its end. After a failed call there are no further ones.
func (w *jobWorker) call(ctx context.Context, step string, request func(context.Context) error) {
	if w.Failure != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if err := request(ctx); err != nil {
		failure := explained(err)
		failure.Message = step + ": " + failure.Message
		w.Failure = &failure
		return
	}
	w.Steps = append(w.Steps, step)
}

var errNoJob = status.Error(codes.NotFound, "no job")

// Asks for one job. Only the last poll has to return one. An earlier poll can also fail to reach a gateway.
func (w *jobWorker) poll(ctx context.Context, isLast bool) {
	one := int32(1)
	request := &pb.PollForThirdPartyJobsRequest{ActionTypeId: w.actionType, MaxBatchSize: &one}
	w.call(ctx, "poll", func(ctx context.Context) error {
		response, err := w.client.PollForThirdPartyJobs(ctx, request)
		if err != nil {
			return err
		}
		if len(response.GetJobs()) == 0 {
			return errNoJob
		}
		w.Job = response.GetJobs()[0].GetJobId()
		return nil
	})
	if w.Failure != nil && w.Failure.Reason == "" && !isLast {
		w.Failure = nil
	}
}

// Reads the job's details; gives its nonce.
func (w *jobWorker) details(ctx context.Context) string {
	nonce := ""
	w.call(ctx, "details", func(ctx context.Context) error {
		request := &pb.GetThirdPartyJobDetailsRequest{JobId: w.Job, ClientToken: w.clientToken}
		response, err := w.client.GetThirdPartyJobDetails(ctx, request)
		w.Configuration = len(response.GetJobDetails().GetData().GetConfiguration())
		nonce = response.GetJobDetails().GetNonce()
		return err
	})
	return nonce
}

// Takes the job. A job that isn't InProgress now belongs to another worker.
func (w *jobWorker) acknowledge(ctx context.Context, nonce string) {
	w.call(ctx, "acknowledge", func(ctx context.Context) error {
		request := &pb.AcknowledgeThirdPartyJobRequest{JobId: w.Job, Nonce: nonce, ClientToken: w.clientToken}
		response, err := w.client.AcknowledgeThirdPartyJob(ctx, request)
		if err == nil && response.GetStatus() != pb.JobStatus_JOB_STATUS_IN_PROGRESS {
			return status.Errorf(codes.Aborted, "the job's status is %s", response.GetStatus())
		}
		return err
	})
}

func (w *jobWorker) succeed(ctx context.Context) {
	w.call(ctx, "success", func(ctx context.Context) error {
		details := &pb.ExecutionDetails{Summary: "the end-to-end run", ExternalExecutionId: w.Job}
		_, err := w.client.PutThirdPartyJobSuccessResult(ctx, &pb.PutThirdPartyJobSuccessResultRequest{
			JobId: w.Job, ClientToken: w.clientToken, ExecutionDetails: details,
		})
		return err
	})
}

func (w *jobWorker) fail(ctx context.Context) {
	w.call(ctx, "failure", func(ctx context.Context) error {
		details := &pb.FailureDetails{Type: pb.FailureType_FAILURE_TYPE_JOB_FAILED, Message: "the end-to-end run"}
		_, err := w.client.PutThirdPartyJobFailureResult(ctx, &pb.PutThirdPartyJobFailureResultRequest{
			JobId: w.Job, ClientToken: w.clientToken, FailureDetails: details,
		})
		return err
	})
}
