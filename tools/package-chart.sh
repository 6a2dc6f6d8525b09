#!/usr/bin/env bash
# Packages the chart for a release: it names the registry of its image and the runbooks of its version, which a checkout can't know.
#
#   tools/package-chart.sh IMAGE RUNBOOKS DIRECTORY
#   tools/package-chart.sh ghcr.io/owner/name https://github.com/owner/name/blob/v1.2.3/docs/operations.md target
set -euo pipefail
image=${1:?} runbooks=${2:?} directory=${3:?}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$root/helm" "$scratch/helm"

replace() { # from to: one line of values.yaml
    [[ $(grep -cxF "$1" "$scratch/helm/values.yaml") == 1 ]] || { echo "tools/package-chart.sh: values.yaml has no single line '$1'" >&2; exit 1; }
    awk -v from="$1" -v to="$2" '{ print $0 == from ? to : $0 }' "$scratch/helm/values.yaml" >"$scratch/values"
    mv "$scratch/values" "$scratch/helm/values.yaml"
}
replace '  repository: codepipeline-gateway' "  repository: $image"
replace '    runbookUrl: docs/operations.md' "    runbookUrl: $runbooks"

helm package "$scratch/helm" --destination "$directory"
