#!/usr/bin/env bash
# The gateway against boto3, call by call: see differential.py.
#
# Python and its packages come from tools/install.sh; the gateway is $GATEWAY_BIN, or built.
set -euo pipefail
# shellcheck source=tests/dev.sh
source "$(dirname "${BASH_SOURCE[0]}")/../dev.sh"

"$root/tools/install.sh" python
start_dev
"$root/.tools/venv/bin/python" "$root/tests/boto3/differential.py" \
    --proto "$root/proto" --gateway "$GRPC" --simulator "$SIMULATOR" "$@"
