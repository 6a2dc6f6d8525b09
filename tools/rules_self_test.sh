# Checks the rules of tools/rules.sh, which sources this file: plants violations in a small tree, one at a time.
# shellcheck shell=bash
# shellcheck disable=SC2154 # rules and scratch come from tools/rules.sh

passed=0
wrong=0

note() { # what
    wrong=$((wrong + 1))
    printf 'not ok: %s\n' "$1"
}

# A tree that keeps every rule, in the current directory.
plant_good_tree() {
    mkdir -p src/{artifacts,cli,codepipeline,error,operations,server} simulator/src tests/gateway docs
    printf 'fn main() {\n    std::process::exit(0);\n}\n' >src/main.rs
    printf '//! The map.\npub mod proto;\n' >src/lib.rs
    printf '//! Nothing yet.\n' | tee src/proto.rs src/call.rs src/service.rs src/gateway.rs src/config.rs src/cli/dev.rs src/cli/serve.rs \
        src/artifacts/presign.rs src/codepipeline/attempt.rs src/error/status.rs src/operations/poll.rs src/server/accept.rs \
        simulator/src/lib.rs tests/gateway/main.rs >/dev/null
    # Through the re-export, service.rs imports server/peer.rs, which imports server/mod.rs. That imports nothing.
    printf 'mod accept;\nmod peer;\n\npub(crate) use peer::{self as neighbor, Peer};\n' >src/server/mod.rs
    printf 'use super::Limits;\npub(crate) struct Peer;\n' >src/server/peer.rs
    printf 'use crate::server::Peer;\n' >src/service.rs
    printf '[package]\nname = "codepipeline-simulator"\n' >simulator/Cargo.toml
    printf '# Text\n' >docs/errors.md
}

# Starts a new tree that keeps every rule.
new_tree() {
    rm -rf "$scratch/tree"
    mkdir "$scratch/tree"
    (cd "$scratch/tree" && plant_good_tree)
    : >"$scratch/expected"
}

# Appends this text to a file of the tree, behind an empty line.
plant() { # file text
    printf '\n%s\n' "$2" >>"$scratch/tree/$1"
}

# Plants a text of which this line, or its last one, breaks this rule. No other line of it breaks a rule.
caught() { # rule file text [line of the text]
    local before line
    before=$(wc -l <"$scratch/tree/$2")
    plant "$2" "$3"
    line=$(wc -l <"$scratch/tree/$2")
    [[ -z ${4-} ]] || line=$((before + 1 + $4))
    echo "$2:$line: [$1]" >>"$scratch/expected"
}

# Plants a text that keeps every rule.
passes() { # file text
    plant "$1" "$2"
    passed=$((passed + 1))
}

# Checks the tree, compares the report with all that was planted, and starts a new tree.
compare() {
    local missing more
    (cd "$scratch/tree" && check >"$scratch/report") || true
    grep -oE '^[^ ]+: \[[a-z_]+\]' "$scratch/report" | sort -u >"$scratch/reported" || true
    sort -u -o "$scratch/expected" "$scratch/expected"
    missing=$(comm -23 "$scratch/expected" "$scratch/reported")
    more=$(comm -13 "$scratch/expected" "$scratch/reported")
    [[ -z $missing ]] || note "these lines were not reported:"$'\n'"$(where "$missing")"
    [[ -z $more ]] || note "these lines are valid:"$'\n'"$(where "$more")"
    passed=$((passed + $(comm -12 "$scratch/expected" "$scratch/reported" | wc -l)))
    sed 's/.*\[\(.*\)\]/\1/' "$scratch/reported" >>"$scratch/caught"
    new_tree
}

# Lines of a report, each with its text.
where() { # lines
    local file line rule
    while IFS=: read -r file line rule; do
        echo "$file:$line:$rule $(sed -n "${line}p" "$scratch/tree/$file")"
    done <<<"$1"
}

# The same for one text in a tree of its own. Other lines of the tree may break this rule too.
caught_alone() { # rule file text [line of the text]
    caught "$@"
    (cd "$scratch/tree" && check >"$scratch/report") || true
    if [[ $(sort -u "$scratch/violations") == "$1" ]] && grep -qF "$(<"$scratch/expected")" "$scratch/report"; then
        passed=$((passed + 1))
        echo "$1" >>"$scratch/caught"
    else
        note "$(<"$scratch/expected") $3 was reported as:"$'\n'"$(<"$scratch/report")"
    fi
    new_tree
}

passes_alone() { # file text
    passes "$@"
    compare
}

repeat() { # count text
    local i
    for ((i = 0; i < $1; i++)); do printf '%s\n' "$2"; done
}

