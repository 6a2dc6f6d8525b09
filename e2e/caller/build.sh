#!/usr/bin/env bash
# Builds e2e/caller/caller, statically linked: the stubs from proto/ with the plugins that go.mod pins, then the program.
# Needs Go; buf comes from tools/install.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$(../../tools/install.sh --path):$PATH
../../tools/install.sh buf
unset GOFLAGS
buf generate
go vet -mod=readonly ./...
CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o caller .
