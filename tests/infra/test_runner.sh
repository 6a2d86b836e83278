#!/usr/bin/env bash
# tests/run itself: it must fail when a test fails, when none runs, when a suite lies, hangs or leaves processes, and,
# where CI=true, when one is skipped; its last line is the one plain line.
set -u
. "$(dirname "$0")/../lib/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT
mkdir -p "$work/tests/t" "$work/build/x"
cp "$BEAMC_ROOT/tests/run" "$work/tests/"
unset CI

# expect NAME EXIT LAST_LINE: runs the suite whose text is on standard input
expect() {
    local name=$1 want_code=$2 want_last=$3 code=0
    cat >"$work/tests/t/test_a.sh"
    python3 "$work/tests/run" --build=build/x >"$work/out" 2>&1 || code=$?
    if [ "$code" = "$want_code" ] && [ "$(tail -n 1 "$work/out")" = "$want_last" ]; then
        ok "$name"
    else
        not_ok "$name" < <(echo "exit code $code, want $want_code; last line wanted: $want_last"; cat "$work/out")
    fi
}
expect "all pass" 0 "2 passed, 0 failed, 0 skipped" <<<'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b"'
expect "one fails" 1 "1 passed, 1 failed, 0 skipped" <<<'echo 1..2; echo "ok 1 - a"; echo "not ok 2 - b"'
check "what failed is shown" grep -q 'FAILED b' "$work/out"
expect "a skip is counted" 0 "1 passed, 0 failed, 1 skipped" <<<'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b # SKIP no peer"'
check "and said aloud" grep -q 'SKIPPED b: no peer' "$work/out"
CI=true expect "where CI=true a skip fails the run" 1 "1 passed, 0 failed, 1 skipped" \
    <<<'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b # SKIP no peer"'
expect "a whole suite is skipped" 0 "0 passed, 0 failed, 1 skipped" <<<'echo "1..0 # SKIP no java"'
expect "no test ran" 1 "0 passed, 1 failed, 0 skipped" <<<'true'
expect "fewer than planned" 1 "1 passed, 1 failed, 0 skipped" <<<'echo 1..2; echo "ok 1 - a"'
expect "exit code against the tests' word" 1 "1 passed, 1 failed, 0 skipped" <<<'echo 1..1; echo "ok 1 - a"; exit 3'
expect "bail out" 1 "1 passed, 1 failed, 0 skipped" <<<'echo 1..1; echo "ok 1 - a"; echo "Bail out! disk full"; exit 1'
expect "a suite that hangs" 1 "1 passed, 1 failed, 0 skipped" <<'S'
# tests/run: timeout=1
echo 1..1; echo "ok 1 - a"; sleep 1000
S
check "the time-out is named" grep -q 'timed out after 1 s' "$work/out"
expect "a suite that leaves a process behind" 0 "1 passed, 0 failed, 0 skipped" <<S
sleep 1000 & echo \$! >"$work/pid"
echo 1..1; echo "ok 1 - a"
S
# Dead, if perhaps not yet collected by process 1.
gone() { ! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat "$work/pid")/status" 2>/dev/null; }
check "it is ended with the suite" gone
rm "$work/tests/t/test_a.sh"
check_same "nothing to run" "no test ran
0 passed, 0 failed, 0 skipped" "$(python3 "$work/tests/run" --build=build/x)"
finish
