#!/usr/bin/env bash
# A running gateway's /metrics: promtool has nothing to say about it, and every metric, label and value that the alert rules and the
# dashboard name is in it.
#
# Tools come from tools/install.sh; the gateway is $GATEWAY_BIN, or built.
set -euo pipefail
# shellcheck source=tests/dev.sh
source "$(dirname "${BASH_SOURCE[0]}")/../dev.sh"

"$root/tools/install.sh" helm promtool python
PATH=$("$root/tools/install.sh" --path):$PATH

# shellcheck disable=SC2119 # no flags
start_dev
scratch=$dev_scratch
helm template gw "$root/helm" --set aws.region=eu-west-1,image.repository=a,metrics.prometheusRule.enabled=true >"$scratch/rendered.yaml"
scrape() { # what it accepts
    python3 - "http://$ADMIN/metrics" "$1" <<'PY'
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2]})
print(urllib.request.urlopen(request, timeout=30).read().decode(), end="")
PY
}
scrape 'text/plain' >"$scratch/text"
scrape 'application/openmetrics-text; version=1.0.0' >"$scratch/openmetrics"

promtool check metrics <"$scratch/text"
echo 'promtool check metrics: nothing to say'
"$root/.tools/venv/bin/python" -B "$root/tests/chart/exported.py" \
    --rules "$scratch/rendered.yaml" --dashboard "$root/helm/files/dashboard.json" "$scratch/text" "$scratch/openmetrics"
