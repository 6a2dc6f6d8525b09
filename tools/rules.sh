#!/usr/bin/env bash
# Checks the project rules that a program can check. CONTRIBUTING.md explains them.
#
#   tools/rules.sh               check this checkout: two lines for each violation, exit code 1 if there is one
#   tools/rules.sh --self-test   check the rules: each must report planted violations and must accept valid code
set -euo pipefail
export LC_ALL=C

max_main_lines=40
max_file_lines=300

rules=(aws_sdk proto_types status library simulator proof spawn main_size file_size import_circles widths words unfinished
    this_machine links sentences)

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ---- listings ------------------------------------------------------------------------------------------------

# Every file that is or would be committed, one a line.
list_files() {
    if [[ -e .git ]]; then
        git ls-files --cached --others --exclude-standard
    else
        find . -type f | sed 's|^\./||'
    fi | sort -u | while IFS= read -r file; do [[ ! -f $file ]] || printf '%s\n' "$file"; done
}

# Rust code as FILE:LINE:text, comments emptied, and ` //proof` behind a line whose statement says `proof:`. With
# tests=0, it omits items under #[cfg(test)] and files of tests. It relies on the layout that rustfmt gives.
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
    lines all 'src/' 'src/(codepipeline|artifacts)(/|\.rs)' "aws_sdk_[a-z]|aws_smithy_[a-z]|aws_(config|types|credential_types|runtime|sigv4)$end" \
        | violates aws_sdk 'only src/codepipeline/ and src/artifacts/ import the AWS SDK: call their functions'
}

rule_proto_types() {
    lines code 'src/' 'src/(proto|service)\.rs|src/(operations|error|server|cli/dev)(/|\.rs)' "proto::|(crate|super|self)::proto$end" \
        | violates proto_types 'only service.rs, operations/, error/, server/ and the client in cli/dev/ use the generated types: use the domain types'
}

rule_status() {
    local codes='ok|cancelled|unknown|invalid_argument|deadline_exceeded|not_found|already_exists|permission_denied|resource_exhausted|failed_precondition|aborted|out_of_range|unimplemented|internal|unavailable|data_loss|unauthenticated'
    lines code 'src/' 'src/error(/|\.rs)' "Status::(new|$codes|with_[a-z_]*|from_error|from_error_generic|try_from_error)$end" \
        | violates status 'only src/error/ builds a Status: return a Failure'
}

rule_library() {
    local environment='std::env|env::(vars?|vars?_os|args|args_os|set_var|remove_var|current_dir|home_dir|temp_dir)'
    lines code 'src/' 'src/main\.rs|src/(cli|config)(/|\.rs)' \
        "($environment|process::(exit|abort))$end|e?print(ln)?!|(TcpListener|UnixListener|UdpSocket)::bind|signal::" \
        | violates library 'the library reads no environment, binds no port, handles no signal, prints nothing and never exits: main.rs, cli/ and config/ do'
}

rule_simulator() {
    {
        search_all 'codepipeline_gateway' | { grep -E '^simulator/' || true; }
        search_all 'codepipeline-gateway' | { grep -E '^simulator/([^:]*/)?Cargo\.toml:' || true; }
    } | violates simulator 'the simulator does not depend on the gateway'
}

rule_proof() {
    { grep -E '\.(unwrap\(\)|expect\()' "$scratch/code" || true; } | { grep -v ' //proof$' || true; } \
        | violates proof 'outside tests, unwrap and expect need a proof that they cannot panic: "// proof: …" on the line or right above its statement'
}

# A spawn that is a whole statement drops the handle. One that is a function's last expression returns it.
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
    { grep -E '^(simulator/)?(src|tests)/.*\.rs$' "$scratch/files" || true; } | while IFS= read -r file; do
        count=$(wc -l <"$file")
        ((count <= max_file_lines)) || echo "$file:$count:$count lines"
    done | violates file_size "a file has at most $max_file_lines lines: split it"
}

rule_import_circles() {
    python3 -IS -X utf8 "$tools/import_circles.py" <"$scratch/code" \
        | violates import_circles 'no files import each other, directly or in a circle: move what both need to a file of its own'
}

rule_widths() {
    { grep -E '^(simulator/)?(src|tests|bench|fuzz|examples/rust)/.*\.rs$|^build\.rs$' "$scratch/files" || true; } \
        | python3 -IS -X utf8 "$tools/check_text.py" widths \
        | violates widths 'a line has at most 110 columns, a comment at most 100: wrap it'
}

# Without what others wrote, and what tools generate from names and checksums.
rule_words() {
    { grep -vE '(^|/)(Cargo|package-lock|go)\.(lock|json|sum)$|^LICENSE$|^tools/banned-words\.txt$|^examples/googleapis/|\.svg$' \
        "$scratch/files" || true; } \
        | python3 -IS -X utf8 "$tools/check_text.py" words \
        | violates words 'tools/banned-words.txt has a plainer word for this'
}

rule_unfinished() {
    search_all "(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|XX[X])$end|(todo|unimplemented)!" \
        | violates unfinished 'open an issue for unfinished work'
}

# A path of one machine, or the host of a package registry.
rule_this_machine() {
    search_all -e '(^|[^A-Za-z0-9_.}-])/(work|root)(/|[^A-Za-z0-9_-]|$)' \
        -e '(index|static|files|registry|proxy|sum|repo1?|deb|security)\.[a-z0-9.-]*(crates|python|npm|golang|maven|debian)[a-z0-9.-]*\.(io|org|com)' \
        -e '(^|[^A-Za-z0-9])pypi\.[a-z]' \
        | violates this_machine 'no path or package registry of one machine: a checkout works everywhere'
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
    done | violates links 'a link leads to a file of this checkout, and its anchor to a heading'
}

rule_sentences() {
    { grep '\.md$' "$scratch/files" || true; } | python3 -IS -X utf8 "$tools/sentences.py" \
        | violates sentences 'a line of a page has one whole sentence: tools/sentences.py --fix breaks and joins lines'
}

# Checks the tree in the current directory.
check() {
    local rule
    list_files >"$scratch/files"
    mapfile -t rust < <(grep -E '^(simulator/)?src/.*\.rs$' "$scratch/files")
    # Without quoted texts: any file can name a log target.
    list_code 1 "${rust[@]}" | sed -E 's/"([^"\\]|\\.)*"/""/g' >"$scratch/all"
    list_code 0 "${rust[@]}" >"$scratch/code"
    : >"$scratch/violations"
    for rule in "${rules[@]}"; do
        "rule_$rule"
    done
    [[ ! -s $scratch/violations ]]
}

case ${1-} in
    --self-test)
        # shellcheck source=tools/rules_self_test.sh
        source "$tools/rules_self_test.sh"
        self_test
        ;;
    '')
        cd "$tools/.."
        check || { echo "tools/rules.sh: $(wc -l <"$scratch/violations") violations"; exit 1; }
        ;;
    *) echo "usage: tools/rules.sh [--self-test]" >&2; exit 64 ;;
esac
