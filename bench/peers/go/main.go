// A gateway of grpc-go and aws-sdk-go-v2 with the libraries' defaults and a connection pool for all callers. It has no
// metrics, no log, no limits, and no details in its errors.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"bench/peer/pb"
)

type server struct {
	pb.UnimplementedThirdPartyJobServiceServer
	client *codepipeline.Client
}

func (s *server) AcknowledgeThirdPartyJob(ctx context.Context, in *pb.AcknowledgeThirdPartyJobRequest) (*pb.AcknowledgeThirdPartyJobResponse, error) {
	out, err := s.client.AcknowledgeThirdPartyJob(ctx, &codepipeline.AcknowledgeThirdPartyJobInput{
		JobId: aws.String(in.GetJobId()), Nonce: aws.String(in.GetNonce()), ClientToken: aws.String(in.GetClientToken()),
	})
	if err != nil {
		return nil, status.Error(codes.Unknown, err.Error())
	}
	answer := &pb.AcknowledgeThirdPartyJobResponse{AwsStatus: string(out.Status)}
	if out.Status == "InProgress" {
		answer.Status = pb.JobStatus_JOB_STATUS_IN_PROGRESS
	}
	return answer, nil
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	certs := flag.String("tls", "", "folder with server.pem and server-key.pem: serve TLS")
	flag.Parse()

	// By default the SDK keeps 10 idle connections to a host and opens at most 2,048. With more callers it would
	// reconnect constantly or wait, so its users raise both.
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = 0, 8192, 0
	})
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithHTTPClient(transport), config.WithRetryMaxAttempts(1))
	if err != nil {
		log.Fatal(err)
	}
	var options []grpc.ServerOption
	if *certs != "" {
		pair, err := tls.LoadX509KeyPair(*certs+"/server.pem", *certs+"/server-key.pem")
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(options...)
	pb.RegisterThirdPartyJobServiceServer(s, &server{client: codepipeline.NewFromConfig(cfg)})
	log.Fatal(s.Serve(listener))
}