self_test() {
    local rule file
    # A test module. Its code is exempt, the code after it isn't.
    local test_module=$'#[cfg(test)]\nmod tests {\n    fn a() {\n        b().unwrap();\n        std::env::var("A");\n    }\n}'
    : >"$scratch/caught"
    new_tree
    passes_alone docs/errors.md 'nothing at all'

    caught aws_sdk src/operations/poll.rs 'use aws_sdk_codepipeline::Client;'
    caught aws_sdk src/server/accept.rs 'fn a(r: &aws_config::Region) {}'
    caught aws_sdk src/cli/dev.rs 'use aws_smithy_types::error::Error;'
    caught aws_sdk src/call.rs 'use aws_types::region;'
    caught aws_sdk src/call.rs 'use aws_credential_types::Credentials;'
    caught aws_sdk src/call.rs 'use aws_runtime::retries;'
    passes src/codepipeline/attempt.rs 'use aws_sdk_codepipeline::Client;'
    passes src/artifacts/presign.rs 'use aws_sigv4::http_request::sign;'
    passes src/operations/poll.rs '// As aws_sdk_codepipeline does.'
    passes src/operations/poll.rs 'let my_aws_config = 1;'
    passes src/operations/poll.rs 'const QUIET: &str = "a \" aws_config::a";'
    caught aws_sdk src/operations/poll.rs 'let a = ("b", aws_types::c, "d");'

    caught proto_types src/call.rs 'use crate::proto::JobStatus;'
    caught proto_types src/codepipeline/attempt.rs 'use crate::proto;'
    caught proto_types src/cli/serve.rs 'fn a() -> proto::JobStatus {}'
    for file in service operations/poll error/status server/accept; do passes "src/$file.rs" 'use crate::proto::JobStatus;'; done
    passes src/call.rs 'use opentelemetry_proto::tonic::Span;'
    passes src/codepipeline/attempt.rs 'use aws_smithy_runtime_api::http::Response;'

    caught status src/service.rs 'fn a() { Err(Status::internal("no")) }'
    caught status src/server/accept.rs 'fn a() { b.map_err(Status::unavailable) }'
    caught status src/operations/poll.rs 'fn a() { tonic::Status::with_details(code, text, details) }'
    caught status src/call.rs 'fn a() { Status::new(code, text) }'
    passes src/error/status.rs 'fn a() { Status::new(code, text) }'
    passes src/operations/poll.rs 'fn a() { JobStatus::new(); StatusCode::OK }'
    passes src/service.rs 'fn a() { Status::code(&status) }'

    caught library src/call.rs 'fn a() { std::env::var("A") }'
    caught library src/call.rs 'use std::env;'
    caught library src/call.rs 'fn a() { env::var("A") }'
    caught library src/server/accept.rs 'fn a() { std::process::exit(1) }'
    caught library src/server/accept.rs 'fn a() { println!("a") }'
    caught library src/codepipeline/attempt.rs 'fn a() { eprintln!("a") }'
    caught library src/server/accept.rs 'fn a() { TcpListener::bind(address) }'
    caught library src/server/accept.rs 'fn a() { tokio::signal::ctrl_c() }'
    passes src/cli/dev.rs 'fn a() { println!("{:?}", std::env::var("A")) }'
    passes src/config.rs 'fn a() { std::env::var("A") }'
    passes src/call.rs 'const A: &str = env!("CARGO_PKG_VERSION");'

    caught simulator simulator/src/lib.rs 'use codepipeline_gateway::call;'
    caught simulator simulator/Cargo.toml 'codepipeline-gateway = { path = ".." }'

    caught proof src/call.rs $'fn a() {\n    b().unwrap();'
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

    caught spawn src/server/accept.rs '    tokio::spawn(serve());'
    caught spawn src/server/accept.rs $'    tokio::spawn(async move {\n        serve().await;\n    });' 1
    caught spawn src/server/accept.rs '    let _task = tokio::spawn(serve());'
    caught spawn simulator/src/lib.rs '    tokio::task::spawn_blocking(work);'
    passes src/server/accept.rs '    let task = tokio::spawn(serve());'
    passes src/server/accept.rs '    tasks.spawn(serve());'
    passes src/server/accept.rs '    tokio::spawn(serve()).await?;'
    passes src/server/accept.rs $'fn a() -> JoinHandle<()> {\n    tokio::spawn(async move {\n        b();\n    })\n}'

    compare

    caught_alone main_size src/main.rs "$(repeat 36 '//')"
    passes_alone src/main.rs "$(repeat 35 '//')"
    caught_alone file_size src/call.rs "$(repeat 299 '//')"
    caught_alone file_size simulator/src/lib.rs "$(repeat 299 '//')"
    caught_alone file_size tests/gateway/main.rs "$(repeat 299 '//')"
    passes_alone src/call.rs "$(repeat 298 '//')"

    caught_alone import_circles src/server/peer.rs 'use crate::service::Service;'
    caught_alone import_circles src/server/peer.rs 'use crate::{call, service::{self, Service}};'
    caught_alone import_circles src/server/peer.rs 'fn a() { crate::service::b() }'
    caught_alone import_circles src/server/peer.rs $'use crate::service;\nfn a() { service::b() }'
    caught_alone import_circles src/server/peer.rs $'pub use super::super::service::Service;\ntype A = Service;'
    caught_alone import_circles src/server/peer.rs $'use crate::gateway::{\n    Gateway,\n    a::B,\n};\nuse super::accept::Accept as _;\nuse crate::service::Service;'
    passes_alone src/server/peer.rs 'use crate::gateway::Gateway;'
    passes_alone src/server/peer.rs '// As crate::service::Service does.'
    passes_alone src/server/peer.rs 'const A: &str = "crate::service::Service";'
    passes_alone src/server/peer.rs $'#[cfg(test)]\nmod tests {\n    use crate::service::Service;\n}'
    passes_alone src/server/peer.rs 'pub(in crate::service) struct A;'
    # A re-export alone is no import.
    passes_alone src/server/mod.rs 'pub use crate::service::Service;'
    passes_alone src/server/accept.rs $'use super::{Peer, neighbor};\nfn a() { neighbor::b() }'
    caught_alone import_circles src/server/mod.rs 'fn a(_: Peer) {}'
    caught_alone import_circles src/server/mod.rs 'fn a() { peer::b() }'

    caught widths src/call.rs "const A: &str = \"$(repeat 94 a | tr -d '\n')\";"
    caught widths src/call.rs "    // $(repeat 94 é | tr -d '\n')"
    caught widths tests/gateway/main.rs "//! $(repeat 97 a | tr -d '\n')"
    passes src/call.rs "const A: &str = \"$(repeat 91 a | tr -d '\n')\";"
    passes src/call.rs "    // $(repeat 93 é | tr -d '\n')"
    passes src/call.rs "// https://host.example/$(repeat 93 a | tr -d '\n')"
    passes src/call.rs "/// | $(repeat 93 a | tr -d '\n') | b |"
    passes docs/errors.md "$(repeat 130 a | tr -d '\n')"

    caught words docs/errors.md "Who""ever calls"
    caught words src/call.rs "fn no""body_calls() {}"
    caught words src/call.rs "const A: &str = \"Some""body\";"
    caught words simulator/src/lib.rs $'//! The gateway ends it at\n//! on''ce, if there are too many.' 1
    caught words tests/gateway/main.rs "fn a_call_is_to""ld_so() {}"
    caught words docs/errors.md "It stands"" in the log."
    caught words docs/errors.md "half ""way, for e""ver, some ""8 KiB, 10 calls a ""second"
    caught words simulator/Cargo.toml "# Made an""ew, under a lice""nce, optimi""sed."
    caught words docs/errors.md "in cl""ear"
    passes docs/errors.md 'all at once, unmasked, in clearer words; a test server stands in for AWS; an exercise; a licensed program'

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
    passes docs/errors.md $'## `A` b, c-d\n[a](#text) [b](errors.md#a-b-c-d) [c](../src/operations/poll.rs) [d](https://a.example/#b)'
    passes docs/errors.md $'```\n# None\n[a](none)\n```'
    caught links docs/errors.md $'```\n# None\n```\n[a](#none)'

    caught sentences docs/errors.md 'The first. The second.'
    caught sentences docs/errors.md $'The first.\n- The second! `third` follows.'
    caught sentences docs/errors.md '1. Is it the first? (It is.)'
    caught sentences docs/errors.md $'The first goes on\nin the next line.' 1
    caught sentences docs/errors.md $'- The first, e.g.\n  this one.' 1
    caught sentences docs/errors.md '> The first has "a text." It ends.'
    caught sentences docs/errors.md 'Pins, seals, etc. The second is *here*.'
    caught sentences docs/errors.md $'```\nA. B.\n```\n**Label.** The first. The second.'
    passes docs/errors.md $'The first.\nThe second has 1.2 and v0.5.\nIs it `a. b`, [c](https://e.example/f.html), e.g. g, or "h. I."?\nYes.'
    passes docs/errors.md $'- **Label.** The first, etc. and more.\n  The second:\n  third\n- The fourth … ends here.\n\n> The fifth.\n> The sixth.'
    passes docs/errors.md $'**Label.**\nThe first.'
    passes docs/errors.md $'| A. B. | C |\n|---|---|\n\n<!-- A. B.\nC. D. -->\n\n```sh\nA. B.\n```\n\n## 1. A. B'

    compare
    (cd "$scratch/tree" && printf '> - "a." is\n>   one. Two\n\n1. Three.\n' >docs/errors.md && echo docs/errors.md \
        | python3 -IS -X utf8 "$tools/sentences.py" --fix)
    [[ $(<"$scratch/tree/docs/errors.md") == $'> - "a." is one.\n>   Two\n\n1. Three.' ]] || note '--fix breaks or joins other lines'
    for rule in "${rules[@]}"; do
        grep -qx "$rule" "$scratch/caught" || note "no violation of $rule was planted and caught"
    done
    echo "$passed passed, $wrong failed"
    ((wrong == 0))
}
