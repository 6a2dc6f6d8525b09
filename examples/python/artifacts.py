"""Downloads and uploads a job's artifacts with the presigned requests of its details. Copy this file as it is."""

import http.client
import time
import urllib.error
import urllib.request

from codepipeline.thirdparty.v1 import third_party_job_service_pb2 as api

# Bytes. A larger artifact needs a file instead of memory.
LARGEST = 64 * 1024 * 1024
# How often a request is sent, and seconds for each.
CALLS, TIMEOUT = 4, 60
# A request that expires earlier than this number of seconds is replaced.
SHORTEST_VALIDITY = 60
FAILURE_TYPES = {403: api.FAILURE_TYPE_PERMISSION_ERROR, 404: api.FAILURE_TYPE_REVISION_UNAVAILABLE}


class ArtifactError(Exception):
    """An artifact can't be downloaded or uploaded. `type` is the failure type of the job."""

    def __init__(self, type, message):
        super().__init__(message)
        self.type = type


class Artifacts:
    """The artifacts of one job. `read_details` reads the job again and returns its details, or None."""

    def __init__(self, data, read_details):
        self.data, self.read_details = data, read_details

    def download(self, name):
        """The content of an input artifact."""
        return self._send("input_artifacts", name, None)

    def upload(self, name, content):
        """Stores an output artifact."""
        self._send("output_artifacts", name, content)

    def _send(self, kind, name, content):
        """Retries after a missing response and after the statuses that can change. After 403, with a new request."""
        status = 0
        for call in range(CALLS):
            if call:
                time.sleep(0.25 * 2**call)
            status, body = send(self._request(kind, name, status == 403), content)
            if status == 200:
                return body
            if status not in (0, 403, 429) and status < 500:
                break
        text = f"The artifact {name} isn't available: " + (f"HTTP status {status}." if status else "no response.")
        raise ArtifactError(FAILURE_TYPES.get(status, api.FAILURE_TYPE_SYSTEM_UNAVAILABLE), text)

    def _request(self, kind, name, rejected):
        """The artifact's request. Reads the details again if S3 rejected the request, or if it expires soon."""
        request = self._find(kind, name)
        if rejected or request is None or request.expires_at.ToSeconds() < time.time() + SHORTEST_VALIDITY:
            details = self.read_details()
            if details is not None:
                self.data = details.data
            request = self._find(kind, name)
        if request is None:
            raise ArtifactError(api.FAILURE_TYPE_PERMISSION_ERROR, f"The job has no request for the artifact {name}.")
        return request

    def _find(self, kind, name):
        found = (a.request for a in getattr(self.data, kind) if a.name == name and a.HasField("request"))
        return next(found, None)


def send(request, content):
    """The HTTP status and the body; status 0 if there is no response. No error shows the URL or the headers."""
    headers = dict(request.headers)
    if content is not None:
        # Otherwise, urllib sends the type of a form.
        headers.setdefault("Content-Type", "application/octet-stream")
    try:
        call = urllib.request.Request(request.url, content, headers, method=request.method)
        with urllib.request.urlopen(call, timeout=TIMEOUT) as response:
            if response.length is None or response.length > LARGEST:
                raise ArtifactError(api.FAILURE_TYPE_JOB_FAILED, f"An artifact is larger than {LARGEST} bytes.")
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""
    except (OSError, ValueError, http.client.HTTPException):
        return 0, b""
