// Package gateway makes the calls of third-party jobs through codepipeline-gateway. Copy this folder as it is, and gen.
package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	api "example.com/acknowledge/gen/codepipeline/thirdparty/v1"
)

// A shorter call could only end as unknown.
const shortestCall = 500 * time.Millisecond

//go:embed service-config.json
var serviceConfig string

// Verdict is what a worker does after an acknowledge.
type Verdict string

const (
	Yours    Verdict = "yours"     // begin the work
	NotYours Verdict = "not_yours" // don't
	Unknown  Verdict = "unknown"   // it might be yours; don't retry automatically
)

// Answer is the result of a call. Match errors on Reason and Outcome, never on Message.
type Answer struct {
	Code       string        `json:"code"`
	Status     string        `json:"status"`
	AWSStatus  string        `json:"aws_status"`
	Reason     string        `json:"reason"`
	Outcome    string        `json:"outcome"`
	Attempts   int           `json:"attempts"` // at AWS, by the last call
	Calls      int           `json:"calls"`
	RequestID  string        `json:"request_id"`
	Message    string        `json:"message"`
	RetryAfter time.Duration `json:"-"`
}

// Verdict says whether the job is yours.
func (a Answer) Verdict() Verdict {
	switch {
	case a.Status == api.JobStatus_JOB_STATUS_IN_PROGRESS.String():
		return Yours
	case a.Outcome == "unknown", a.Status == api.JobStatus_JOB_STATUS_UNSPECIFIED.String():
		return Unknown
	}
	return NotYours
}

// NothingHappened is true if the same call can be retried.
func (a Answer) NothingHappened() bool {
	return a.isRepeatable() && (a.Outcome == "not_sent" || a.Outcome == "rejected")
}

func (a Answer) isRepeatable() bool { return a.Code == "UNAVAILABLE" || a.Code == "RESOURCE_EXHAUSTED" }

// isTransient is true if a retry of a harmless call can help. An error without a reason comes from a library or a proxy.
func (a Answer) isTransient() bool { return a.isRepeatable() || a.Code != "OK" && a.Reason == "" }

// Options of a Gateway. The files are PEM; without CA it is plaintext.
type Options struct {
	CA, Cert, Key string
	TokenFile     string        // a bearer token
	ServiceConfig string        // a file that replaces the built-in one
	Retries       int           // maximum number of retries; with 0, the library doesn't retry either
	Timeout       time.Duration // per call, retries included; a poll has its wait in addition
}

// Gateway is created once for the whole process: it keeps a connection to each replica.
type Gateway struct {
	connection *grpc.ClientConn
	connected  atomic.Bool
	stub       api.ThirdPartyJobServiceClient
	retries    int
	timeout    time.Duration
}

// New takes a headless Service as its target: dns:///codepipeline-gateway-headless:50051.
func New(target string, options Options) (*Gateway, error) {
	transport, err := transport(options)
	if err != nil {
		return nil, err
	}
	config := serviceConfig
	if options.ServiceConfig != "" {
		text, err := os.ReadFile(options.ServiceConfig)
		if err != nil {
			return nil, err
		}
		config = string(text)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(config),
		// Ignores a service config in DNS.
		grpc.WithDisableServiceConfig(),
		// Detects a peer that disappeared, also between calls.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 10 * time.Second, PermitWithoutStream: true}),
	}
	if options.TokenFile != "" {
		dial = append(dial, grpc.WithPerRPCCredentials(bearerToken(options.TokenFile)))
	}
	if options.Retries == 0 {
		dial = append(dial, grpc.WithDisableRetry())
	}
	connection, err := grpc.NewClient(target, dial...)
	if err != nil {
		return nil, err
	}
	stub := api.NewThirdPartyJobServiceClient(connection)
	return &Gateway{connection: connection, stub: stub, retries: options.Retries, timeout: options.Timeout}, nil
}

// Close closes all connections.
func (g *Gateway) Close() error { return g.connection.Close() }

// Poll asks for jobs, and waits for the first one. It is retried after any UNAVAILABLE: AWS hands lost jobs out again.
func (g *Gateway) Poll(
	ctx context.Context, actionType *api.ActionTypeId, maxBatchSize int, wait time.Duration,
) ([]*api.ThirdPartyJob, Answer) {
	request := &api.PollForThirdPartyJobsRequest{
		ActionTypeId: actionType, MaxBatchSize: proto.Int32(int32(maxBatchSize)), Wait: durationpb.New(wait),
	}
	reply, answer := retried(ctx, g, wait+g.timeout, true, g.stub.PollForThirdPartyJobs, request)
	return reply.GetJobs(), answer
}

// Details reads a job. It is retried after any UNAVAILABLE: the call changes nothing.
func (g *Gateway) Details(ctx context.Context, jobID, clientToken string) (*api.ThirdPartyJobDetails, Answer) {
	request := &api.GetThirdPartyJobDetailsRequest{JobId: jobID, ClientToken: clientToken}
	reply, answer := retried(ctx, g, g.timeout, true, g.stub.GetThirdPartyJobDetails, request)
	return reply.GetJobDetails(), answer
}

