#!/usr/bin/env bash
# The layer rule holds, and the script that checks it sees a breach.
set -u
. "$(dirname "$0")/../lib/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT

check "dependencies point one way" python3 "$BEAMC_ROOT/scripts/check_layers.py"

# The same tree with one wrong include more.
refuses() { # FILE INCLUDE
    mkdir -p "$work/tree/$(dirname "$1")"
    printf '%s\n' "#include $2" >"$work/tree/$1"
    ! python3 "$work/tree/scripts/check_layers.py" && rm "$work/tree/$1"
}
mkdir -p "$work/tree/scripts"
cp "$BEAMC_ROOT/scripts/check_layers.py" "$work/tree/scripts/"
for header in sdk/base/mem.h sdk/coder/x.h worker/exec/plan.h worker/rpc/rpc.h io/jsonl/private.h; do
    mkdir -p "$work/tree/$(dirname "$header")"
    : >"$work/tree/$header"
done
check "a clean tree passes" python3 "$work/tree/scripts/check_layers.py"
check "base must not see a coder" refuses sdk/base/a.c '"coder/x.h"'
check "a transform sees public headers only" refuses transforms/t/a.c '"base/mem.h"'
check "the plan knows no gRPC" refuses worker/exec/a.c '<grpc/grpc.h>'
check "only translate.c in exec reads protobuf" refuses worker/exec/a.c '"beam_model/beam_fn_api.pb-c.h"'
check "the runner knows the plan by the bundle interface only" refuses runner/a.c '"worker/exec/plan.h"'
check "the engine knows no protobuf" refuses runner/engine.c '<protobuf-c/protobuf-c.h>'
check "one connector does not look into another" refuses io/sqlite/a.c '"io/jsonl/private.h"'
check "an include that is not there" refuses sdk/base/a.c '"base/gone.h"'
finish
