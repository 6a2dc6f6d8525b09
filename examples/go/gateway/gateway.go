// Package gateway takes third-party jobs through codepipeline-gateway. Copy this folder as it is, and gen.
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
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	api "example.com/acknowledge/gen/codepipeline/thirdparty/v1"
)

// A call that has less could only become unknown.
const shortestCall = 500 * time.Millisecond

//go:embed service-config.json
var serviceConfig string

// Verdict is what a worker does next.
type Verdict string

const (
	Yours    Verdict = "yours"     // begin the work
	NotYours Verdict = "not_yours" // don't
	Unknown  Verdict = "unknown"   // it may be yours; let nothing repeat the call
)

// Answer is what a call came to. Branch on Verdict; match errors on Reason and Outcome, never on Message.
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

// Verdict says whose the job is.
func (a Answer) Verdict() Verdict {
	switch {
	case a.Status == api.JobStatus_JOB_STATUS_IN_PROGRESS.String():
		return Yours
	case a.Outcome == "unknown", a.Status == api.JobStatus_JOB_STATUS_UNSPECIFIED.String():
		return Unknown
	}
	return NotYours
}

// MayRepeat is true where nothing happened and the same call may be made again.
func (a Answer) MayRepeat() bool {
	return (a.Code == "UNAVAILABLE" || a.Code == "RESOURCE_EXHAUSTED") && (a.Outcome == "not_sent" || a.Outcome == "rejected")
}

// Options of a Gateway. The files are PEM; without CA it is plaintext.
type Options struct {
	CA, Cert, Key string
	TokenFile     string // a bearer token
	ServiceConfig string // a file in place of the built-in one
	Retries       int    // further calls at most; 0 lets the library repeat nothing either
}

// Gateway is made once for the whole process: it keeps a connection to each replica.
type Gateway struct {
	connection *grpc.ClientConn
	stub       api.ThirdPartyJobServiceClient
	retries    int
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
		// No look-up of a service config in DNS: this one holds.
		grpc.WithDisableServiceConfig(),
		// Notices a peer that has vanished, also between calls.
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
	return &Gateway{connection, api.NewThirdPartyJobServiceClient(connection), options.Retries}, nil
}

// Close ends all connections.
func (g *Gateway) Close() error { return g.connection.Close() }

// Acknowledge makes one acknowledge, repeated within the context's deadline only where the gateway says that nothing happened.
func (g *Gateway) Acknowledge(ctx context.Context, jobID, nonce, clientToken string) Answer {
	request := &api.AcknowledgeThirdPartyJobRequest{JobId: jobID, Nonce: nonce, ClientToken: clientToken}
	for calls := 1; ; calls++ {
		answer := g.call(ctx, request)
		answer.Calls = calls
		// What the gateway asks for; and longer every time, if it keeps on.
		pause := max(answer.RetryAfter, 100*time.Millisecond<<calls)
		pause += rand.N(pause / 5)
		if !answer.MayRepeat() || calls > g.retries {
			return answer
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause+shortestCall {
			return answer
		}
		select {
		case <-ctx.Done():
			return answer
		case <-time.After(pause):
		}
	}
}

func (g *Gateway) call(ctx context.Context, request *api.AcknowledgeThirdPartyJobRequest) Answer {
	var header metadata.MD
	reply, err := g.stub.AcknowledgeThirdPartyJob(ctx, request, grpc.Header(&header))
	if err != nil {
		return failed(status.Convert(err))
	}
	jobStatus := reply.Status
	if _, known := api.JobStatus_name[int32(jobStatus)]; !known {
		// A gateway that is newer than the stubs may know one more.
		jobStatus = api.JobStatus_JOB_STATUS_UNSPECIFIED
	}
	id := strings.Join(header.Get("x-request-id"), "")
	return Answer{Code: "OK", Status: jobStatus.String(), AWSStatus: reply.AwsStatus, RequestID: id}
}

func failed(status *status.Status) Answer {
	// Without ErrorInfo it was made by something else than the gateway, and nothing is known of the call.
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
			return nil, errors.New("a token must not cross the network in the clear: a token file needs a CA")
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
