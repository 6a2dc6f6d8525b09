#!/usr/bin/env bash
# Checks the API's definition and everything generated from it: buf's lint, build and format; no breaking change since the
# last release (proto/released); old compilers; docs/api.md, the Go example's stubs and the copies of the service config.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/install.sh buf protoc python
PATH=$(tools/install.sh --path):$PATH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

(cd proto && buf lint && buf build --output /dev/null && buf format --diff --exit-code)

# Against the API of the last release. A release replaces the file: `just proto-released`.
(cd proto && buf breaking --against released/v1.txtpb)

# Whether that could fail: a field with another number is another field.
cp -r proto "$scratch/broken"
sed -i 's/string nonce = 2/string nonce = 9/' "$scratch/broken/codepipeline/thirdparty/v1/third_party_job_service.proto"
if (cd "$scratch/broken" && buf breaking --against released/v1.txtpb >/dev/null 2>&1); then
    echo 'buf breaking lets a field with another number pass'
    exit 1
fi

# Callers compile the file with the protoc of their distribution. grpcio-tools ships Google's own proto files.
file=codepipeline/thirdparty/v1/third_party_job_service.proto
google=$(.tools/venv/bin/python -c 'import pathlib, grpc_tools; print(pathlib.Path(grpc_tools.__file__).parent / "_proto")')
compile() { protoc --proto_path="$1" --proto_path="$google" --descriptor_set_out="$scratch/set" "$file"; }
compile proto

# Whether that could fail: protoc before version 22 doesn't know this option.
sed -i 's/string nonce = 9/string nonce = 9 [debug_redact = true]/' "$scratch/broken/$file"
if compile "$scratch/broken" 2>/dev/null; then
    echo 'protoc lets an unknown option pass'
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
echo 'proto: lint, format, breaking changes, old compilers, docs/api.md, Go stubs and service configs are fine'
