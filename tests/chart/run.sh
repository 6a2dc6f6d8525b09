#!/usr/bin/env bash
# The chart without a cluster: golden files, schemas, guards, properties, alert rules, the table of values. And compose.yaml.
#
#   tests/chart/run.sh [pytest's arguments]
#   UPDATE_GOLDEN=1 tests/chart/run.sh       regenerate the golden files and helm/README.md
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

"$root/tools/install.sh" helm helm-docs kubeconform promtool docker-compose python
PATH=$("$root/tools/install.sh" --path):$PATH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd "$root/tests/chart/crds" && go build -mod=readonly -o "$scratch/crds" .)

CRDS_BIN=$scratch/crds "$root/.tools/venv/bin/python" -B -m pytest -q -p no:cacheprovider "$root/tests/chart" "$@"
