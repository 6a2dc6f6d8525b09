#!/usr/bin/env bash
# A worker without AWS: in a network namespace that reaches only the gateway and the bucket, curl and grpcurl alone do a whole
# job: wait for it, read it, acknowledge it, download its input, upload its output, report its success.
#
# grpcurl comes from tools/install.sh; the gateway is $GATEWAY_BIN, or built. Needs `unshare` and `ip`, and root or user
# namespaces.
set -euo pipefail
# shellcheck source=tests/dev.sh
source "$(dirname "${BASH_SOURCE[0]}")/dev.sh"

# ---- the outer namespace: the gateway and the bucket, on one end of a cable ------------------------------------------------

here=10.77.0.1
there=10.77.0.2
service=codepipeline.thirdparty.v1.ThirdPartyJobService

outside() {
    ip link set lo up
    # The worker's namespace lives as long as this process.
    unshare --net sleep 300 &
    worker=$!
    trap 'kill "$worker"; stop_dev' EXIT
    until_true 'the namespace of the worker' is_elsewhere "$worker"
    ip link add gateway type veth peer name worker netns "$worker"
    ip address add "$here/30" dev gateway
    ip link set gateway up
    inside_of "$worker" ip address add "$there/30" dev worker
    inside_of "$worker" ip link set worker up

    "$GATEWAY_BIN" dev --grpc-addr "$here:50051" --admin-addr 127.0.0.1:9090 --simulator-addr "$here:4599" >"$DEV_OUT" 2>"$dev_scratch/stderr" &
    # shellcheck disable=SC2034 # stop_dev ends it
    dev_pid=$!
    until_true 'the gateway' "$GATEWAY_BIN" health --addr "$here:50051"
    curl -sS --fail -X PUT --data "$(job)" "http://$here:4599/_simulator/jobs" >/dev/null
    inside_of "$worker" env -i PATH="$PATH" bash "$root/tests/worker.sh" inside "$here"
    # What the worker uploaded, by the simulator's own account.
    [[ $(curl -sS --fail "http://$here:4599/_simulator/objects/worker-artifacts/out.txt") == 'from the worker: some source' ]] \
        || { echo 'the bucket has another object'; exit 1; }
    ! grep -q 'AWS_\|X-Amz-' "$dev_scratch/stderr" || { echo 'the log has a presigned request'; exit 1; }
}

job() {
    cat <<'JOB'
{"jobs": [{"id": "worker-job", "nonce": "nonce-1", "client_token": "token-1", "status": "Queued",
  "action_type": {"category": "Build", "owner": "ThirdParty", "provider": "Worker", "version": "1"},
  "encryption_key": {"id": "arn:aws:kms:eu-west-1:123456789012:key/worker", "type": "KMS"},
  "input_artifacts": [{"name": "in", "bucket_name": "worker-artifacts", "object_key": "in.txt", "content": "some source"}],
  "output_artifacts": [{"name": "out", "bucket_name": "worker-artifacts", "object_key": "out.txt"}]}]}
JOB
}

is_elsewhere() { # process
    [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]
}

until_true() { # what command…
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || { echo "$what: not within 30 s"; exit 1; }
        sleep 0.1
    done
}

inside_of() { # process command…
    local process=$1
    shift
    nsenter --net="/proc/$process/ns/net" "$@"
}

# ---- the worker ------------------------------------------------------------------------------------------------------------

call() { # gateway method request
    grpcurl -plaintext -max-time 30 -d "$3" "$1:50051" "$service/$2"
}

# A text of the job's details: the path to it in the JSON.
text() { # details path…
    python3 -c 'import functools, json, sys; print(functools.reduce(lambda at, key: at[int(key) if key.isdigit() else key], sys.argv[2:], json.loads(sys.argv[1])))' "$@"
}

# The arguments of curl for an artifact's request.
arguments() { # details artifacts
    python3 - "$@" <<'PY'
import json, sys
request = json.loads(sys.argv[1])["jobDetails"]["data"][sys.argv[2]][0]["request"]
for name, value in request.get("headers", {}).items():
    print("-H", f"{name}: {value}", sep="\n")
print("-X", request["method"], request["url"], sep="\n")
PY
}

inside() { # gateway
    local jobs details download upload
    # No way leads anywhere else.
    [[ $(ip route | wc -l) == 1 ]] || { echo 'the namespace has another route'; exit 1; }
    ! curl -sS --max-time 5 http://169.254.169.254/ 2>/dev/null || { echo 'the instance metadata is reachable'; exit 1; }
    ! env | grep -q AWS || { echo 'the environment names AWS'; exit 1; }
    jobs=$(call "$1" PollForThirdPartyJobs '{"action_type_id": {"category": "Build", "owner": "ThirdParty", "provider": "Worker", "version": "1"}, "wait": "20s"}')
    [[ $(text "$jobs" jobs 0 jobId) == worker-job ]] || { echo "another job: $jobs"; exit 1; }
    details=$(call "$1" GetThirdPartyJobDetails '{"job_id": "worker-job", "client_token": "token-1"}')
    [[ $details != *artifactCredentials* ]] || { echo 'the details contain credentials'; exit 1; }
    call "$1" AcknowledgeThirdPartyJob "{\"job_id\": \"worker-job\", \"nonce\": \"$(text "$details" jobDetails nonce)\", \"client_token\": \"token-1\"}" >/dev/null
    mapfile -t download < <(arguments "$details" inputArtifacts)
    mapfile -t upload < <(arguments "$details" outputArtifacts)
    printf 'from the worker: %s' "$(curl -sS --fail "${download[@]}")" | curl -sS --fail --data-binary @- "${upload[@]}"
    call "$1" PutThirdPartyJobSuccessResult '{"job_id": "worker-job", "client_token": "token-1"}' >/dev/null
    echo 'a worker without AWS did a whole job'
}

case ${1-} in
    outside) outside ;;
    inside) inside "$2" ;;
    *)
        "$root/tools/install.sh" grpcurl
        [[ -n ${GATEWAY_BIN-} ]] || build_gateway
        namespaces=(--net)
        ((EUID == 0)) || namespaces+=(--user --map-root-user)
        PATH=$("$root/tools/install.sh" --path):$PATH GATEWAY_BIN=$GATEWAY_BIN unshare "${namespaces[@]}" "$root/tests/worker.sh" outside
        ;;
esac
