package main

import (
	"context"
	"flag"
	"net"
	"time"
)

// Opens a TCP connection, and prints whether that went: what a network policy lets through.
func dial(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("dial", flag.ExitOnError)
	address := flags.String("addr", "", "HOST:PORT")
	timeout := flags.Duration("timeout", 5*time.Second, "how long it may take")
	_ = flags.Parse(arguments)
	dialer := net.Dialer{Timeout: *timeout}
	connection, err := dialer.DialContext(ctx, "tcp", *address)
	if err != nil {
		return map[string]any{"connected": false, "error": err.Error()}, nil
	}
	return map[string]any{"connected": true}, connection.Close()
}

// Accepts connections and closes them: a place elsewhere.
func listen(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("listen", flag.ExitOnError)
	address := flags.String("addr", ":8080", "where")
	_ = flags.Parse(arguments)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		connection, err := listener.Accept()
		if err != nil {
			return nil, nil
		}
		connection.Close()
	}
}
