// The end-to-end run's caller: what stands on the other side of the gateway, and the stand-ins that an installation
// without AWS needs. One program, so that the run needs one image.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// What the program can do, by the first argument.
var commands = map[string]func(ctx context.Context, arguments []string) (any, error){
	"idle":         idle,
	"stop":         stop,
	"call":         call,
	"load":         load,
	"worker":       worker,
	"waiters":      waiters,
	"dial":         dial,
	"listen":       listen,
	"proxy":        proxy,
	"sts":          sts,
	"pod-identity": podIdentity,
	"kill":         kill,
}

// Prints what the command found as one line of JSON. Exit 1: it could not do its work; what it found is never an error.
func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: caller idle|stop|call|load|worker|waiters|dial|listen|proxy|sts|pod-identity|kill [options]")
		os.Exit(64)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	found, err := commands[os.Args[1]](ctx, os.Args[2:])
	cancel()
	if err != nil {
		fmt.Fprintf(os.Stderr, "caller %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	if found != nil {
		// Structs of texts and numbers: writing them can't fail.
		_ = json.NewEncoder(os.Stdout).Encode(found)
	}
}

// Waits for a signal: a pod to run the other commands in.
func idle(ctx context.Context, _ []string) (any, error) {
	<-ctx.Done()
	return nil, nil
}

// Tells the pod's own program to stop: there is no shell and no kill in the image.
func stop(context.Context, []string) (any, error) {
	return nil, syscall.Kill(1, syscall.SIGTERM)
}
