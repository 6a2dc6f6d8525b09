package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// All pods behind the name are called in turn.
const roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// Where to call, and who calls.
type connection struct {
	target, ca, cert, key, serverName, tokenFile string
	dnsDelay                                     time.Duration
}

func (c *connection) flags(flags *flag.FlagSet) {
	flags.StringVar(&c.target, "target", "", "such as dns:///gateway-headless:50051")
	flags.StringVar(&c.ca, "ca", "", "PEM roots; without them it is plaintext")
	flags.StringVar(&c.cert, "cert", "", "PEM client certificate")
	flags.StringVar(&c.key, "key", "", "its key")
	flags.StringVar(&c.serverName, "server-name", "", "the name in the gateway's certificate, if it isn't the target's")
	flags.StringVar(&c.tokenFile, "token-file", "", "a bearer token, read for each call")
	flags.DurationVar(&c.dnsDelay, "dns-delay", 0, "how much later each question to DNS is asked: a busy DNS, or a lost packet")
}

// A client that never retries by itself, as hard a judge as there is. (What the library's transparent retry repeats was
// never given to the gateway: that is no retry by policy, and every client does it.)
func (c *connection) open() (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if c.ca != "" {
		config, err := c.tls()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	if c.dnsDelay != 0 {
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: late(c.dnsDelay)}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(roundRobin),
		grpc.WithNoProxy(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
	if c.tokenFile != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.tokenFile)))
	}
	return grpc.NewClient(c.target, options...)
}

// Connects to a DNS server after a delay.
func late(delay time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(delay):
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, address)
	}
}

func (c *connection) tls() (*tls.Config, error) {
	pem, err := os.ReadFile(c.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", c.ca)
	}
	config := &tls.Config{RootCAs: roots, ServerName: c.serverName, MinVersion: tls.VersionTLS12}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// The path of a file with a token: a service account's is renewed in place.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(string(b))
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

// The test's tokens may cross the test's network unencrypted.
func (bearer) RequireTransportSecurity() bool { return false }
