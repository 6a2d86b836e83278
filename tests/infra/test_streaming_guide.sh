#!/usr/bin/env bash
# docs/streaming.md is true to the sources: its blocks of C stand in the examples as they are, it names every example,
# and the names of the API that it uses are in the public headers.
set -u
. "$(dirname "$0")/../lib/tap.sh"
trap 'rm -f "$tap_out"' EXIT
cd "$BEAMC_ROOT" || exit 1
guide=docs/streaming.md

blocks() { # prints what is not in the file that the block names
    python3 - "$guide" <<'PY'
import re, sys
text = open(sys.argv[1], encoding='utf-8').read()
found = re.findall(r'^```c (\S+)\n(.*?)^```$', text, re.M | re.S)
assert len(found) >= 6, 'only %d blocks' % len(found)
assert len(found) == len(re.findall(r'^```.', text, re.M)), 'a block without a file'
for path, body in found:
    if body not in open(path, encoding='utf-8').read():
        print('not in %s:\n%s' % (path, body))
PY
}
check_same "its blocks stand in the examples" "" "$(blocks 2>&1)"

for source in examples/*.c; do
    name=$(basename "$source" .c)
    case $name in minimal | wordcount) continue ;; esac
    check "it names $name" grep -q "$name" "$guide"
done

names() {
    grep -oE '\b(beamc|BEAMC)_[A-Za-z0-9_]*[A-Za-z0-9]' "$guide" | sort -u | while read -r name; do
        grep -qrw -- "$name" sdk/include/beamc || echo "$name"
    done
}
check_same "the names of the API are in the public headers" "" "$(names)"

options() {
    grep -oE -- '--[a-z][a-z_]+' "$guide" | sort -u | while read -r option; do
        grep -q "\"${option#--}\"" sdk/program/standard_options.c examples/*.c || echo "$option"
    done
}
check_same "its options exist" "" "$(options)"

links() {
    grep -oE '\]\([^)#]+\)' "$guide" README.md ARCHITECTURE.md CONTRIBUTING.md | while IFS=: read -r file link; do
        target=${link#](}
        target=${target%)}
        case $target in http*) continue ;; esac
        [ -e "$(dirname "$file")/$target" ] || echo "$file: $target"
    done
}
check_same "links lead somewhere" "" "$(links)"
check "README leads to it" grep -q 'docs/streaming.md' README.md
finish
