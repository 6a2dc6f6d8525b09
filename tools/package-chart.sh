#!/usr/bin/env bash
# Packages the chart for a release: it names its image, by digest so that the chart's signature speaks for the image too, and the
# runbooks of its version. A checkout can't know them.
#
#   tools/package-chart.sh IMAGE@DIGEST RUNBOOKS DIRECTORY
#   tools/package-chart.sh ghcr.io/owner/name@sha256:… https://github.com/owner/name/blob/v1.2.3/docs/operations.md target
set -euo pipefail
image=${1:?} runbooks=${2:?} directory=${3:?}
[[ $image =~ ^[^@]+@sha256:[0-9a-f]{64}$ ]] || { echo "tools/package-chart.sh: $image has no digest" >&2; exit 1; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$root/helm" "$scratch/helm"

replace() { # from to: one line of values.yaml
    [[ $(grep -cxF "$1" "$scratch/helm/values.yaml") == 1 ]] || { echo "tools/package-chart.sh: values.yaml has no single line '$1'" >&2; exit 1; }
    awk -v from="$1" -v to="$2" '{ print $0 == from ? to : $0 }' "$scratch/helm/values.yaml" >"$scratch/values"
    mv "$scratch/values" "$scratch/helm/values.yaml"
}
replace '  repository: codepipeline-gateway' "  repository: ${image%@*}"
replace '  digest: ""' "  digest: ${image#*@}"
replace '    runbookUrl: docs/operations.md' "    runbookUrl: $runbooks"

helm package "$scratch/helm" --destination "$directory"
