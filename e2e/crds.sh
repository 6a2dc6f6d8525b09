#!/usr/bin/env bash
# The custom resource definitions of those operators whose objects the chart makes, into e2e/crds/, for the scenario
# `operators`. tests/chart/crds/go.mod pins the versions, its go.sum the hashes. cert-manager's and the Gateway API's modules have
# the files; the Prometheus operator's come from its Go types by controller-gen, which is how that project makes them itself.
# Needs Go.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/tools/install.sh" controller-gen
PATH=$("$root/tools/install.sh" --path):$PATH
unset GOFLAGS
export GOWORK=off

cd "$root/tests/chart/crds"
go mod download
directory() { go list -mod=readonly -m -f '{{.Dir}}' "$1"; }

fresh=$(mktemp -d "$root/e2e/.crds-XXXXXX")
trap 'rm -rf "$fresh"' EXIT
controller-gen crd:allowDangerousTypes=true output:crd:dir="$fresh/all" \
    paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1
gateway=$(directory sigs.k8s.io/gateway-api)
certificates=$(directory github.com/cert-manager/cert-manager)
mkdir "$fresh/crds"
cp "$fresh"/all/monitoring.coreos.com_{podmonitors,servicemonitors,prometheusrules}.yaml \
    "$gateway/config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml" \
    "$certificates/deploy/crds/cert-manager.io_certificates.yaml" "$fresh/crds"
chmod u=rw,go=r "$fresh"/crds/*
rm -rf "$root/e2e/crds"
mv "$fresh/crds" "$root/e2e/crds"
