package main

import (
	"context"
	"flag"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	pb "example.com/caller/gen/codepipeline/thirdparty/v1"
)

// What one call came to.
type answer struct {
	Code        string  `json:"code"`
	Status      string  `json:"status,omitempty"`
	Reason      string  `json:"reason,omitempty"`  // empty: the client's own error, the gateway said nothing
	Outcome     string  `json:"outcome,omitempty"` // what the gateway knows of the call at AWS
	Message     string  `json:"message,omitempty"`
	Peer        string  `json:"peer,omitempty"`
	Certificate string  `json:"certificate,omitempty"` // serial number of the gateway's
	Millis      float64 `json:"ms"`
	poll        bool
}

func (a answer) ok() bool {
	return a.Code == codes.OK.String() && (a.poll || a.Status == pb.JobStatus_JOB_STATUS_IN_PROGRESS.String())
}

// Makes a single call, and prints its answer. With patience it is made again, over a new connection each time, while
// nothing at all answers: from the first moment of an installation on.
func call(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("call", flag.ExitOnError)
	var where connection
	where.flags(flags)
	job := flags.String("job", "no-such-job", "the job to acknowledge")
	timeout := flags.Duration("timeout", 10*time.Second, "the call's deadline")
	patience := flags.Duration("patience", 0, "how long nothing may answer")
	_ = flags.Parse(arguments)
	for end := time.Now().Add(*patience); ; time.Sleep(50 * time.Millisecond) {
		client, err := where.open()
		if err != nil {
			return nil, err
		}
		result := acknowledge(ctx, client, *job, *timeout)
		client.Close()
		unreached := result.Code == codes.Unavailable.String() && result.Reason == ""
		if !unreached || ctx.Err() != nil || time.Now().After(end) {
			return result, nil
		}
	}
}

func acknowledge(ctx context.Context, connection *grpc.ClientConn, job string, timeout time.Duration) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var there peer.Peer
	start := time.Now()
	request := &pb.AcknowledgeThirdPartyJobRequest{JobId: job, Nonce: nonce, ClientToken: clientToken}
	client := pb.NewThirdPartyJobServiceClient(connection)
	response, err := client.AcknowledgeThirdPartyJob(ctx, request, grpc.Peer(&there))
	result := ended(err, start, &there)
	if err == nil {
		result.Status = response.GetStatus().String()
	}
	return result
}

// The end of a call that started at this time: its duration, its peer, and what explained says.
func ended(err error, start time.Time, there *peer.Peer) answer {
	result := explained(err)
	result.Millis = float64(time.Since(start).Microseconds()) / 1000
	if there.Addr != nil {
		result.Peer = there.Addr.String()
	}
	if info, ok := there.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
		result.Certificate = info.State.PeerCertificates[0].SerialNumber.String()
	}
	return result
}

// The code, the message, and the gateway's own details of a call's end.
func explained(err error) answer {
	ended := status.Convert(err)
	result := answer{Code: ended.Code().String(), Message: ended.Message()}
	for _, detail := range ended.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "codepipeline-gateway" {
			result.Reason, result.Outcome = info.GetReason(), info.GetMetadata()["outcome"]
		}
	}
	return result
}
