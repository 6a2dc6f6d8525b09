# Runs `codepipeline-gateway dev` for the shell tests, which source this file. Sets:
#   GRPC, ADMIN, SIMULATOR   the three addresses, on free loopback ports
#   DEV_OUT                  the file with what it printed
# Uses the gateway in $GATEWAY_BIN, or builds it. `dev` ends with the test, however that ends.
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

dev_scratch=$(mktemp -d)
dev_pid=
DEV_OUT=$dev_scratch/stdout

stop_dev() {
    local code=$?
    trap - EXIT
    if [[ -n $dev_pid ]]; then
        local end=0
        kill -TERM "$dev_pid" 2>/dev/null || true
        wait "$dev_pid" 2>/dev/null || end=$?
        ((end == 0)) || { echo "dev ended with exit code $end"; code=1; }
        # What it said is of interest only where something went wrong.
        ((code == 0)) || { echo '--- the gateway said:'; tail -n 20 "$dev_scratch/stderr" | cut -c 1-600; }
    fi
    rm -rf "$dev_scratch"
    exit "$code"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

build_gateway() {
    local target
    (cd "$root" && cargo build --locked)
    target=$(cd "$root" && cargo metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    GATEWAY_BIN=$target/debug/codepipeline-gateway
}

# shellcheck disable=SC2120 # most tests pass no flags
start_dev() { # flags of dev…
    local name end
    [[ -n ${GATEWAY_BIN-} ]] || build_gateway
    # Nothing of the machine's own configuration may reach it.
    for name in $(compgen -e); do
        case $name in
            GATEWAY_BIN) ;;
            AWS_* | OTEL_* | GATEWAY_* | [Hh][Tt][Tt][Pp]*_[Pp][Rr][Oo][Xx][Yy] | ALL_PROXY | all_proxy) unset "$name" ;;
        esac
    done
    # No endpoint has to be withdrawn.
    export GATEWAY_SHUTDOWN_DELAY=0s
    GRPC=127.0.0.1:$(free_port)
    # shellcheck disable=SC2034 # not every test looks at it
    ADMIN=127.0.0.1:$(free_port)
    SIMULATOR=127.0.0.1:$(free_port)
    trap stop_dev EXIT
    "$GATEWAY_BIN" dev --grpc-addr "$GRPC" --admin-addr "$ADMIN" --simulator-addr "$SIMULATOR" "$@" >"$DEV_OUT" 2>"$dev_scratch/stderr" &
    dev_pid=$!
    end=$((SECONDS + 30))
    until "$GATEWAY_BIN" health --addr "$GRPC" >/dev/null 2>&1; do
        kill -0 "$dev_pid" 2>/dev/null || { echo 'dev ended before it was ready'; exit 1; }
        ((SECONDS < end)) || { echo 'dev was not ready within 30 s'; exit 1; }
        sleep 0.1
    done
}
