package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"
)

// Calls at a steady rate, each with a job of its own, for a time or until a signal; prints a report.
func load(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	var where connection
	where.flags(flags)
	all := jobs{ids: make(chan string, batch)}
	flags.StringVar(&all.simulator, "simulator", "", "the simulator's control API, such as http://simulator:4599/_simulator")
	flags.StringVar(&all.prefix, "jobs", "load", "the prefix of the jobs' ids, used by no other caller")
	flags.IntVar(&all.delay, "delay", 0, "milliseconds that AWS takes for some of the jobs")
	flags.IntVar(&all.every, "delay-every", 0, "every how manieth job that is; 0: none")
	rate := flags.Int("rate", 100, "calls per second")
	workers := flags.Int("workers", 32, "calls in flight at most")
	limit := flags.Duration("for", 5*time.Minute, "ends by itself after this time")
	timeout := flags.Duration("timeout", 10*time.Second, "each call's deadline")
	_ = flags.Parse(arguments)
	client, err := where.open()
	if err != nil {
		return nil, err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	var running sync.WaitGroup
	seeded := make(chan error, 1)
	running.Go(func() {
		defer close(all.ids)
		seeded <- all.seed(ctx)
	})
	found := newReport()
	due := make(chan string)
	for range *workers {
		running.Go(func() {
			for job := range due {
				// Told to stop or not, a call that was begun is waited for: its deadline is its own.
				found.add(acknowledge(context.WithoutCancel(ctx), client, job, *timeout))
			}
		})
	}
	progress(ctx, &running, found)
	pace(ctx, *rate, all.ids, due, found)
	running.Wait()
	if err := <-seeded; err != nil {
		return nil, err
	}
	acknowledged, err := all.acknowledged(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	return found.finish(acknowledged), nil
}

// Hands out a job each time that one is due. Where no worker is free the call is left out and counted: a load that
// slows down with the gateway would hide that it does.
func pace(ctx context.Context, rate int, ids <-chan string, due chan<- string, found *report) {
	defer close(due)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		job, more := <-ids
		if !more {
			return
		}
		select {
		case due <- job:
		default:
			found.leaveOut()
		}
	}
}

// A line a second on standard error, so that a pod's log shows what happened when.
func progress(ctx context.Context, running *sync.WaitGroup, found *report) {
	running.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				fmt.Fprintln(os.Stderr, found.line())
			}
		}
	})
}
