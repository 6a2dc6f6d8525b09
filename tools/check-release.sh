#!/usr/bin/env bash
# What has to fit before a version is released: its number, its section of the changelog, and the API. Prints that section.
#
#   tools/check-release.sh 1.2.3
#
# The release before is the last tag v… behind this commit: the checkout needs its history and tags.
set -euo pipefail
version=${1:?}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/install.sh buf >&2
PATH=$(tools/install.sh --path):$PATH

die() { echo "tools/check-release.sh: $*" >&2; exit 1; }

crate=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[[ $version == "$crate" ]] || die "the version is $version, the crate's $crate"

section=$(awk -v heading="## [$version]" 'index($0, "## [") == 1 { within = index($0, heading) == 1; next } within' CHANGELOG.md)
[[ -n ${section//[[:space:]]/} ]] || die "CHANGELOG.md says nothing under [$version]"

# The file in proto/released is what later changes are compared with, so it has to be the API of this release …
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd proto && buf build --exclude-source-info --output "$scratch/now.txtpb")
cmp -s proto/released/v1.txtpb "$scratch/now.txtpb" || die 'proto/released/v1.txtpb is not the API of this release: just proto-released'

# … and must not hide a change that breaks the API of the release before.
if before=$(git describe --tags --abbrev=0 --match 'v[0-9]*' HEAD^ 2>/dev/null); then
    git show "$before:proto/released/v1.txtpb" >"$scratch/before.txtpb"
    (cd proto && buf breaking --against "$scratch/before.txtpb") || die "the API breaks callers of $before"
fi
echo "$section"
