package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
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

// A sidecar that forwards HTTP requests with their own Host. After a signal, it ends immediately and fails the requests in flight.
func proxy(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	address := flags.String("addr", "127.0.0.1:8081", "its address")
	to := flags.String("to", "", "the URL that it forwards to")
	_ = flags.Parse(arguments)
	target, err := url.Parse(*to)
	if err != nil {
		return nil, err
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	server := &http.Server{Addr: *address, Handler: forward, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return nil, err
	}
	return nil, nil
}
