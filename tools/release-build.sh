#!/usr/bin/env bash
# Builds the program of the image, and prints its path.
#
#   tools/release-build.sh                     as cargo builds it
#   tools/release-build.sh --profile-guided    optimized with a profile of its calls (profile-guided optimization)
#   tools/release-build.sh --check             check that a profile can be made, with a debug build
#
# The second form takes three times as long. It builds the program with counters, calls each operation on loopback with the
# load generator and the stub of bench/, and builds the program again with the counts.
# Each run counts a little differently, so two such builds aren't equal to the byte.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
host=$(rustc -vV | sed -n 's/^host: //p')
work=$target/profile
profile=release folder=release
started=()
# The calls of each operation, without and with TLS. More of them don't make the program faster.
calls=3000

say() { printf 'tools/release-build.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

build() { # target directory, flags of cargo…
    cargo build --profile "$profile" --locked --package codepipeline-gateway --no-default-features --features jemalloc \
        --target-dir "$@" >&2
}

# With --target, the flags are for the program alone, and not for build scripts and macros.
build_with() { # flags of rustc, target directory
    RUSTFLAGS="${RUSTFLAGS-} $1" build "$2" --target "$host"
}

# Counts are in a format of the compiler's own LLVM. rustup has its tool, and tools/install.sh gets it elsewhere.
profdata() {
    local tool
    for tool in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" .tools/bin/llvm-profdata; do
        [[ ! -x $tool ]] || { "$tool" "$@"; return; }
    done
    die "llvm-profdata is missing: rustup component add llvm-tools, or tools/install.sh llvm-profdata"
}

load() { "$work/debug/load" "$@"; }

start() { # log, command…
    "${@:2}" >"$work/$1.log" 2>&1 &
    started+=($!)
}

# Ends what was started. The program writes its counts when it ends.
stop() {
    ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
    wait || true
    started=()
}
trap stop EXIT

# Waits until the program answers a call.
await() {
    local _
    for _ in {1..600}; do
        if load run "${caller[@]}" --connections 1 --callers 1 --calls 1 --warm-up 0 2>/dev/null | grep -q '"failed":0,'; then return; fi
        sleep 0.1
    done
    die "the program answers no call: see $work/gateway.log"
}

# Calls each operation, with these flags of the program, the stub, and the load generator.
train() { # scheme of AWS's endpoint
    local operation report
    start stub "$work/debug/stub" --addr 127.0.0.1:47080 "${stub[@]}"
    start gateway env -i AWS_REGION=eu-west-1 AWS_ENDPOINT_URL_CODEPIPELINE="$1://localhost:47080" \
        AWS_ACCESS_KEY_ID=AKIAFAKEFAKEFAKEFAKE AWS_SECRET_ACCESS_KEY=fake/secret/key AWS_EC2_METADATA_DISABLED=true \
        SSL_CERT_FILE="$certificates/ca.pem" LLVM_PROFILE_FILE="$work/counts/%p.profraw" \
        "$work/$host/$folder/codepipeline-gateway" serve --grpc-addr 127.0.0.1:47051 --admin-addr 127.0.0.1:47090 \
        --log-format json --shutdown-delay 0s "${gateway[@]}"
    caller+=(--target 127.0.0.1:47051)
    await
    for operation in poll details acknowledge success failure; do
        report=$(load run "${caller[@]}" --callers 64 --calls "$calls" --warm-up 0 --operation "$operation")
        [[ $report == *'"failed":0,'* ]] || die "calls of $operation failed: $report"
    done
    stop
}

make_counts() {
    certificates=$work/certificates
    rm -rf "$work/counts"
    say "building the program with counters"
    build_with "-Cprofile-generate=$work/counts" "$work"
    cargo build --locked --manifest-path bench/Cargo.toml --target-dir "$work" --bin load --bin stub >&2
    load certificates "$certificates"
    say "calling it"
    gateway=() stub=() caller=()
    train http
    gateway=(
        --tls-cert "$certificates/server.pem" --tls-key "$certificates/server-key.pem" --tls-client-ca "$certificates/ca.pem"
        --auth jwt --jwt-issuer https://issuer.example --jwt-audience gateway --jwt-jwks "$certificates/jwks.json"
        --allow sub:system:serviceaccount:jobs:caller
    )
    stub=(--tls "$certificates")
    caller=(--tls "$certificates" --certificate --token "$certificates/token")
    train https
    rm -f "$work"/*.profdata
    profdata merge --output "$work/new.profdata" "$work"/counts/*.profraw
    # Its name has its checksum, because cargo builds the dependencies again only if a flag changes.
    counts=$work/$(cksum <"$work/new.profdata" | cut -d ' ' -f 1).profdata
    mv "$work/new.profdata" "$counts"
}

case "${1-}" in
    --profile-guided)
        make_counts
        say "building the program with the counts"
        build_with "-Cprofile-use=$counts" "$target"
        echo "$target/$host/release/codepipeline-gateway"
        ;;
    --check)
        profile=dev folder=debug work=$work-check calls=50
        make_counts
        for operation in poll_for_third_party_jobs get_third_party_job_details acknowledge_third_party_job \
            put_third_party_job_success_result put_third_party_job_failure_result; do
            profdata show --function="$operation" --counts "$counts" | grep '^ *Block counts: .*[1-9]' >/dev/null \
                || die "the profile has no calls of $operation"
        done
        say "the profile has calls of each operation"
        ;;
    '')
        build "$target"
        echo "$target/release/codepipeline-gateway"
        ;;
    *) die "unknown argument: $1" ;;
esac
