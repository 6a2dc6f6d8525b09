package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// What every job of a run has; only the simulator takes them.
const nonce, clientToken = "fake-nonce", "fake-client-token"

// How many jobs are put together, and how many are ready.
const batch = 500

// The jobs of one load, each for a single call.
type jobs struct {
	simulator string // its control API, such as http://simulator:4599/_simulator
	prefix    string
	delay     int // milliseconds that AWS takes for each `every`th job
	every     int
	ids       chan string
}

type job struct {
	ID          string `json:"id"`
	Nonce       string `json:"nonce,omitempty"`
	ClientToken string `json:"client_token,omitempty"`
	Status      string `json:"status,omitempty"`
	Faults      []any  `json:"faults,omitempty"`
}

// Keeps jobs ready until the context ends.
func (j *jobs) seed(ctx context.Context) error {
	for next := 0; ; next += batch {
		list := make([]job, batch)
		for i := range list {
			number := next + i
			list[i] = job{ID: fmt.Sprintf("%s-%d", j.prefix, number), Nonce: nonce, ClientToken: clientToken}
			if j.every > 0 && number%j.every == 0 {
				list[i].Faults = []any{map[string]any{"fault": map[string]any{"delay": map[string]any{"ms": j.delay}}}}
			}
		}
		body, err := json.Marshal(map[string]any{"jobs": list})
		if err != nil {
			return err
		}
		if _, err := j.ask(ctx, http.MethodPut, body); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, job := range list {
			select {
			case j.ids <- job.ID:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// How many of the jobs have been acknowledged at AWS: each call that was answered OK, and no other.
func (j *jobs) acknowledged(ctx context.Context) (int, error) {
	body, err := j.ask(ctx, http.MethodGet, nil)
	if err != nil {
		return 0, err
	}
	var list struct{ Jobs []job }
	if err := json.Unmarshal(body, &list); err != nil {
		return 0, err
	}
	count := 0
	for _, job := range list.Jobs {
		if job.Status == "InProgress" && strings.HasPrefix(job.ID, j.prefix+"-") {
			count++
		}
	}
	return count, nil
}

func (j *jobs) ask(ctx context.Context, method string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, j.simulator+"/jobs", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s %.200s", method, j.simulator, response.Status, text)
	}
	return text, nil
}
