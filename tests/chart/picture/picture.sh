#!/usr/bin/env bash
# Draws docs/dashboard.png: the panels of helm/files/dashboard.json, filled by a Prometheus that scrapes two gateways under load.
#
#   tests/chart/picture/picture.sh [SECONDS]     for how long the load runs; at least 60, by default 180
#
# The gateway is $GATEWAY_BIN, or built.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

"$root/tools/install.sh" prometheus python plots
PATH=$("$root/tools/install.sh" --path):$PATH
if [[ -z ${GATEWAY_BIN-} ]]; then
    (cd "$root" && cargo build --locked)
    target=$(cd "$root" && cargo metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    GATEWAY_BIN=$target/debug/codepipeline-gateway
fi

"$root/.tools/venv/bin/python" -B "$root/tests/chart/picture/record.py" --gateway "$GATEWAY_BIN" \
    --seconds "${1:-180}" --draw "$root/.tools/plots/bin/python"
