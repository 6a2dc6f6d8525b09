package gateway

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// Flags adds the options to a command line.
func (o *Options) Flags(set *flag.FlagSet) {
	o.Timeout = 10 * time.Second
	set.Func("timeout", "seconds per call, retries included, without the wait (default 10)", func(text string) error {
		timeout, err := time.ParseDuration(text + "s")
		o.Timeout = timeout
		return err
	})
	set.IntVar(&o.Retries, "retries", 3, "maximum number of retries; 0: the library doesn't retry either")
	set.StringVar(&o.CA, "ca", "", "PEM `file` with CA certificates; without it, the connection is plaintext")
	set.StringVar(&o.Cert, "cert", "", "PEM `file` with the client certificate")
	set.StringVar(&o.Key, "key", "", "PEM `file` with its key")
	set.StringVar(&o.TokenFile, "token-file", "", "`file` with a bearer token, read for each call")
	set.StringVar(&o.ServiceConfig, "service-config", "", "gRPC service config that replaces the built-in one")
}

// Secret is the value of a variable. It isn't an argument, because arguments show in the list of processes.
func Secret(variable string) (string, error) {
	value := os.Getenv(variable)
	if value == "" {
		return "", fmt.Errorf("%s is missing or empty", variable)
	}
	return value, nil
}
