# What people and CI run: `just --list`. Each recipe works alone and installs the pinned tools that it needs.

set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / ".tools/bin:" + env("PATH")

# What CI runs, cheap ones first; .ci/run reads this too.
steps := "rules fmt scripts proto chart lint test doc deny grpcurl worker boto3 metrics runs budget examples"

# What the runs begin with.
run := "cargo test --locked --test gateway -- --ignored --nocapture"

_default:
    @{{ just_executable() }} --list --unsorted

# everything that CI runs, in CI's order, until one fails
ci:
    {{ just_executable() }} {{ steps }}

# a gateway with a CodePipeline simulator on loopback, and grpcurl lines to paste
dev *args:
    cargo run --locked -- dev {{ args }}

# the project rules, and whether their checks can fail
rules:
    tools/rules.sh --self-test
    tools/rules.sh

# formatting
fmt:
    cargo fmt --all --check

# clippy, warnings are errors; the production image's features too
lint:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --package codepipeline-gateway --no-default-features --features jemalloc --lib --bins -- -D warnings

# unit, integration and documentation tests
test *args:
    cargo test --locked --workspace {{ args }}

# the fault test: whole jobs while AWS, certificates, keys, and connections change and break; then while the gateway restarts
chaos seconds="180" seed="":
    RUN_SECONDS={{ seconds }} RUN_SEED={{ seed }} {{ run }} --test-threads=1 stress::chaos stress::restart

# the hostile-client run: floods and malformed traffic while another client's calls continue, and h2spec
hostile rounds="3" seed="": (_tools "h2spec")
    H2SPEC=$(command -v h2spec) RUN_ROUNDS={{ rounds }} RUN_SEED={{ seed }} {{ run }} --test-threads=1 stress::h2spec stress::hostile

# the overload run: 4 and 10 times what the gateway can have in flight
overload:
    {{ run }} stress::overload

# the waiters run: a thousand calls that wait for jobs
waiters:
    {{ run }} stress::waiters

# the four runs in their short form
runs: (chaos "30") (hostile "1") overload waiters

# the API documentation, warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace

# docs/errors.md, regenerated from the program's own table
docs:
    UPDATE_DOCS=1 cargo test --locked --test gateway -- docs::

# banned crates, licenses and sources of the dependency tree; fuzz/, a workspace of its own, has a lock file that fits
deny: (_tools "cargo-deny")
    cargo-deny --locked --workspace check bans licenses sources
    cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null

# known vulnerabilities in the dependency tree (fetches the advisory database; not part of ci)
advisories: (_tools "cargo-deny")
    cargo-deny --locked --workspace check advisories

# known vulnerabilities in the Dockerfile's base images (fetches them and the vulnerability database; not part of ci)
scan: (_tools "grype")
    tools/scan.sh --update
    tools/scan.sh

# the proto files and what is made from them: lint, format, nothing broken, docs/api.md
proto:
    tools/proto.sh

# docs/api.md, regenerated from the proto file
api: (_tools "python")
    .tools/venv/bin/python tools/api_md.py

# the API as a descriptor set, for grpcurl -protoset, Envoy and others; a release carries it
descriptors: (_tools "python")
    .tools/venv/bin/python tools/descriptors.py target/descriptors/codepipeline-gateway.binpb

# the API as it is now becomes what later changes must not break: for a release
proto-released: (_tools "buf")
    cd proto && buf build --exclude-source-info --output released/v1.txtpb

# shell scripts, workflows, the Dockerfile
scripts: (_tools "shellcheck" "actionlint" "hadolint")
    git ls-files --cached --others --exclude-standard -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
    actionlint
    hadolint --failure-threshold style Dockerfile e2e/caller/Dockerfile
    test -z "$(gofmt -l e2e/caller/*.go)"

# the chart without a cluster: golden files, schemas, guards, properties, alert rules
chart *args:
    tests/chart/run.sh {{ args }}

# the golden files and helm/README.md, regenerated
chart-golden:
    UPDATE_GOLDEN=1 tests/chart/run.sh -k 'renders_as_it_did or table_of_values'

# docs/dashboard.png, drawn again: the dashboard's panels, from two gateways under load (three minutes; not part of ci)
picture seconds="180":
    tests/chart/picture/picture.sh {{ seconds }}

# what a person with grpcurl sees, and every line that `dev` prints
grpcurl:
    tests/grpcurl.sh

# a worker in a network namespace that reaches only the gateway and the bucket, with curl and grpcurl alone
worker:
    tests/worker.sh

# the gateway against boto3, call by call
boto3 *args:
    tests/boto3/run.sh {{ args }}

# the chart on the cluster of KUBECONFIG, whose nodes have the images: `just e2e --help`, `just e2e --list`
e2e *args: (_tools "grpcurl" "helm")
    e2e/crds.sh
    e2e/run.py {{ args }}

# the same on a cluster that this machine starts for it: see e2e/local.sh (the last step of .ci/run)
e2e-local *args:
    e2e/local.sh {{ args }}

# what a gateway exports: sound for promtool, and all that alerts and dashboard ask for
metrics:
    tests/chart/metrics.sh

# the callers in five languages: their READMEs as written, and each through every scenario
examples *args:
    tests/examples/run.sh {{ args }}

# what a call costs in instructions and allocations, against bench/budget.json
budget *args:
    bench/harness/budget.py {{ args }}

# the gateway measured against its peers, which regenerates docs/performance.md (half an hour where nothing else runs; not part of ci)
bench *args:
    bench/harness/measure.py {{ args }}

# each fuzz target for so many seconds (needs a nightly compiler; not part of ci)
fuzz seconds="60": (_tools "cargo-fuzz")
    source tools/versions.env; \
    for target in $(cargo "+$FUZZ_TOOLCHAIN" fuzz list); do \
        cargo "+$FUZZ_TOOLCHAIN" fuzz run "$target" -- -max_total_time={{ seconds }}; \
    done

# all tools, in advance
tools: (_tools "all")

_tools +names:
    @tools/install.sh {{ names }}
