"""Responses of boto3 and of the gateway in one form, so that they can be compared field by field."""

from model import STATUSES


def in_proto_form(operation, answer):
    """boto3's response in the form of the gateway's."""
    if operation == "acknowledge":
        status = answer.get("status", "")
        known = STATUSES.get(status, "JOB_STATUS_UNSPECIFIED")
        return without_empty({"status": known, "aws_status": status})
    if operation == "poll":
        jobs = answer.get("jobs", [])
        jobs = [{"job_id": job["jobId"], "client_id": job["clientId"]} for job in jobs]
        return without_empty({"jobs": jobs})
    if operation != "details":
        return {}
    details = answer["jobDetails"]
    data = details.get("data", {})
    context, keys = data.get("pipelineContext", {}), data.get("artifactCredentials")
    data = {
        "action_type_id": data.get("actionTypeId"),
        "configuration": data.get("actionConfiguration", {}).get("configuration"),
        "pipeline_context": {
            "pipeline_name": context.get("pipelineName"),
            "stage_name": context.get("stage", {}).get("name"),
            "action_name": context.get("action", {}).get("name"),
            "action_execution_id": context.get("action", {}).get("actionExecutionId"),
        },
        "input_artifacts": [artifact(one) for one in data.get("inputArtifacts", [])],
        "output_artifacts": [artifact(one) for one in data.get("outputArtifacts", [])],
        "artifact_credentials": keys
        and {
            "access_key_id": keys["accessKeyId"],
            "secret_access_key": keys["secretAccessKey"],
            "session_token": keys["sessionToken"],
        },
        "continuation_token": data.get("continuationToken"),
        "encryption_key": data.get("encryptionKey"),
    }
    found = {"id": details.get("id"), "nonce": details.get("nonce"), "data": data}
    return without_empty({"job_details": without_keys(found)})


def artifact(one):
    place = one.get("location", {}).get("s3Location", {})
    return {
        "name": one.get("name"),
        "revision": one.get("revision"),
        "bucket_name": place.get("bucketName"),
        "object_key": place.get("objectKey"),
    }


def without_keys(details):
    """The credentials are new in each response. What counts is that there are all three.

    So are the requests that the gateway signs with them, which presigned.py compares.
    """
    data = details.get("data", {})
    keys = data.get("artifact_credentials")
    for one in data.get("input_artifacts", []) + data.get("output_artifacts", []):
        one.pop("request", None)
    if keys:
        whole = all(keys.values()) and len(keys) == 3
        details["data"]["artifact_credentials"] = "(new)" if whole else keys
    return details


def without_empty(value):
    """An empty field in a proto message is the same as a missing one. A configuration's values count."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        item = item if name == "configuration" else without_empty(item)
        if item not in (None, "", [], {}, "JOB_STATUS_UNSPECIFIED"):
            kept[name] = item
    return kept
