#!/usr/bin/env bash
# What a person with grpcurl and nothing else sees, by reflection alone: the service and its comments, a call, errors
# with their decoded details. Then every line that `dev` prints is pasted and has to give what it promises, and every command
# in the README's sessions what it shows.
#
# grpcurl comes from tools/install.sh; the gateway is $GATEWAY_BIN, or built.
set -euo pipefail
# shellcheck source=tests/dev.sh
source "$(dirname "${BASH_SOURCE[0]}")/dev.sh"

PATH=$("$root/tools/install.sh" --path):$PATH
"$root/tools/install.sh" grpcurl

service=codepipeline.thirdparty.v1.ThirdPartyJobService
method=$service/AcknowledgeThirdPartyJob
passed=0
failed=0

# The names of the gRPC codes by number; grpcurl exits with 64 and the number.
codes=(OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
    RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED)

ok() { passed=$((passed + 1)); printf 'ok      %s\n' "$1"; }
not_ok() { failed=$((failed + 1)); printf 'NOT OK  %s: %s\n%s\n' "$1" "$2" "$answer"; }

# Runs a command; sets `answer` (both streams) and `code` (OK, NOT_FOUND, …, or what grpcurl itself failed with).
ask() { # command…
    local exit=0
    answer=$("$@" 2>&1 </dev/null) || exit=$?
    if ((exit == 0)); then code=OK; else code=${codes[exit - 64]-"exit $exit"}; fi
    ((exit == 0 || exit > 64)) || code="exit $exit"
}

# The answer has to have this code and all of these texts. Nothing may be left undecoded.
expect() { # what code text…
    local what=$1 text
    shift
    [[ $code == "$1" ]] || { not_ok "$what" "expected $1, got $code"; return; }
    shift
    for text; do
        [[ $answer == *"$text"* ]] || { not_ok "$what" "expected the text: $text"; return; }
    done
    # grpcurl's signs of a detail that it has no type for.
    [[ $answer != *'"@error"'* && $answer != *'"@value"'* ]] || { not_ok "$what" "a detail was not decoded"; return; }
    ok "$what"
}

expect_no() { # what text
    if [[ $answer == *"$2"* ]]; then not_ok "$1" "unexpected: $2"; else ok "$1"; fi
}

request() { printf '{"job_id":"%s","nonce":"%s","client_token":"%s"}' "$1" "$2" "$3"; }
acknowledge() { ask grpcurl -plaintext -d "$(request "$@")" "$GRPC" "$method"; }

# Adds a job, or puts an earlier one back. The members are those of a job file.
put_job() { # id nonce token [members]
    python3 - "http://$SIMULATOR/_simulator/jobs" "$@" <<'PY'
import json, sys, urllib.request
job = dict(zip(("id", "nonce", "client_token"), sys.argv[2:5], strict=True))
job |= json.loads(sys.argv[5] if len(sys.argv) > 5 else "{}")
urllib.request.urlopen(urllib.request.Request(sys.argv[1], json.dumps({"jobs": [job]}).encode(), method="PUT"), timeout=5)
PY
}

# ---- what `dev` prints, pasted ------------------------------------------------------------------------------------------

# `dev` prints the lines in one go, once both listen: wait until no more come.
wait_for_lines() {
    local before=-1 now=0 end=$((SECONDS + 10))
    until ((now > 0 && now == before)); do
        ((SECONDS < end)) || break
        sleep 0.3
        before=$now
        now=$(grep -c -E '^  (grpc)?curl ' "$DEV_OUT" || true)
    done
}

check_printed_lines() {
    local line promise='' promised what count=0
    wait_for_lines
    while IFS= read -r line; do
        case $line in
            '  # '*) promise=${line#  \# } ;;
            '  grpcurl '* | '  curl '*)
                count=$((count + 1))
                ask bash -c "${line#  }"
                what=${promise%:*}
                promised=${promise##*: }
                if [[ -z $promise || $promise != *': '* ]]; then
                    not_ok "dev, line $count" "no comment above it promises anything: $line"
                elif [[ $promised == *' '* ]]; then
                    expect "dev: $what" "${promised%% *}" "\"reason\": \"${promised#* }\""
                else
                    expect "dev: $what" "$promised"
                fi
                promise=''
                ;;
            *) promise='' ;;
        esac
    done <"$DEV_OUT"
    answer=$(<"$DEV_OUT")
    if ((count >= 23)); then ok "dev printed $count lines to paste"; else not_ok 'dev' "printed only $count lines that begin with '  grpcurl ' or '  curl '"; fi
    ask curl -sS --fail "http://$SIMULATOR/_simulator/objects/demo-artifacts/artifacts/result.txt"
    expect 'the object that the curl line uploaded' OK 'built by curl'
}

# ---- the README ----------------------------------------------------------------------------------------------------------

