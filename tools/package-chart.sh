#!/usr/bin/env bash
# Packages the chart for a release: it names its image, by digest so that the chart's signature also covers the image, the
# runbooks of its version, and where it comes from. Its README links to the pages of its version. A checkout can't know them.
#
#   tools/package-chart.sh IMAGE@DIGEST RUNBOOKS DIRECTORY
#   tools/package-chart.sh ghcr.io/owner/name@sha256:… https://github.com/owner/name/blob/v1.2.3/docs/runbook.md target
set -euo pipefail
image=${1:?} runbooks=${2:?} directory=${3:?}
[[ $image =~ ^[^@]+@sha256:[0-9a-f]{64}$ ]] || { echo "tools/package-chart.sh: $image has no digest" >&2; exit 1; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$root/helm" "$scratch/helm"

replace() { # file from to: one line of a file
    [[ $(grep -cxF "$2" "$scratch/helm/$1") == 1 ]] || { echo "tools/package-chart.sh: $1 has no single line '$2'" >&2; exit 1; }
    awk -v from="$2" -v to="$3" '{ print $0 == from ? to : $0 }' "$scratch/helm/$1" >"$scratch/replaced"
    mv "$scratch/replaced" "$scratch/helm/$1"
}
replace values.yaml '  repository: ""' "  repository: ${image%@*}"
replace values.yaml '  digest: ""' "  digest: ${image#*@}"
replace values.yaml '    runbookUrl: docs/runbook.md' "    runbookUrl: $runbooks"

# …/owner/name/blob/v1.2.3/docs/runbook.md
[[ $runbooks =~ ^(https://[^/]+/([^/]+)/[^/]+)/blob/([^/]+)/docs/runbook\.md$ ]] \
    || { echo "tools/package-chart.sh: $runbooks isn't …/owner/name/blob/TAG/docs/runbook.md" >&2; exit 1; }
repository=${BASH_REMATCH[1]} owner=${BASH_REMATCH[2]} tag=${BASH_REMATCH[3]}
registry=${image%@*}
registry=${registry%/*}
version=$(sed -n 's/^version: //p' "$root/helm/Chart.yaml")
prerelease=false
[[ $version != *-* ]] || prerelease=true

replace README.md 'helm install gw helm --set aws.region=eu-west-1,image.repository=REGISTRY/codepipeline-gateway' \
    "helm install gw oci://$registry/charts/codepipeline-gateway --version $version --set aws.region=eu-west-1"
# shellcheck disable=SC2016 # the backquotes are Markdown's
replace README.md 'A checkout has no image of its own, so `image.repository` names yours.' 'The chart names its image by digest.'
replace README.md 'A released chart names its image by digest.' "So the chart's signature also covers the image."
sed -e "s|](\.\./|]($repository/blob/$tag/|g" -e "s|REGISTRY/charts/codepipeline-gateway:VERSION|$registry/charts/codepipeline-gateway:$version|" \
    -e "s|REPOSITORY/\(.*\)@refs/tags/vVERSION|$repository/\1@refs/tags/$tag|" "$scratch/helm/README.md" >"$scratch/replaced"
mv "$scratch/replaced" "$scratch/helm/README.md"

# The annotations are the last key of Chart.yaml.
cat >>"$scratch/helm/Chart.yaml" <<END
  artifacthub.io/prerelease: "$prerelease"
  artifacthub.io/images: |
    - name: codepipeline-gateway
      image: $image
      platforms: [linux/amd64, linux/arm64]
  artifacthub.io/links: |
    - name: Runbook
      url: $runbooks
    - name: Changelog
      url: $repository/blob/$tag/CHANGELOG.md
home: $repository
sources: [$repository]
icon: $repository/raw/$tag/docs/icon.svg
maintainers:
  - name: $owner
    url: ${repository%/*}
END

helm package "$scratch/helm" --destination "$directory"
