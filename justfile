# The recipes for people and for CI. Each recipe works alone and installs the pinned tools that it needs.

set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / ".tools/bin:" + env("PATH")

# The steps of CI, cheap ones first. .ci/run reads them too.
steps := "rules fmt scripts site proto chart lint test doc deny grpcurl worker boto3 metrics runs budget profile examples"

# How a stress test starts.
run := "cargo test --locked --test gateway -- --ignored --nocapture"

_default:
    @{{ just_executable() }} --list --unsorted

# Run the steps of CI until one fails
[group('start')]
ci:
    {{ just_executable() }} {{ steps }}

# Run a gateway with a simulator, and print grpcurl commands
[group('start')]
dev *args:
    cargo run --locked -- dev {{ args }}

# Install all tools in advance
[group('start')]
tools: (_tools "all")

# Check the project rules, and test these checks
[group('check')]
rules:
    tools/rules.sh --self-test
    tools/rules.sh

# Check the format of Rust code
[group('check')]
fmt:
    cargo fmt --all --check

# Run clippy on all code, and compile the fuzz targets
[group('check')]
lint:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --package codepipeline-gateway --no-default-features --features jemalloc --lib --bins -- -D warnings
    cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" -- -D warnings

# Build the documentation of the crates
[group('check')]
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace

# Build the site in target/site/html, and check links and diagrams
[group('check')]
site: (_tools "mdbook" "mermaid")
    node tools/site/mermaid.mjs --self-test
    git ls-files --cached --others --exclude-standard -z '*.md' | xargs -0 node tools/site/mermaid.mjs
    tools/site/build.py --self-test
    tools/site/build.py

# Check dependencies: crates, licenses, sources
[group('check')]
deny: (_tools "cargo-deny")
    cargo-deny --locked --workspace check bans licenses sources

# Check dependencies for known vulnerabilities (not a step of `ci`)
[group('check')]
advisories: (_tools "cargo-deny")
    cargo-deny --locked --workspace check advisories

# Build the program of a released image (a quarter of an hour)
[group('release')]
release-build: (_tools "llvm-profdata")
    tools/release-build.sh --profile-guided

# Scan the Dockerfile's base images for known vulnerabilities. Fetches them and the database, and isn't part of CI
[group('release')]
scan: (_tools "grype")
    tools/scan.sh --update
    tools/scan.sh

# Check the proto file and the files that are generated from it
[group('check')]
proto:
    tools/proto.sh

# Check shell scripts, workflows, and Dockerfiles
[group('check')]
scripts: (_tools "shellcheck" "actionlint" "hadolint")
    git ls-files --cached --others --exclude-standard -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
    actionlint
    hadolint --failure-threshold style Dockerfile e2e/caller/Dockerfile
    test -z "$(gofmt -l e2e/caller/*.go)"

# Run the unit, integration, and documentation tests
[group('test')]
test *args:
    cargo test --locked --workspace {{ args }}

# Test the chart without a cluster
[group('test')]
chart *args:
    tests/chart/run.sh {{ args }}

# Draw docs/dashboard.png again from two gateways under load. Takes some minutes, and isn't part of CI
[group('generate')]
picture seconds="180":
    tests/chart/picture/picture.sh {{ seconds }}

# Test the grpcurl commands of the pages, and `dev`
[group('test')]
grpcurl:
    tests/grpcurl.sh

# Test a worker that reaches only the gateway and the bucket
[group('test')]
worker:
    tests/worker.sh

# Compare the gateway with boto3, call by call
[group('test')]
boto3 *args:
    tests/boto3/run.sh {{ args }}

# Test the chart on the cluster of KUBECONFIG (`just e2e --help`)
[group('test')]
e2e *args: (_tools "grpcurl" "helm")
    e2e/crds.sh
    e2e/run.py {{ args }}

# Test the chart on a cluster that this machine starts
[group('test')]
e2e-local *args:
    e2e/local.sh {{ args }}

# Test the metrics against promtool, the alerts, and the dashboard
[group('test')]
metrics:
    tests/chart/metrics.sh

# Test the example workers and their READMEs
[group('test')]
examples *args:
    tests/examples/run.sh {{ args }}

# Run whole jobs while everything around them fails or restarts
[group('stress test')]
chaos seconds="180" seed="":
    RUN_SECONDS={{ seconds }} RUN_SEED={{ seed }} {{ run }} --test-threads=1 stress::chaos stress::restart

# Run floods and malformed traffic beside the calls of a client
[group('stress test')]
hostile rounds="3" seed="": (_tools "h2spec")
    H2SPEC=$(command -v h2spec) RUN_ROUNDS={{ rounds }} RUN_SEED={{ seed }} {{ run }} --test-threads=1 stress::h2spec stress::hostile

# Run 10 times as many calls as the gateway accepts
[group('stress test')]
overload:
    {{ run }} stress::overload

# Run a thousand calls that wait for jobs
[group('stress test')]
waiters:
    {{ run }} stress::waiters

# Run the four stress tests in their short form
[group('stress test')]
runs: (chaos "30") (hostile "1") overload waiters

# Run each fuzz target (needs a nightly compiler)
[group('stress test')]
fuzz seconds="60": (_tools "cargo-fuzz")
    source tools/versions.env; \
    for target in $(cargo "+$FUZZ_TOOLCHAIN" fuzz list); do \
        cargo "+$FUZZ_TOOLCHAIN" fuzz run "$target" -- -max_total_time={{ seconds }}; \
    done

# Regenerate docs/errors.md from the error table
[group('generate')]
docs:
    UPDATE_DOCS=1 cargo test --locked --test gateway -- docs::

# Regenerate docs/api.md from the proto file
[group('generate')]
api: (_tools "python")
    .tools/venv/bin/python tools/api_md.py

# Write the descriptor set of the API
[group('generate')]
descriptors: (_tools "python")
    .tools/venv/bin/python tools/descriptors.py target/descriptors/codepipeline-gateway.binpb

# Record the current API as released
[group('generate')]
proto-released: (_tools "buf")
    cd proto && buf build --exclude-source-info --output released/v1.txtpb

# Regenerate the golden files of the chart, and helm/README.md
[group('generate')]
chart-golden:
    UPDATE_GOLDEN=1 tests/chart/run.sh -k 'renders_as_it_did or table_of_values'

# Compare the cost of a call with bench/budget.json
[group('measure')]
budget *args:
    bench/harness/budget.py {{ args }}

# Check that a profile of the program's calls can be made
[group('measure')]
profile: (_tools "llvm-profdata")
    tools/release-build.sh --check

# Regenerate docs/performance.md (an hour on an idle machine)
[group('measure')]
bench *args:
    bench/harness/measure.py {{ args }}

_tools +names:
    @tools/install.sh {{ names }}
