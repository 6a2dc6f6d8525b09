#!/usr/bin/env bash
# The examples: each README's lines on a clean copy of the checkout, then every client through every scenario.
#
#   tests/examples/run.sh [matrix.py's options]   --client NAME and --only TEXT for a part
#
# Needs Python, Go, Node.js with npm, Java with Maven, Rust, and jq. The gateway is $GATEWAY_BIN, or built. What is downloaded
# goes where each ecosystem keeps it, so a second run is quicker.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

for tool in python3 go npm mvn java cargo jq; do
    command -v "$tool" >/dev/null || { echo "tests/examples needs $tool, which is not on this machine"; exit 1; }
done
tools/install.sh python grpcurl buf
PATH=$(tools/install.sh --path):$PATH
python=$root/.tools/venv/bin/python

CARGO_TARGET_DIR=$(cargo metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
# The Rust example shares what the gateway has built.
export CARGO_TARGET_DIR
if [[ -z ${GATEWAY_BIN-} ]]; then
    cargo build --locked
    GATEWAY_BIN=$CARGO_TARGET_DIR/debug/codepipeline-gateway
fi

"$python" tests/examples/dependencies.py --self-test
(cd examples/rust && cargo fmt --check)
unformatted=$(gofmt -l examples/go tests/examples/mesh)
[[ -z $unformatted ]] || { echo "gofmt would change $unformatted"; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
clean=$scratch/checkout
mkdir "$clean"
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents --target-directory "$clean"

(cd tests/examples/mesh && go build -o "$scratch/mesh" .)
pages=(docs/callers.md)
for folder in python go typescript typescript-connect java rust; do
    pages+=("examples/$folder/README.md")
done
"$python" tests/examples/documents.py --root "$clean" --gateway "$GATEWAY_BIN" "${pages[@]}"
"$python" tests/examples/dependencies.py "$clean/examples"
"$python" tests/examples/matrix.py --root "$root" --gateway "$GATEWAY_BIN" --mesh "$scratch/mesh" --clients "$clean/examples" "$@"
