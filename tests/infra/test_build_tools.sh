#!/usr/bin/env bash
# On a machine without the packages `make` says which they are and what to type, in one message.
set -u
. "$(dirname "$0")/../lib/tap.sh"
cd "$BEAMC_ROOT" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT

# A PATH with all commands but some.
without() { # NAME...
    local dir=$work/bin name file
    rm -rf "$dir"
    mkdir "$dir"
    for file in /usr/bin/* /bin/* /usr/local/bin/*; do
        [ -e "$dir/${file##*/}" ] || ln -s "$file" "$dir/${file##*/}" 2>/dev/null
    done
    for name in "$@"; do
        rm -f "$dir/$name"
    done
}
build() { env -u CC -u CXX PATH="$work/bin" make CC=gcc CXX=g++ B="$work/build" lib 2>&1; }

without protoc-c
said=$(build)
code=$?
check "make fails without protoc-c" test "$code" -ne 0
check "it says what is not there" grep -q 'not here: protoc-c\.' <<<"$said"
check "and what to type" grep -q 'make run-local' <<<"$said"
check "the shell's own words are not needed" bash -c '! grep -q "command not found" <<<"$1"' _ "$said"
check "nothing was compiled" bash -c '! grep -qE "^(CC|CXX|PROTO) " <<<"$1"' _ "$said"

without gcc g++ cc c++ protoc-c
said=$(build)
check "all of it is named at once" grep -q 'not here: protoc-c, gcc, g++\.' <<<"$said"

without
check "with everything there is nothing to say" env PATH="$work/bin" CC=gcc CXX=g++ scripts/check-build-tools
check_same "and it is silent" "" "$(env PATH="$work/bin" CC=gcc CXX=g++ scripts/check-build-tools 2>&1)"
check "a header that is not there is named" grep -q 'duration.proto' \
    <(env PROTO_SYS="$work" scripts/check-build-tools 2>&1)
finish
