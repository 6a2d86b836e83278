#!/usr/bin/env bash
# tests/run: timeout=120
# A short soak (make soak is the long one): memory, files, state and lag are flat, and each event counts once.
set -u
. "$(dirname "$0")/../lib/tap.sh"
cd "$BEAMC_ROOT" || exit 1
check "15 s at 20,000 events/s" python3 tests/soak/soak.py --build="$BEAMC_BUILD" --seconds=15 --rate=20000
finish