# The ids are new each time, and grpcurl's layout is its own.
plain() { sed -E 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/ID/' <<<"$1" | tr -s ' \t'; }

check_readme() {
    local line command='' shown='' count=0
    # The job that `dev` seeds, which its own line has acknowledged.
    put_job job-1 nonce-1 token-1
    while IFS= read -r line; do
        case $line in
            '$ '* | end)
                if [[ -n $command ]]; then
                    count=$((count + 1))
                    ask bash -c "${command//127.0.0.1:50051/$GRPC}"
                    if [[ $(plain "$answer") == "$(plain "${shown%$'\n'}")" ]]; then ok "README, line $count"; else not_ok "README, line $count" "shown is: $shown"; fi
                fi
                command=${line#'$ '} shown=''
                [[ $line != end ]] || command=''
                ;;
            *) shown+=$line$'\n' ;;
        esac
    done < <(awk '/^```console$/ { within = 1; next } within && /^```$/ { print "end"; within = 0 } within' "$root/README.md")
    answer=''
    if ((count >= 2)); then ok "README has $count lines to paste"; else not_ok 'README' "has only $count lines to paste"; fi
    line=$(grep '^grpcurl ' "$root/README.md")
    ask bash -c "${line//127.0.0.1:50051/$GRPC}"
    expect 'README: the API with its comments' OK 'rpc AcknowledgeThirdPartyJob' 'NOT idempotent'
}

