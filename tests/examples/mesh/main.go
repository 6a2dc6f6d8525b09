// A stand-in for a mesh's sidecar that repeats calls by itself, as Envoy does with Istio's default policy
// (connect-failure, refused-stream, unavailable, cancelled; two retries): it knows nothing of the gateway and looks at
// no details.
//
//	mesh [-resets] LISTEN UPSTREAM…
//
// -resets is a wrong policy for this call: repeat also where the connection broke after the request
// went out.
package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

const retries = 2

func main() {
	resets := flag.Bool("resets", false, "repeat also where the connection broke")
	flag.Parse()
	proxy := &proxy{upstreams: flag.Args()[1:], resets: *resets}
	proxy.transport.Protocols = new(http.Protocols)
	proxy.transport.Protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: flag.Arg(0), Handler: proxy, Protocols: proxy.transport.Protocols}
	log.Fatal(server.ListenAndServe())
}

type proxy struct {
	upstreams []string
	next      atomic.Int64
	resets    bool
	transport http.Transport
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	for attempt := 0; ; attempt++ {
		answer, body, err := p.attempt(r, request)
		if attempt < retries && p.again(answer, err) {
			continue
		}
		if err != nil {
			// Envoy's own answer for a connection that broke: it is no upstream's, so it isn't repeated.
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "14")
			w.Header().Set("Grpc-Message", "upstream connect error or disconnect/reset before headers")
			return
		}
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(body)
		for name, values := range answer.Trailer {
			w.Header()[http.TrailerPrefix+name] = values
		}
		return
	}
}

func (p *proxy) attempt(r *http.Request, request []byte) (*http.Response, []byte, error) {
	upstream := p.upstreams[0]
	// A health check takes no turn, so that the first call about a job goes to the first upstream.
	if !strings.HasPrefix(r.URL.Path, "/grpc.health.v1.Health/") {
		upstream = p.upstreams[int(p.next.Add(1)-1)%len(p.upstreams)]
	}
	again := r.Clone(r.Context())
	again.RequestURI, again.URL.Scheme, again.URL.Host = "", "http", upstream
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(request)), int64(len(request))
	answer, err := p.transport.RoundTrip(again)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

func (p *proxy) again(answer *http.Response, err error) bool {
	if err != nil {
		var dial *net.OpError
		neverSent := errors.As(err, &dial) && dial.Op == "dial"
		return neverSent || p.resets
	}
	status := answer.Header.Get("Grpc-Status") + answer.Trailer.Get("Grpc-Status")
	return status == "14" || status == "1"
}
