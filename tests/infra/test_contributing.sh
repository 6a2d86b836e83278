#!/usr/bin/env bash
# The transform that CONTRIBUTING.md adds in five steps compiles as it stands there, passes its test, and is formatted.
set -u
. "$(dirname "$0")/../lib/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT
cd "$BEAMC_ROOT" || exit 1

# A block starts with ```c PATH and is indented by three spaces, as part of a list.
python3 - "$work" 3<CONTRIBUTING.md <<'PY'
import os, re, sys
for path, body in re.findall(r"^   ```c (\S+)\n(.*?)^   ```$", os.fdopen(3, encoding="utf-8").read(), re.M | re.S):
    target = os.path.join(sys.argv[1], path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as f:
        f.write(re.sub(r"^   ", "", body, flags=re.M))
PY
check_same "the blocks are there" "./sdk/include/beamc/mask.h
./tests/unit/transforms/test_mask.c
./transforms/mask/mask.c" "$(cd "$work" && find . -type f | sort)"

# shellcheck disable=SC2206 # CC may be two words
cc=(${CC:-gcc})
compile() {
    "${cc[@]}" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Werror -I"$work/sdk/include" -Isdk/include \
        "$work/transforms/mask/mask.c" "$work/tests/unit/transforms/test_mask.c" "$BEAMC_BUILD/libbeamc.a" \
        -o "$work/test_mask" -lcriterion -lprotobuf-c -ljansson -lsimdjson -lsqlite3 -lstdc++ -ldl -lm -pthread
}
check "they compile without a warning" compile
check "their test passes" "$work/test_mask"
if command -v clang-format >/dev/null; then
    check "they are formatted" clang-format --style=file:.clang-format --dry-run --Werror "$work/sdk/include/beamc/mask.h" \
        "$work/transforms/mask/mask.c" "$work/tests/unit/transforms/test_mask.c"
fi
finish
