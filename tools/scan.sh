#!/usr/bin/env bash
# Known vulnerabilities in images, by grype: the base's packages, and the crates if the image's SBOM names them.
#
#   tools/scan.sh --update     fetch the database; the rest needs no network but for an image in a registry
#   tools/scan.sh SOURCE…      print all findings; exit code 1 if one is critical and has a fix
#   tools/scan.sh              the base images of the Dockerfile
#
# A SOURCE is one of grype's, such as sbom:image.spdx.json, docker-archive:image.tar, or registry:gcr.io/name@sha256:….
# tools/grype.yaml lists the accepted findings. A database that is older than five days is an error.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Only --update fetches anything.
export GRYPE_DB_AUTO_UPDATE=false GRYPE_CHECK_FOR_APP_UPDATE=false GRYPE_DB_VALIDATE_AGE=true
grype=(grype --config "$root/tools/grype.yaml")

if [[ ${1-} == --update ]]; then
    exec grype db update
fi

if [[ $# -eq 0 ]]; then
    mapfile -t bases < <(sed -nE 's/^FROM ([^ ]+@sha256:[0-9a-f]{64}) AS (gateway|simulator)$/registry:\1/p' "$root/Dockerfile" | sort -u)
    [[ ${#bases[@]} -gt 0 ]] || { echo 'tools/scan.sh: the Dockerfile names no base image by digest' >&2; exit 1; }
    set -- "${bases[@]}"
fi

failed=
for source; do
    echo "$source:"
    { "${grype[@]}" "$source" && "${grype[@]}" --only-fixed --fail-on critical --output json "$source" >/dev/null; } || failed+=" $source"
done
[[ -z $failed ]] || { echo "tools/scan.sh: a critical vulnerability has a fix, or the scan failed:$failed" >&2; exit 1; }
