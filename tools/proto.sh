#!/usr/bin/env bash
# The API's definition and all that is made from it: buf's lint, build and format; nothing that callers rely on is broken
# (proto/released); docs/api.md, the Go example's stubs and the copies of the service config are up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/install.sh buf python
PATH=$(tools/install.sh --path):$PATH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

(cd proto && buf lint && buf build --output /dev/null && buf format --diff --exit-code)

# Against the API as it was last released. A release replaces the file: `just proto-released`.
(cd proto && buf breaking --against released/v1.txtpb)

# Whether that could fail: with another number a field is another field.
cp -r proto "$scratch/broken"
sed -i 's/string nonce = 2/string nonce = 9/' "$scratch/broken/codepipeline/thirdparty/v1/third_party_job_service.proto"
if (cd "$scratch/broken" && buf breaking --against released/v1.txtpb >/dev/null 2>&1); then
    echo 'buf breaking lets a field with another number pass'
    exit 1
fi

.tools/venv/bin/python tools/api_md.py --check

# The Go stubs are committed, as Go packages are used from source.
mkdir "$scratch/examples"
cp -r examples/go "$scratch/examples/go"
cp -r proto "$scratch/proto"
(cd "$scratch/examples/go" && buf generate)
diff -r examples/go/gen "$scratch/examples/go/gen" || { echo 'examples/go/gen is stale: buf generate in examples/go'; exit 1; }

for copy in $(git ls-files --cached --others --exclude-standard 'examples/**/service-config.json'); do
    cmp docs/service-config.json "$copy" || { echo "$copy has to be a copy of docs/service-config.json"; exit 1; }
done
echo 'proto: lint, format, breaking changes, docs/api.md, Go stubs and service configs are fine'
