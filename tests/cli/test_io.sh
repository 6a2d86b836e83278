#!/usr/bin/env bash
# Files in and out of the job as a user meets them: publish-samples, inputs that are missing, outputs without
# room, and that a job that fails leaves nothing behind.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT
samples=$BEAMC_BUILD/bin/publish-samples
job() { "$BEAMC_BUILD/bin/beamc-run" --local "$@"; }
exits() { # CODE TEXT COMMAND...: one line on standard error that holds the text
    local want=$1 text=$2 code=0
    shift 2
    "$@" >/dev/null 2>"$work/stderr" || code=$?
    cat "$work/stderr"
    [ "$code" = "$want" ] && [ "$(wc -l <"$work/stderr")" = 1 ] && grep -qF -- "$text" "$work/stderr"
}
limited() { (ulimit -f 100 && "$@"); }

check 'publish-samples writes three files' "$samples" --output="$work/s" --events=10000 --seed=4
check_same 'with the shares of events' '7000 2000 1000' \
    "$(for f in clicks transactions stock; do wc -l <"$work/s/$f.jsonl"; done | xargs)"
check 'equal seeds ...' "$samples" --output="$work/s2" --events=10000 --seed=4
check '... give equal files' diff -r "$work/s" "$work/s2"
check 'it replaces nothing' exits 4 --overwrite "$samples" --output="$work/s" --events=1
check 'unless told' "$samples" --output="$work/s2" --events=10 --overwrite
check 'it wants a folder' exits 2 --output=DIR "$samples"
check 'and names wrong options' exits 2 --seed "$samples" --sede=1
check 'a folder that cannot be made' exits 4 /proc/x "$samples" --output=/proc/x
check 'no room' exits 4 'File too large' limited "$samples" --output="$work/s3"
tap_files() { (cd "$1" && find . -mindepth 1 | sort | xargs); }
check_same 'leaves no half-written file' '' "$(tap_files "$work/s3")"

check 'a missing input' exits 3 "$work/none.jsonl: there is no such file" \
    job --input_clicks="$work/none.jsonl" --output_jsonl="$work/o1"
check_same 'leaves the output folder empty' '' "$(tap_files "$work/o1")"
check 'a pattern without files' exits 3 'matches no file' \
    job --input_clicks="$work/none*.jsonl" --output_sqlite="$work/x.db"
check 'no room for JSON lines' exits 4 'raise the limit' \
    limited job --input_clicks="$work/s/clicks.jsonl" --output_jsonl="$work/o1"
check_same 'leaves the output folder empty' '' "$(tap_files "$work/o1")"
check 'no room for SQLite' exits 4 'the write failed' \
    limited job --input_clicks="$work/s/clicks.jsonl" --output_sqlite="$work/x.db"
check_same 'leaves no file' '' "$(tap_files "$work" | tr ' ' '\n' | grep -F x.db)"

lines() { cat "$work/s/clicks.jsonl"; }
check 'files' job --input_clicks="$work/s/c*.jsonl" --output_jsonl="$work/files" --parallelism=1
check 'standard input' job --input_clicks=- --output_jsonl="$work/stdin" --parallelism=1 < <(lines)
check 'a pipe' job --input_clicks=<(lines) --output_jsonl="$work/pipe" --parallelism=1
sorted() { sort "$work/$1/product_views_summary.jsonl" "$work/$1/dead_letter.jsonl"; }
check_same 'standard input gives the rows of the file' "$(sorted files)" "$(sorted stdin)"
check_same 'a pipe gives the rows of the file' "$(sorted files)" "$(sorted pipe)"
check 'standard input twice' exits 3 'one input only' \
    job --input_clicks=- --input_stock=- --output_jsonl="$work/twice" </dev/null
check 'existing outputs are not replaced' exits 4 --overwrite \
    job --input_clicks="$work/s/clicks.jsonl" --output_jsonl="$work/files"
check 'unless told' job --input_clicks="$work/s/clicks.jsonl" --output_jsonl="$work/files" --overwrite
finish