// Acknowledge takes a job. It is retried only if the gateway says that nothing happened.
func (g *Gateway) Acknowledge(ctx context.Context, jobID, nonce, clientToken string) Answer {
	request := &api.AcknowledgeThirdPartyJobRequest{JobId: jobID, Nonce: nonce, ClientToken: clientToken}
	reply, answer := retried(ctx, g, g.timeout, false, g.stub.AcknowledgeThirdPartyJob, request)
	if answer.Code == "OK" {
		jobStatus := reply.Status
		if _, known := api.JobStatus_name[int32(jobStatus)]; !known {
			// A newer gateway can know more statuses than these stubs.
			jobStatus = api.JobStatus_JOB_STATUS_UNSPECIFIED
		}
		answer.Status, answer.AWSStatus = jobStatus.String(), reply.AwsStatus
	}
	return answer
}

// Succeed ends a job with a success. It is retried only if the gateway says that nothing happened.
func (g *Gateway) Succeed(ctx context.Context, jobID, clientToken string, details *api.ExecutionDetails) Answer {
	request := &api.PutThirdPartyJobSuccessResultRequest{JobId: jobID, ClientToken: clientToken, ExecutionDetails: details}
	_, answer := retried(ctx, g, g.timeout, false, g.stub.PutThirdPartyJobSuccessResult, request)
	return answer
}

// Fail ends a job with a failure. It is retried only if the gateway says that nothing happened.
func (g *Gateway) Fail(ctx context.Context, jobID, clientToken string, details *api.FailureDetails) Answer {
	request := &api.PutThirdPartyJobFailureResultRequest{JobId: jobID, ClientToken: clientToken, FailureDetails: details}
	_, answer := retried(ctx, g, g.timeout, false, g.stub.PutThirdPartyJobFailureResult, request)
	return answer
}

// method is a call of the generated stub.
type method[Request, Reply any] func(context.Context, Request, ...grpc.CallOption) (Reply, error)

// A harmless call is retried whatever its outcome is.
func retried[Request, Reply any](
	ctx context.Context, g *Gateway, timeout time.Duration, harmless bool, call method[Request, Reply], request Request,
) (Reply, Answer) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for calls := 1; ; calls++ {
		reply, answer := once(ctx, g, call, request)
		answer.Calls = calls
		// At least the RetryInfo delay, and longer each time.
		pause := max(answer.RetryAfter, 100*time.Millisecond<<calls)
		pause += rand.N(pause / 5)
		if !(answer.NothingHappened() || harmless && answer.isTransient()) || calls > g.retries {
			return reply, answer
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause+shortestCall {
			return reply, answer
		}
		select {
		case <-ctx.Done():
			return reply, answer
		case <-time.After(pause):
		}
	}
}

func once[Request, Reply any](
	ctx context.Context, g *Gateway, call method[Request, Reply], request Request,
) (reply Reply, answer Answer) {
	if answer, ok := g.connect(ctx); !ok {
		return reply, answer
	}
	var header metadata.MD
	reply, err := call(ctx, request, grpc.Header(&header))
	if err != nil {
		return reply, failed(status.Convert(err))
	}
	return reply, Answer{Code: "OK", RequestID: strings.Join(header.Get("x-request-id"), "")}
}

// connect returns false and the error if there has never been a connection. The calls wait for one, so only the health
// check, which isn't in the service config, reports the cause.
func (g *Gateway) connect(ctx context.Context) (Answer, bool) {
	if g.connected.Load() {
		return Answer{}, true
	}
	_, err := health.NewHealthClient(g.connection).Check(ctx, &health.HealthCheckRequest{})
	if failed := status.Convert(err); failed.Code() == codes.Unavailable || failed.Code() == codes.DeadlineExceeded {
		message := fmt.Sprintf("no connection to %s: %s", g.connection.Target(), failed.Message())
		return Answer{Code: code.Code(failed.Code()).String(), Outcome: "not_sent", Message: message}, false
	}
	g.connected.Store(true)
	return Answer{}, true
}

func failed(status *status.Status) Answer {
	// An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
	answer := Answer{Code: code.Code(status.Code()).String(), Message: status.Message(), Outcome: "unknown"}
	for _, detail := range status.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == "codepipeline-gateway" {
				answer.Reason = detail.Reason
				answer.Attempts, _ = strconv.Atoi(detail.Metadata["attempts"])
				if outcome := detail.Metadata["outcome"]; outcome != "" {
					answer.Outcome = outcome
				}
			}
		case *errdetails.RetryInfo:
			answer.RetryAfter = detail.RetryDelay.AsDuration()
		case *errdetails.RequestInfo:
			answer.RequestID = detail.RequestId
		}
	}
	return answer
}

func transport(options Options) (credentials.TransportCredentials, error) {
	if options.CA == "" {
		if options.TokenFile != "" {
			return nil, errors.New("the token must be encrypted: a token file needs a CA")
		}
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(options.CA)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", options.CA)
	}
	if options.Cert != "" {
		// Read for each connection, so a renewed certificate needs no restart.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(options.Cert, options.Key)
			return &pair, err
		}
	}
	return credentials.NewTLS(config), nil
}

// bearerToken is a file, read for each call: Kubernetes replaces a projected token before it expires.
type bearerToken string

func (file bearerToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(string(file))
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, err
}

func (bearerToken) RequireTransportSecurity() bool { return true }
