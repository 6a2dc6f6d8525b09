package main

import (
	"context"
	"flag"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.com/caller/gen/codepipeline/thirdparty/v1"
)

// Workers that wait for jobs, each with one long poll after the other, for a time or until a signal. Prints a report.
func waiters(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("waiters", flag.ExitOnError)
	var where connection
	where.flags(flags)
	action := &pb.ActionTypeId{Owner: "ThirdParty", Version: "1"}
	flags.StringVar(&action.Category, "category", "Build", "the action type's category")
	flags.StringVar(&action.Provider, "provider", "Waiters", "the action type's provider")
	workers := flags.Int("workers", 200, "calls that wait at the same time")
	wait := flags.Duration("wait", 5*time.Second, "how long each call waits")
	limit := flags.Duration("for", 5*time.Minute, "ends after this time")
	timeout := flags.Duration("timeout", 20*time.Second, "each call's deadline")
	_ = flags.Parse(arguments)
	client, err := where.open()
	if err != nil {
		return nil, err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	request := &pb.PollForThirdPartyJobsRequest{ActionTypeId: action, Wait: durationpb.New(*wait)}
	found := newReport()
	var running sync.WaitGroup
	for range *workers {
		running.Go(func() {
			for ctx.Err() == nil {
				// A call that has started is waited for also after a signal.
				found.add(poll(context.WithoutCancel(ctx), client, request, *timeout))
			}
		})
	}
	progress(ctx, &running, found)
	running.Wait()
	return found.finish(0), nil
}

func poll(ctx context.Context, connection *grpc.ClientConn, request *pb.PollForThirdPartyJobsRequest, timeout time.Duration) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var there peer.Peer
	start := time.Now()
	_, err := pb.NewThirdPartyJobServiceClient(connection).PollForThirdPartyJobs(ctx, request, grpc.Peer(&there))
	result := ended(err, start, &there)
	result.poll = true
	return result
}
