#!/usr/bin/env bash
# The gateway and its simulator against boto3: the commands of simulator/README.md (readme.py), the simulator's buckets
# (bucket.py), the calls (differential.py), and the presigned requests (presigned.py).
#
# Python and its packages come from tools/install.sh; the gateway is $GATEWAY_BIN, or built.
set -euo pipefail
# shellcheck source=tests/dev.sh
source "$(dirname "${BASH_SOURCE[0]}")/../dev.sh"

"$root/tools/install.sh" python
# boto3 always returns the credentials.
start_dev --artifact-credentials include
"$root/.tools/venv/bin/python" "$root/tests/boto3/readme.py" --program "$GATEWAY_BIN"
"$root/.tools/venv/bin/python" "$root/tests/boto3/bucket.py" --simulator "$SIMULATOR"
"$root/.tools/venv/bin/python" "$root/tests/boto3/differential.py" \
    --proto "$root/proto" --gateway "$GRPC" --simulator "$SIMULATOR" "$@"
"$root/.tools/venv/bin/python" "$root/tests/boto3/presigned.py" \
    --proto "$root/proto" --program "$GATEWAY_BIN" --simulator "$SIMULATOR"
