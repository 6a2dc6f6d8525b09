#!/usr/bin/env bash
# The rules of the house that a text search can check; CONTRIBUTING.md says why they are there.
#
#   tools/rules.sh               check this checkout: a line or two for each violation, exit 1 if there is one
#   tools/rules.sh --self-test   check the checks: each rule has to catch what breaks it and let pass what doesn't
set -euo pipefail
export LC_ALL=C

max_main_lines=40
max_file_lines=300
# Files that may be longer, each with its reason. There is none.
long_files=()

rules=(aws_sdk proto_types status library simulator proof spawn main_size file_size unfinished this_machine links)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ---- what is looked at ------------------------------------------------------------------------------------------------

# Every file that is or would be committed, one a line.
list_files() {
    if [[ -e .git ]]; then
        git ls-files --cached --others --exclude-standard
    else
        find . -type f | sed 's|^\./||'
    fi | sort -u | while IFS= read -r file; do [[ ! -f $file ]] || printf '%s\n' "$file"; done
}

# Rust code as FILE:LINE:text, comments emptied, and ` //proof` behind a line whose statement says `proof:`. With
# tests=0, an item under #[cfg(test)] is left out, to its closing brace, and so is a file of tests. It leans on the
# layout that rustfmt gives.
list_code() { # tests file…
    local tests=$1
    shift
    [[ $# -eq 0 ]] || awk -v tests="$tests" '
        FNR == 1 { waiting = within = proof = 0; skip = (!tests && FILENAME ~ /(^|\/)tests(\.rs|\/)/) }
        skip { next }
        {
            text = $0
            indent = match($0, /[^ \t]/) - 1
            if (text ~ /^[ \t]*\/\//) text = ""
            else if (match(text, /[ \t]\/\/[^"]*$/)) text = substr(text, 1, RSTART - 1)
        }
        !tests && !within && text ~ /^[ \t]*#\[cfg\((test|all\(test.*)\)\]/ { waiting = 1; sub(/#\[cfg\([^]]*\)\]/, "", text) }
        waiting {
            if (text ~ /^[ \t]*(#\[.*)?$/) next
            waiting = 0
            if (text !~ /[;}][ \t]*$/) { within = 1; margin = indent }
            next
        }
        within { if (indent == margin && text ~ /^[ \t]*[})]/) within = 0; next }
        {
            if ($0 ~ /^[ \t]*$/) proof = 0
            if ($0 ~ /proof:/) proof = 1
            print FILENAME ":" FNR ":" text (proof ? " //proof" : "")
            if (text ~ /[;{}][ \t]*$/) proof = 0
        }
    ' "$@"
}

# Lines of a listing, in files under `where` but not `except`, that have one of these words.
lines() { # listing where except words
    grep -E "^($2)" "$scratch/$1" | { grep -vE "^($3)" || true; } | grep -E "^[^:]*:[0-9]+:(.*[^A-Za-z0-9_])?($4)" || true
}

# Every committed text, searched.
search_all() { # grep's arguments
    tr '\n' '\0' <"$scratch/files" | xargs -0 -r grep -InHE "$@" || true
}

# Reads FILE:LINE:text and reports each as a violation.
violates() { # rule sentence
    local file line text
    while IFS=: read -r file line text; do
        text=${text#"${text%%[![:space:]]*}"}
        printf '%s:%s: [%s] %s\n        %.140s\n' "$file" "$line" "$1" "$2" "$text"
        echo "$1" >>"$scratch/violations"
    done
}

# ---- the rules --------------------------------------------------------------------------------------------------------

end='([^A-Za-z0-9_]|$)'

rule_aws_sdk() {
    lines all 'src/' 'src/codepipeline(/|\.rs)' "aws_sdk_[a-z]|aws_smithy_[a-z]|aws_(config|types|credential_types|runtime|sigv4)$end" \
        | violates aws_sdk 'only src/codepipeline/ knows the AWS SDK: ask its port for what you need'
}

rule_proto_types() {
    lines code 'src/' 'src/(api|service|job)\.rs|src/(error|server)(/|\.rs)' "(api|proto)::|(crate|super|self)::(api|proto)$end" \
        | violates proto_types 'the generated types stop at service.rs, job.rs, error and server: use the domain'"'"'s own types'
}

rule_status() {
    local codes='ok|cancelled|unknown|invalid_argument|deadline_exceeded|not_found|already_exists|permission_denied|resource_exhausted|failed_precondition|aborted|out_of_range|unimplemented|internal|unavailable|data_loss|unauthenticated'
    lines code 'src/' 'src/error(/|\.rs)' "Status::(new|$codes|with_[a-z_]*|from_error|from_error_generic|try_from_error)$end" \
        | violates status 'only src/error builds a Status: return a Failure'
}

rule_library() {
    local environment='std::env|env::(vars?|vars?_os|args|args_os|set_var|remove_var|current_dir|home_dir|temp_dir)'
    lines code 'src/' 'src/main\.rs|src/(cli|config|dev)(/|\.rs)' \
        "($environment|process::(exit|abort))$end|e?print(ln)?!|(TcpListener|UnixListener|UdpSocket)::bind|signal::" \
        | violates library 'the library reads no environment, binds nothing, takes no signal, prints nothing and never exits: main.rs, cli and config do'
}

rule_simulator() {
    {
        search_all 'codepipeline_gateway' | { grep -E '^simulator/' || true; }
        search_all 'codepipeline-gateway' | { grep -E '^simulator/([^:]*/)?Cargo\.toml:' || true; }
    } | violates simulator 'the simulator knows nothing of the gateway'
}

rule_proof() {
    { grep -E '\.(unwrap\(\)|expect\()' "$scratch/code" || true; } | { grep -v ' //proof$' || true; } \
        | violates proof 'outside tests, unwrap and expect need a reason that is a proof: "// proof: …" on the line or right above its statement'
}

# A statement that is a spawn drops the handle; one that is a function's last expression returns it.
rule_spawn() {
    awk '
        { match($0, /^[^:]*:[0-9]+:/); file = $0; sub(/:.*/, "", file); text = substr($0, RLENGTH + 1); indent = match(text, /[^ \t]/) - 1 }
        file != before { open = 0; before = file }
        text ~ /^[ \t]*$/ { next }
        open && indent <= margin { if (text ~ /^[ \t]*[})]*\);$/) print first; open = 0; next }
        text !~ /^[ \t]*(let _[A-Za-z0-9_]* = |drop\()?(tokio::)?(task::)?spawn(_blocking|_local)?\(/ { next }
        text ~ /^[ \t]*(let _|drop)/ { print; next }
        text ~ /;$/ { if (text !~ /\.await\??;$/) print; next }
        { open = 1; margin = indent; first = $0 }
    ' "$scratch/code" | violates spawn 'a spawned task has an owner that awaits it: keep its handle'
}

rule_main_size() {
    [[ ! -f src/main.rs ]] || awk -v max=$max_main_lines 'END { if (NR >= max) print "src/main.rs:" NR ":" NR " lines" }' src/main.rs \
        | violates main_size "main.rs stays under $max_main_lines lines: parse, run, exit code"
}

rule_file_size() {
    local file count
    for file in "${rust[@]}"; do
        [[ " ${long_files[*]-} " != *" $file "* ]] || continue
        count=$(wc -l <"$file")
        ((count <= max_file_lines)) || echo "$file:$count:$count lines"
    done | violates file_size "a file has at most $max_file_lines lines and can be read in one sitting: take it apart"
}

rule_unfinished() {
    search_all "(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|XX[X])$end|(todo|unimplemented)!" \
        | violates unfinished 'unfinished work is an issue, not a note in the tree'
}

# A path of the machine that it was made on, or the host of a package registry.
rule_this_machine() {
    search_all -e '(^|[^A-Za-z0-9_.}-])/(work|root)(/|[^A-Za-z0-9_-]|$)' \
        -e '(index|static|files|registry|proxy|sum|repo1?|deb|security)\.[a-z0-9.-]*(crates|python|npm|golang|maven|debian)[a-z0-9.-]*\.(io|org|com)' \
        -e '(^|[^A-Za-z0-9])pypi\.[a-z]' \
        | violates this_machine 'a path or a registry of one machine: a checkout works anywhere, and package clients know their registries'
}

# The anchors that GitHub makes of a page's headings.
anchors() { # file
    awk '/^ *```/ { fenced = !fenced } !fenced && sub(/^#+ +/, "") { print tolower($0) }' "$1" | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

rule_links() {
    local file line link to
    { grep '\.md$' "$scratch/files" || true; } | while IFS= read -r file; do
        awk '
            /^ *```/ { fenced = !fenced }
            !fenced { while (match($0, /\]\([^)]+\)/)) { print FNR ":" substr($0, RSTART + 2, RLENGTH - 3); $0 = substr($0, RSTART + RLENGTH) } }
        ' "$file" | while IFS=: read -r line link; do
            [[ $link != *://* ]] || continue
            to=$(dirname "$file")/${link%%#*}
            [[ $link != '#'* ]] || to=$file
            if [[ ! -e $to ]] || { [[ $link == *'#'* ]] && ! anchors "$to" | grep -qxF -- "${link#*#}"; }; then
                echo "$file:$line:$link"
            fi
        done
    done | violates links 'a link leads to a file, and its anchor to a heading, of this checkout'
}

# Checks the tree in the current directory.
check() {
    local rule
    list_files >"$scratch/files"
    mapfile -t rust < <(grep -E '^(simulator/)?src/.*\.rs$' "$scratch/files")
    # Without the texts in quotes: a log target may be named anywhere.
    list_code 1 "${rust[@]}" | sed -E 's/"([^"\\]|\\.)*"/""/g' >"$scratch/all"
    list_code 0 "${rust[@]}" >"$scratch/code"
    : >"$scratch/violations"
    for rule in "${rules[@]}"; do
        "rule_$rule"
    done
    [[ ! -s $scratch/violations ]]
}

# ---- the checks, checked ----------------------------------------------------------------------------------------------

passed=0
wrong=0

note() { # ok what
    if [[ $1 == ok ]]; then passed=$((passed + 1)); else wrong=$((wrong + 1)); printf 'not ok: %s\n' "$2"; fi
}

# A tree that keeps every rule, in the current directory.
plant_good_tree() {
    mkdir -p src/codepipeline src/error src/server src/cli simulator/src docs
    printf 'fn main() {\n    std::process::exit(0);\n}\n' >src/main.rs
    printf '//! The map.\npub mod api;\n' >src/lib.rs
    printf '//! Nothing yet.\n' | tee src/job.rs src/call.rs src/service.rs src/codepipeline/adapter.rs src/error/status.rs \
        src/server/mod.rs src/config.rs src/cli/dev.rs simulator/src/lib.rs >/dev/null
    printf '[package]\nname = "codepipeline-simulator"\n' >simulator/Cargo.toml
    printf '# Text\n' >docs/errors.md
}

# Appends text to a file of a good tree and checks that. The report goes to $scratch/report.
check_with() { # file text
    (
        rm -rf "$scratch/tree" && mkdir "$scratch/tree" && cd "$scratch/tree"
        plant_good_tree
        printf '%s\n' "$2" >>"$1"
        check >"$scratch/report"
    )
}

# With this text behind the file, its last line breaks this rule and nothing breaks another.
caught() { # rule file text
    local line
    if check_with "$2" "$3"; then
        note wrong "$1 lets this pass in $2: $3"
        return
    fi
    line=$(wc -l <"$scratch/tree/$2")
    if [[ $(sort -u "$scratch/violations") == "$1" ]] && grep -qF "$2:${4:-$line}: [$1]" "$scratch/report"; then
        note ok ''
        echo "$1" >>"$scratch/caught"
    else
        note wrong "$1 in $2, line ${4:-$line}, was reported as: $(<"$scratch/report")"
    fi
}

passes() { # file text
    if check_with "$1" "$2"; then note ok ''; else note wrong "this is allowed: $(<"$scratch/report")"; fi
}

repeat() { # count text
    local i
    for ((i = 0; i < $1; i++)); do printf '%s\n' "$2"; done
}

self_test() {
    local rule file
    # A Rust comment that is no code, a test module, and code behind one.
    local test_module=$'#[cfg(test)]\nmod tests {\n    fn a() {\n        b().unwrap();\n        std::env::var("A");\n    }\n}'
    : >"$scratch/caught"
    passes docs/errors.md 'nothing at all'

    caught aws_sdk src/job.rs 'use aws_sdk_codepipeline::Client;'
    caught aws_sdk src/server/mod.rs 'fn a(r: &aws_config::Region) {}'
    caught aws_sdk src/cli/dev.rs 'use aws_smithy_types::error::Error;'
    caught aws_sdk src/call.rs 'use aws_types::region;'
    caught aws_sdk src/call.rs 'use aws_credential_types::Credentials;'
    caught aws_sdk src/call.rs 'use aws_runtime::retries;'
    passes src/codepipeline/adapter.rs 'use aws_sdk_codepipeline::Client;'
    passes src/job.rs '// As aws_sdk_codepipeline does.'
    passes src/job.rs 'let my_aws_config = 1;'
    passes src/job.rs 'const QUIET: &str = "a \" aws_config::a";'
    caught aws_sdk src/job.rs 'let a = ("b", aws_types::c, "d");'

    caught proto_types src/call.rs 'use crate::api::JobStatus;'
    caught proto_types src/codepipeline/adapter.rs 'use crate::api;'
    caught proto_types src/cli/dev.rs 'fn a() -> api::JobStatus {}'
    caught proto_types src/call.rs 'use crate::proto::JobStatus;'
    for file in job service error/status server/mod; do passes "src/$file.rs" 'use crate::api::JobStatus;'; done
    passes src/codepipeline/adapter.rs 'use aws_smithy_runtime_api::http::Response;'

    caught status src/service.rs 'fn a() { Err(Status::internal("no")) }'
    caught status src/server/mod.rs 'fn a() { b.map_err(Status::unavailable) }'
    caught status src/job.rs 'fn a() { tonic::Status::with_details(code, text, details) }'
    caught status src/call.rs 'fn a() { Status::new(code, text) }'
    passes src/error/status.rs 'fn a() { Status::new(code, text) }'
    passes src/job.rs 'fn a() { JobStatus::new(); StatusCode::OK }'
    passes src/service.rs 'fn a() { Status::code(&status) }'

    caught library src/call.rs 'fn a() { std::env::var("A") }'
    caught library src/call.rs 'use std::env;'
    caught library src/call.rs 'fn a() { env::var("A") }'
    caught library src/server/mod.rs 'fn a() { std::process::exit(1) }'
    caught library src/server/mod.rs 'fn a() { println!("a") }'
    caught library src/codepipeline/adapter.rs 'fn a() { eprintln!("a") }'
    caught library src/server/mod.rs 'fn a() { TcpListener::bind(address) }'
    caught library src/server/mod.rs 'fn a() { tokio::signal::ctrl_c() }'
    passes src/cli/dev.rs 'fn a() { println!("{:?}", std::env::var("A")) }'
    passes src/config.rs 'fn a() { std::env::var("A") }'
    passes src/call.rs 'const A: &str = env!("CARGO_PKG_VERSION");'

    caught simulator simulator/src/lib.rs 'use codepipeline_gateway::api;'
    caught simulator simulator/Cargo.toml 'codepipeline-gateway = { path = ".." }'

    caught proof src/call.rs $'fn a() {\n    b().unwrap();' 3
    caught proof src/call.rs '    let a = b().expect("a call");'
    caught proof simulator/src/lib.rs '    let a = b().expect("a call");'
    caught proof src/call.rs $'// proof: of the line below\nlet a = 1;\nlet b = c().unwrap();'
    caught proof src/call.rs "$test_module"$'\nfn a() { b().unwrap() }'
    caught proof src/call.rs $'#[cfg(test)]\nuse a::b;\nfn a() { b().unwrap() }'
    passes src/call.rs '    b().unwrap(); // proof: it was checked above'
    passes src/call.rs $'    // proof: it was checked above\n    let a = b()\n        .c()\n        .expect("a call");'
    passes src/call.rs $'    #[expect(clippy::expect_used, reason = "proof: a layer puts it there")]\n    b().expect("a call")'
    passes src/call.rs 'fn a() { b().unwrap_or_default(); c().expect_err("d") }'
    passes src/call.rs "$test_module"

    caught spawn src/server/mod.rs '    tokio::spawn(serve());'
    caught spawn src/server/mod.rs $'    tokio::spawn(async move {\n        serve().await;\n    });' 2
    caught spawn src/server/mod.rs '    let _task = tokio::spawn(serve());'
    caught spawn simulator/src/lib.rs '    tokio::task::spawn_blocking(work);'
    passes src/server/mod.rs '    let task = tokio::spawn(serve());'
    passes src/server/mod.rs '    tasks.spawn(serve());'
    passes src/server/mod.rs '    tokio::spawn(serve()).await?;'
    passes src/server/mod.rs $'fn a() -> JoinHandle<()> {\n    tokio::spawn(async move {\n        b();\n    })\n}'

    caught main_size src/main.rs "$(repeat 37 '//')"
    passes src/main.rs "$(repeat 36 '//')"
    caught file_size src/call.rs "$(repeat 300 '//')"
    caught file_size simulator/src/lib.rs "$(repeat 300 '//')"
    passes src/call.rs "$(repeat 299 '//')"

    caught unfinished docs/errors.md "TO""DO: the rest"
    caught unfinished src/call.rs "// FIX""ME later"
    caught unfinished src/call.rs "fn a() { to""do!() }"
    caught unfinished simulator/src/lib.rs "fn a() { unimplemented""!() }"
    passes src/error/status.rs 'fn a() { Status::unimplemented("b") }'

    caught this_machine docs/errors.md "see /wo""rk/main"
    caught this_machine simulator/Cargo.toml "path = \"/ro""ot/a\""
    caught this_machine docs/errors.md "from https://static.cra""tes.io/a"
    caught this_machine docs/errors.md "from https://py""pi.org/simple"
    caught this_machine docs/errors.md "from https://registry.np""mjs.org/a"
    passes docs/errors.md 'see .github/workflows, docs.rs, crates.io and https://host.example/root/work'

    caught links docs/errors.md 'see [a](callers.md)'
    caught links docs/errors.md 'see [text](#text) and [b](#other)'
    caught links docs/errors.md 'see [b](../docs/errors.md#other)'
    passes docs/errors.md $'## `A` b, c-d\n[a](#text) [b](errors.md#a-b-c-d) [c](../src/job.rs) [d](https://a.example/#b)'
    passes docs/errors.md $'```\n# None\n[a](none)\n```'
    caught links docs/errors.md $'```\n# None\n```\n[a](#none)'

    for rule in "${rules[@]}"; do
        grep -qx "$rule" "$scratch/caught" || note wrong "no violation of $rule was planted and caught"
    done
    echo "$passed passed, $wrong failed"
    ((wrong == 0))
}

case ${1-} in
    --self-test) self_test ;;
    '')
        cd "$(dirname "${BASH_SOURCE[0]}")/.."
        check || { echo "tools/rules.sh: $(wc -l <"$scratch/violations") violations"; exit 1; }
        ;;
    *) echo "usage: tools/rules.sh [--self-test]" >&2; exit 64 ;;
esac