# The README's `docker run`, without Docker: what it publishes is where the program listens with these arguments.
check_readme_container() {
    local line arguments port free address process end=$((SECONDS + 30))
    answer=$(<"$root/Dockerfile")
    if [[ $answer == *$' AS simulator\n'* ]] && grep -q '^docker build --target simulator --tag codepipeline-simulator ' "$root/README.md"; then ok 'README: the image'; else not_ok 'README' 'no such stage'; fi
    line=$(grep '^docker run .* codepipeline-simulator dev ' "$root/README.md")
    arguments=${line#* codepipeline-simulator }
    for port in 50051 4599; do
        free=$(free_port)
        answer=$line
        if [[ $line == *"--publish 127.0.0.1:$port:$port "* && $arguments == *" 0.0.0.0:$port"* ]]; then ok "README: the container's port $port"; else not_ok 'README' "port $port"; fi
        arguments=${arguments/0.0.0.0:$port/0.0.0.0:$free}
        [[ $port != 50051 ]] || address=127.0.0.1:$free
    done
    # shellcheck disable=SC2086 # words
    "$GATEWAY_BIN" $arguments --admin-addr "127.0.0.1:$(free_port)" >/dev/null 2>&1 &
    process=$!
    until "$GATEWAY_BIN" health --addr "$address" >/dev/null 2>&1 || ((SECONDS >= end)) || ! kill -0 "$process" 2>/dev/null; do sleep 0.1; done
    ask grpcurl -plaintext -d "$(request job-1 nonce-1 token-1)" "$address" "$method"
    expect "README: a call to the container's program" OK '"status": "JOB_STATUS_IN_PROGRESS"'
    kill "$process"
    wait "$process" || not_ok 'README' "the container's program ended with $?"
}

# ---- by reflection alone -------------------------------------------------------------------------------------------------

check_reflection() {
    ask grpcurl -plaintext "$GRPC" list
    expect 'list' OK "$service" grpc.health.v1.Health grpc.reflection.v1.ServerReflection
    ask grpcurl -plaintext "$GRPC" list "$service"
    expect 'list the methods' OK "$service.PollForThirdPartyJobs" "$service.GetThirdPartyJobDetails" \
        "$service.AcknowledgeThirdPartyJob" "$service.PutThirdPartyJobSuccessResult" "$service.PutThirdPartyJobFailureResult"
    ask grpcurl -plaintext "$GRPC" describe "$service"
    expect 'describe the service, comments included' OK 'rpc AcknowledgeThirdPartyJob' 'NOT idempotent' '// '
    ask grpcurl -plaintext "$GRPC" describe codepipeline.thirdparty.v1.AcknowledgeThirdPartyJobRequest
    expect 'describe the request' OK 'string job_id = 1' 'string nonce = 2' 'string client_token = 3' 'characters'
    ask grpcurl -plaintext "$GRPC" describe codepipeline.thirdparty.v1.JobStatus
    expect 'describe the status' OK 'JOB_STATUS_UNSPECIFIED = 0' 'JOB_STATUS_IN_PROGRESS = 4' 'JOB_STATUS_FAILED = 7'
    ask grpcurl -plaintext -msg-template "$GRPC" describe .codepipeline.thirdparty.v1.AcknowledgeThirdPartyJobRequest
    expect 'a template of the request' OK '"jobId": ""' '"clientToken": ""'
    for type in ErrorInfo RequestInfo ResourceInfo BadRequest PreconditionFailure RetryInfo; do
        ask grpcurl -plaintext "$GRPC" describe "google.rpc.$type"
        expect "describe the error detail $type" OK "message $type"
    done
}

# grpcurl takes v1 where there is v1 and has no option for that, so v1alpha is called like any other service; this is
# the part of its definition that the question needs.
check_reflection_v1alpha() {
    cat >"$dev_scratch/v1alpha.proto" <<'PROTO'
syntax = "proto3";
package grpc.reflection.v1alpha;
service ServerReflection { rpc ServerReflectionInfo(stream Request) returns (stream Response); }
message Request { oneof message_request { string file_containing_symbol = 4; string list_services = 7; } }
message Response { oneof message_response { Files file_descriptor_response = 4; Services list_services_response = 6; } }
message Files { repeated bytes file_descriptor_proto = 1; }
message Services { repeated Service service = 1; }
message Service { string name = 1; }
PROTO
    local v1alpha=(-plaintext -import-path "$dev_scratch" -proto v1alpha.proto)
    ask grpcurl "${v1alpha[@]}" -d '{"list_services":""}' "$GRPC" grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo
    expect 'reflection v1alpha lists' OK "\"$service\""
    ask grpcurl "${v1alpha[@]}" -d "{\"file_containing_symbol\":\"$service\"}" "$GRPC" grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo
    expect 'reflection v1alpha describes' OK '"fileDescriptorProto"'
}

check_health() {
    ask grpcurl -plaintext "$GRPC" grpc.health.v1.Health/Check
    expect 'health of the server' OK '"status": "SERVING"'
    ask grpcurl -plaintext -d "{\"service\":\"$service\"}" "$GRPC" grpc.health.v1.Health/Check
    expect 'health of the service' OK '"status": "SERVING"'
    ask grpcurl -plaintext -d '{"service":"no.such.Service"}' "$GRPC" grpc.health.v1.Health/Check
    expect 'health of an unknown service' NOT_FOUND
}

check_calls() {
    put_job grpcurl-1 grpcurl-nonce grpcurl-token
    acknowledge grpcurl-1 grpcurl-nonce grpcurl-token
    expect 'a call' OK '"status": "JOB_STATUS_IN_PROGRESS"' '"awsStatus": "InProgress"'

    acknowledge grpcurl-1 grpcurl-nonce grpcurl-token
    expect 'a second one' FAILED_PRECONDITION '"reason": "INVALID_NONCE"' '"outcome": "rejected"' \
        google.rpc.PreconditionFailure '"type": "NONCE"' '"subject": "grpcurl-1"'

    acknowledge grpcurl-0 grpcurl-nonce grpcurl-token
    expect 'an unknown job' NOT_FOUND 'Code: NotFound' google.rpc.ErrorInfo '"reason": "JOB_NOT_FOUND"' \
        '"domain": "codepipeline-gateway"' '"outcome": "rejected"' '"awsErrorCode": "JobNotFoundException"' \
        '"httpStatus": "400"' '"attempts": "1"' google.rpc.RequestInfo \
        google.rpc.ResourceInfo '"resourceType": "codepipeline.ThirdPartyJob"' '"resourceName": "grpcurl-0"'
    printf '%s\n' "$answer"
    expect_no 'an error shows no nonce' grpcurl-nonce
    expect_no 'an error shows no token' grpcurl-token

    acknowledge '' '' ''
    expect 'three empty fields' INVALID_ARGUMENT '"reason": "INVALID_REQUEST"' '"outcome": "not_sent"' \
        google.rpc.BadRequest '"field": "job_id"' '"field": "nonce"' '"field": "client_token"'

    ask grpcurl -plaintext -v -H 'x-request-id: from-grpcurl' -d "$(request grpcurl-0 a b)" "$GRPC" "$method"
    expect 'a request id of the caller'"'"'s own' NOT_FOUND 'x-request-id: from-grpcurl' '"requestId": "from-grpcurl"' 'x-amzn-requestid: '

    # A method that the server doesn't have: known to grpcurl from a file, so that the server is asked.
    printf 'syntax = "proto3"; package a; service B { rpc C(D) returns (D); } message D {}' >"$dev_scratch/unknown.proto"
    ask grpcurl -plaintext -use-reflection -import-path "$dev_scratch" -proto unknown.proto "$GRPC" a.B/C
    expect 'an unknown method' UNIMPLEMENTED '"reason": "UNKNOWN_METHOD"' '"outcome": "not_sent"'
}

# shellcheck disable=SC2119 # no flags
start_dev
check_printed_lines
check_readme
check_readme_container
check_reflection
check_reflection_v1alpha
check_health
check_calls
echo "$passed passed, $failed failed"
((failed == 0))
