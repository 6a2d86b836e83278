#!/usr/bin/env bash
# .env.sample is what the option table says (make env-sample writes it), and .env as it stands is accepted.
set -u
. "$(dirname "$0")/../lib/tap.sh"
cd "$BEAMC_ROOT" || exit 1
run=$BEAMC_BUILD/bin/beamc-run
check_same ".env.sample is up to date (else: make env-sample)" "$("$run" --env_sample)" "$(cat .env.sample)"

work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT
cp .env.sample "$work/.env"
check "a copy of it is a valid .env" bash -c "cd '$work' && '$run' --help"
# Every line that sets something, comment mark removed, still names a known variable and a value that it accepts.
sed -E 's/^# ?([A-Z][A-Z0-9_]*=)/\1/' .env.sample >"$work/.env"
check "and so it is with every line of it in effect" bash -c "cd '$work' && '$run' --help"
finish
