package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	api "example.com/acknowledge/gen/codepipeline/thirdparty/v1"
)

const (
	// Bytes. A larger artifact needs a file instead of memory.
	largestArtifact = 64 << 20
	// How often a request is sent.
	artifactCalls = 4
	// A request that expires earlier is replaced.
	shortestValidity = time.Minute
)

// S3 compresses nothing, and an object stays as it is stored.
var bucket = http.Client{Timeout: time.Minute, Transport: uncompressed()}

func uncompressed() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	return transport
}

// Artifacts of one job. Their requests are secrets.
type Artifacts struct {
	data *api.ThirdPartyJobData
	// Reads the job again. Returns nil if that fails.
	readAgain func(context.Context) *api.ThirdPartyJobDetails
}

// NewArtifacts takes the data of a job's details, and a function that reads the details again.
func NewArtifacts(data *api.ThirdPartyJobData, readAgain func(context.Context) *api.ThirdPartyJobDetails) *Artifacts {
	return &Artifacts{data, readAgain}
}

// ArtifactError says that an artifact can't be downloaded or uploaded. Type is the failure type of the job.
type ArtifactError struct {
	Type    api.FailureType
	message string
}

func (e *ArtifactError) Error() string { return e.message }

// Download returns the content of an input artifact.
func (a *Artifacts) Download(ctx context.Context, name string) ([]byte, error) {
	return a.send(ctx, (*api.ThirdPartyJobData).GetInputArtifacts, name, nil)
}

// Upload stores an output artifact.
func (a *Artifacts) Upload(ctx context.Context, name string, content []byte) error {
	_, err := a.send(ctx, (*api.ThirdPartyJobData).GetOutputArtifacts, name, content)
	return err
}

type list func(*api.ThirdPartyJobData) []*api.Artifact

// send retries after a missing response and after the statuses that can change. After 403, it uses a new request.
func (a *Artifacts) send(ctx context.Context, of list, name string, content []byte) ([]byte, error) {
	status := 0
	for call := range artifactCalls {
		if call > 0 {
			time.Sleep(250 * time.Millisecond << call)
		}
		request, err := a.request(ctx, of, name, status == http.StatusForbidden)
		if err != nil {
			return nil, err
		}
		var body []byte
		body, status = sendOnce(ctx, request, content)
		if len(body) > largestArtifact {
			text := fmt.Sprintf("The artifact %s is larger than %d bytes.", name, largestArtifact)
			return nil, &ArtifactError{api.FailureType_FAILURE_TYPE_JOB_FAILED, text}
		}
		if status == http.StatusOK {
			return body, nil
		}
		if !canChange(status) {
			break
		}
	}
	return nil, &ArtifactError{failureType(status), fmt.Sprintf("The artifact %s isn't available: %s.", name, outcome(status))}
}

// request returns the artifact's request. It reads the details again if S3 rejected the request, or if it expires soon.
func (a *Artifacts) request(ctx context.Context, of list, name string, rejected bool) (*api.ArtifactRequest, error) {
	request := find(of(a.data), name)
	if rejected || time.Until(request.GetExpiresAt().AsTime()) < shortestValidity {
		if details := a.readAgain(ctx); details != nil {
			a.data = details.GetData()
			request = find(of(a.data), name)
		}
	}
	if request == nil {
		text := fmt.Sprintf("The job has no request for the artifact %s.", name)
		return nil, &ArtifactError{api.FailureType_FAILURE_TYPE_PERMISSION_ERROR, text}
	}
	return request, nil
}

func find(artifacts []*api.Artifact, name string) *api.ArtifactRequest {
	for _, artifact := range artifacts {
		if artifact.GetName() == name {
			return artifact.GetRequest()
		}
	}
	return nil
}

// sendOnce returns the body and the HTTP status, which is 0 if there is no response. It drops the error, which has the
// URL in its text.
func sendOnce(ctx context.Context, request *api.ArtifactRequest, content []byte) ([]byte, int) {
	call, err := http.NewRequestWithContext(ctx, request.GetMethod(), request.GetUrl(), bytes.NewReader(content))
	if err != nil {
		return nil, 0
	}
	for name, value := range request.GetHeaders() {
		call.Header.Set(name, value)
	}
	response, err := bucket.Do(call)
	if err != nil {
		return nil, 0
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, response.StatusCode
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, largestArtifact+1))
	if err != nil {
		return nil, 0
	}
	return body, response.StatusCode
}

func canChange(status int) bool {
	return status == 0 || status == http.StatusForbidden || status == http.StatusTooManyRequests || status >= 500
}

func failureType(status int) api.FailureType {
	switch status {
	case http.StatusForbidden:
		return api.FailureType_FAILURE_TYPE_PERMISSION_ERROR
	case http.StatusNotFound:
		return api.FailureType_FAILURE_TYPE_REVISION_UNAVAILABLE
	}
	return api.FailureType_FAILURE_TYPE_SYSTEM_UNAVAILABLE
}

func outcome(status int) string {
	if status == 0 {
		return "no response"
	}
	return fmt.Sprintf("HTTP status %d", status)
}
