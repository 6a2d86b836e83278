# shellcheck shell=bash
# tap.sh: TAP for shell tests (sourced). `check NAME COMMAND...` passes when the command succeeds, and shows what it
# printed when it does not; `skip NAME WHY`; `finish` last: it prints the plan and exits.
#
# Run by hand, a test finds its build here; under tests/run these are set.
BEAMC_ROOT=${BEAMC_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BEAMC_BUILD=${BEAMC_BUILD:-$BEAMC_ROOT/build/release}
BEAMC_VARIANT=${BEAMC_VARIANT:-$(basename "$BEAMC_BUILD")}
export BEAMC_ROOT BEAMC_BUILD BEAMC_VARIANT
# A make started by a test is a make of its own, not a job of the one that runs the tests.
unset MAKEFLAGS MAKELEVEL MFLAGS

tap_count=0
tap_failed=0
tap_out=$(mktemp)
trap 'rm -f "$tap_out"' EXIT

ok() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1"
}
not_ok() { # NAME; explanations on standard input (not through a pipe: a subshell would count for itself)
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $1"
    head -n 60 | sed 's/^/# /'
}
skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}
check() {
    local name=$1 code=0
    shift
    "$@" >"$tap_out" 2>&1 || code=$?
    if [ "$code" = 0 ]; then
        ok "$name"
    else
        not_ok "$name" < <(cat "$tap_out"; echo "exit code $code of: $*")
    fi
}
# The two texts are the same; otherwise their difference is shown.
check_same() { # NAME EXPECTED ACTUAL
    check "$1" diff -u --label expected --label actual <(printf '%s\n' "$2") <(printf '%s\n' "$3")
}
finish() {
    echo "1..$tap_count"
    [ "$tap_failed" = 0 ]
    exit
}
