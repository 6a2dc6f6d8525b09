package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Failures of one kind.
type failure struct {
	Code    string  `json:"code"`
	Reason  string  `json:"reason"`
	Outcome string  `json:"outcome"`
	Count   int     `json:"count"`
	First   string  `json:"first"`   // the first one's message
	FirstAt float64 `json:"firstAt"` // seconds after the start
	LastAt  float64 `json:"lastAt"`
}

// What a load came to.
type report struct {
	mutex        sync.Mutex
	start        time.Time
	latencies    []float64
	Calls        int            `json:"calls"`
	OK           int            `json:"ok"`
	Failed       int            `json:"failed"`
	LeftOut      int            `json:"leftOut"`      // due while no worker was free
	Acknowledged int            `json:"acknowledged"` // at the simulator
	Failures     []*failure     `json:"failures"`
	Peers        map[string]int `json:"peers"`
	Certificates map[string]int `json:"certificates"`
	Seconds      float64        `json:"seconds"`
	P50          float64        `json:"p50ms"`
	P99          float64        `json:"p99ms"`
	Max          float64        `json:"maxMs"`
}

func newReport() *report {
	return &report{start: time.Now(), Failures: []*failure{}, Peers: map[string]int{}, Certificates: map[string]int{}}
}

func (r *report) add(a answer) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Calls++
	r.latencies = append(r.latencies, a.Millis)
	if a.Peer != "" {
		r.Peers[a.Peer]++
	}
	if a.Certificate != "" {
		r.Certificates[a.Certificate]++
	}
	if a.ok() {
		r.OK++
		return
	}
	r.Failed++
	at := time.Since(r.start).Seconds()
	for _, known := range r.Failures {
		if known.Code == a.Code && known.Reason == a.Reason && known.Outcome == a.Outcome {
			known.Count++
			known.LastAt = at
			return
		}
	}
	first := a.Message + a.Status
	r.Failures = append(r.Failures, &failure{a.Code, a.Reason, a.Outcome, 1, first, at, at})
}

func (r *report) leaveOut() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.LeftOut++
}

func (r *report) line() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	at := time.Now().UTC().Format(time.TimeOnly)
	return fmt.Sprintf("%s %d calls, %d ok, %d failed, %d left out, by peer %v", at, r.Calls, r.OK, r.Failed, r.LeftOut, r.Peers)
}

func (r *report) finish(acknowledged int) *report {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Acknowledged = acknowledged
	r.Seconds = time.Since(r.start).Seconds()
	slices.Sort(r.latencies)
	if count := len(r.latencies); count > 0 {
		at := func(share float64) float64 { return r.latencies[int(math.Ceil(share*float64(count)))-1] }
		r.P50, r.P99, r.Max = at(0.5), at(0.99), at(1)
	}
	return r
}
