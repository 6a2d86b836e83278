#!/usr/bin/env bash
# tests/run: timeout=300
# make install puts everything in place, the libraries export what they should and no more, and programs build
# against the installed headers and libraries with what pkg-config says, linked both ways.
set -u
. "$(dirname "$0")/../lib/tap.sh"
cd "$BEAMC_ROOT" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work" "$tap_out"' EXIT
prefix=$work/opt/beamc
lib=$prefix/lib
do_make() { make VARIANT="${BEAMC_VARIANT%-lto}" ${CC:+CC="$CC"} "$@"; }

check "a second build has nothing to do" bash -c '! make VARIANT="${BEAMC_VARIANT%-lto}" all | grep .'
check "make install" do_make install PREFIX="$prefix"

check_same "every public header is installed, nothing else" \
    "$(cd sdk/include && find beamc -type f | sort)" "$(cd "$prefix/include" && find . -type f | sed 's,^\./,,' | sort)"

exported() { nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }'; }
check_same "libbeamc.so exports nothing outside of beamc_" "" "$(exported "$lib/libbeamc.so.0" | grep -v '^beamc_')"
check_same "libbeamc-fnapi.so exports nothing outside of beamc_" "" \
    "$(exported "$lib/libbeamc-fnapi.so.0" | grep -v '^beamc_')"
# Weak C++ symbols are instantiations of simdjson's templates: any other program's are the same.
check_same "the static libraries define nothing global outside of beamc_" "" \
    "$(nm -g --defined-only "$lib"/*.a | awk 'NF == 3 && $2 !~ /[VWu]/ && $3 !~ /^beamc_/ { print $3 }')"
check_same "private names have their own version" "" \
    "$(nm -D --defined-only "$lib/libbeamc.so.0" | awk '$3 ~ /^beamc__/ && $3 !~ /@@BEAMC_PRIVATE$/ { print $3 }')"
check "the core exports public names" grep -qx beamc_arena_new <(exported "$lib/libbeamc.so.0")
check_same "the core exports all that libbeamc-fnapi.so needs of it" "" \
    "$(comm -23 <(nm -D --undefined-only "$lib/libbeamc-fnapi.so.0" | awk '$2 ~ /^beamc_/ { print $2 }' | sort) \
        <(exported "$lib/libbeamc.so.0" | sort))"
check_same "the core leaves no name of its own open" "" \
    "$(nm -D --undefined-only "$lib/libbeamc.so.0" | awk '$1 == "U" && $2 ~ /^beamc_/ { print $2 }')"
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
check_same "the core and the tools do not load gRPC" "" \
    "$(for f in "$lib/libbeamc.so.0" "$prefix"/bin/*; do [ ! -f "$f" ] || needed "$f"; done | grep -E 'grpc|gpr|beamc' | sort -u)"
check_same "libbeamc-fnapi.so does not bring a second core" "" "$(needed "$lib/libbeamc-fnapi.so.0" | grep beamc)"
check_same "soname" "libbeamc.so.0" "$(readelf -d "$lib/libbeamc.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')"

export PKG_CONFIG_PATH=$lib/pkgconfig
cc=${CC:-gcc}
build_shared() { # SOURCE PROGRAM
    local flags
    flags=$(pkg-config --cflags --libs beamc) && eval "$cc -std=c11 -D_GNU_SOURCE '$1' -o '$2' $flags"
}
build_static() {
    local flags
    flags=$(pkg-config --cflags --libs beamc-static) && eval "$cc -std=c11 -D_GNU_SOURCE '$1' -o '$2' $flags"
}
cat >"$work/tiny.c" <<'C'
#include <beamc/beamc.h>
#include <stdio.h>
int main(void) {
    beamc_arena *arena = beamc_arena_new(0);
    puts(beamc_status_name(BEAMC_OK));
    beamc_arena_free(arena);
    return 0;
}
C
check "a program builds against the shared library" build_shared "$work/tiny.c" "$work/tiny-shared"
check "and runs" env LD_LIBRARY_PATH="$lib" "$work/tiny-shared"
check "it uses the installed library" grep -qx libbeamc.so.0 <(needed "$work/tiny-shared")
check "a program builds against the static library" build_static "$work/tiny.c" "$work/tiny-static"
check "and runs, with no beamc library to load" "$work/tiny-static"

# The Fn API library is opened late, and must find the one core of the process, however it is linked.
cat >"$work/load.c" <<'C'
#include <beamc/beamc.h>
#include <stdio.h>
int beamc__fnapi_load(void **worker, void **submit, beamc_error *err); /* private: as beamc_main calls it */
int main(void) {
    beamc_error err = {0};
    void *worker = NULL, *submit = NULL;
    int status = beamc__fnapi_load(&worker, &submit, &err);
    printf("%s\n", status == 0 ? "loaded" : err.message);
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (strstr(line, "r-xp") && strstr(line, "libbeamc")) {
            fputs(strrchr(line, '/') + 1, stdout);
        }
    }
    return 0;
}
C
check "a program that opens the Fn API library builds, shared" build_shared "$work/load.c" "$work/load-shared"
check "and static" build_static "$work/load.c" "$work/load-static"
check_same "linked shared, it has the one core and the Fn API library" "libbeamc-fnapi.so.0
libbeamc.so.0
loaded" "$(LD_LIBRARY_PATH="$lib" "$work/load-shared" | sort)"
check_same "linked statically, it has no second core" "libbeamc-fnapi.so.0
loaded" "$("$work/load-static" | sort)"
eval "$cc -std=c11 -D_GNU_SOURCE '$work/load.c' -o '$work/load-wrong' -I'$prefix/include' '$lib/libbeamc.a' \
    -Wl,-rpath,'$lib' $(pkg-config --static --libs-only-l beamc | sed 's/-lbeamc//')"
check "linked statically without exports, it says how to link" \
    grep -q 'pkg-config --libs beamc-static' <("$work/load-wrong")

shopt -s nullglob
examples=(examples/*.c)
check "there are examples" test ${#examples[@]} -gt 0
for source in "${examples[@]}"; do
    name=$(basename "$source" .c)
    check "examples/$name.c builds against the installed shared library" build_shared "$source" "$work/$name"
    check "examples/$name --help runs" env LD_LIBRARY_PATH="$lib" "$work/$name" --help
    check "examples/$name.c builds against the installed static library" build_static "$source" "$work/$name-static"
    check "examples/$name (static) --help runs" "$work/$name-static" --help
done

check "make uninstall" do_make uninstall PREFIX="$prefix"
check_same "leaves nothing" "" "$(find "$prefix" -type f -o -type l)"
finish
