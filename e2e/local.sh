#!/usr/bin/env bash
# The end-to-end run on a cluster that this machine starts for it. $E2E_CLUSTER is a directory of scripts that do so:
#
#   build.sh, up.sh, down.sh       build the programs; start, stop the cluster
#   in.sh COMMAND…                 a command where the cluster's addresses are, with KUBECONFIG set
#   image.py, load.sh              an image from files; give it to the node
#   metrics.sh, netpol.sh          optional: a metrics API, enforced network policies
#
# Needs Rust, Go and openssl; the other tools install themselves. The images hold the debug build of the gateway, which CI has
# anyway; with E2E_DOCKERFILE=1 they are built from the real Dockerfile ($E2E_CLUSTER/image-build.sh), which takes long.
# Exit code 77: no cluster can be started here, so that nothing was shown; the reason goes into the file $E2E_SKIPPED too.
# Arguments go to run.py.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cluster=${E2E_CLUSTER:-$root/../shared/kube}
skipped=77

skip() {
    printf 'skipped: %s\n' "$*" | tee "${E2E_SKIPPED:-/dev/null}"
    exit $skipped
}

scratch=$(mktemp -d)
started=
up=
# shellcheck disable=SC2329 # the trap calls it
finish() {
    local code=$?
    trap - EXIT
    [[ -z $started ]] || "$cluster/down.sh" >/dev/null 2>&1 || true
    rm -rf "$scratch"
    exit "$code"
}
trap finish EXIT
# Told to stop before there is a cluster, it has shown as little as without one.
trap '[[ -n $up ]] || skip "no cluster within $SECONDS s"; exit 143' TERM
trap 'exit 130' INT

# A cluster that runs already is in use: this script uses it too and doesn't change it.
running() { timeout --foreground 30 "$cluster/in.sh" kubectl wait --for=condition=Ready node --all --timeout=20s >/dev/null 2>&1; }

start_cluster() {
    [[ -x $cluster/up.sh ]] || skip "no $cluster/up.sh; E2E_CLUSTER names another directory"
    if running; then return; fi
    "$cluster/build.sh" >"$scratch/log" 2>&1 || skip "the cluster's programs can't be built: $(tail -n 1 "$scratch/log")"
    started=yes
    # What a run that was killed has left doesn't have to keep this one from starting.
    "$cluster/down.sh" >/dev/null 2>&1 || true
    "$cluster/up.sh" >"$scratch/log" 2>&1 || skip "the cluster doesn't start: $(tail -n 1 "$scratch/log")"
    local extra
    for extra in metrics netpol; do
        [[ -x $cluster/$extra.sh ]] || continue
        # Without it, its scenario is skipped and says so.
        "$cluster/$extra.sh" >"$scratch/log" 2>&1 || echo "no $extra here: $(tail -n 1 "$scratch/log")"
    done
}

pack() { # name:tag user file:path [file:path…]; the first is the program
    local program=${3##*:} archive=${1##*/}
    "$cluster/image.py" "$1" "$scratch/${archive/:/-}.tar" "${@:3}" --libs --entrypoint "$program" --env "PATH=${program%/*}/" --user "$2"
}

quick_images() {
    local name target
    (cd "$root" && cargo build --locked)
    target=$(cd "$root" && cargo metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    for name in gateway simulator; do
        pack "codepipeline-$name:e2e" 65532 "$target/debug/codepipeline-gateway:/usr/local/bin/codepipeline-gateway"
    done
}

real_images() {
    local name
    # The bases that are here under the names of an older Debian, instead of those that the Dockerfile pins by digest.
    sed -E -e 's|^FROM docker\.io/library/rust:[^ ]+|FROM docker.io/library/rust:1-bookworm|' \
        -e 's|^FROM gcr\.io/distroless/[^ ]+|FROM gcr.io/distroless/cc-debian12:nonroot|' "$root/Dockerfile" >"$scratch/Dockerfile"
    for name in gateway simulator; do
        "$cluster/image-build.sh" "$root" "codepipeline-$name:e2e" "$scratch/codepipeline-$name.tar" --target "$name" --file "$scratch/Dockerfile"
    done
}

# The image that docs/callers.md names can't be pulled here: the same release of the program, where that image has it, under its name.
grpcurl_image() {
    # shellcheck source=tools/versions.env
    source "$root/tools/versions.env"
    echo 'grpcurl:x:100:101::/home/grpcurl:/sbin/nologin' >"$scratch/passwd"
    pack "docker.io/fullstorydev/grpcurl:v$GRPCURL_VERSION" grpcurl "$(readlink -f "$(command -v grpcurl)"):/bin/grpcurl" "$scratch/passwd:/etc/passwd"
}

main() {
    "$root/tools/install.sh" grpcurl helm
    PATH=$("$root/tools/install.sh" --path):$PATH
    start_cluster
    up=yes
    "$root/e2e/caller/build.sh"
    "$root/e2e/crds.sh"
    pack codepipeline-caller:e2e 65532 "$root/e2e/caller/caller:/caller"
    grpcurl_image
    if [[ -n ${E2E_DOCKERFILE-} ]]; then real_images; else quick_images; fi
    "$cluster/load.sh" "$scratch"/*.tar >/dev/null
    "$cluster/in.sh" "$root/e2e/run.py" "$@"
}

# On one line, so that a script that is edited while it runs isn't read on.
main "$@"; exit
