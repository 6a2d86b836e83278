/* The function library: who is found, who is refused. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "program/library.h"

static beamc_status nothing(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

typedef struct thing {
    int64_t n;
} thing;

static const beamc_field thing_fields[] = {BEAMC_REQUIRED(thing, n, I64)};
static const beamc_row thing_row = BEAMC_ROW(thing, thing_fields);
static const beamc_coder thing_coder = BEAMC_ROW_CODER(&thing_row);
static const beamc_coder kv_thing = BEAMC_KV(&beamc_string, &thing_coder);

static const beamc_dofn parse = {BEAMC_DOFN_ABI, .urn = "test:dofn:parse:v1",
                                 .outputs = {{"out", &kv_thing}}, .process = nothing};
static const beamc_dofn imposter = {BEAMC_DOFN_ABI, .urn = "test:dofn:parse:v1",
                                    .process = nothing};
static const beamc_program other = {BEAMC_PROGRAM_ABI, .name = "other", .fns = BEAMC_FNS(&parse),
                                    .imports = BEAMC_IMPORTS(&other)};
static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "program",
                                      .imports = BEAMC_IMPORTS(&other, &other)};
static const beamc_program impostors = {BEAMC_PROGRAM_ABI, .name = "impostors",
                                        .fns = BEAMC_FNS(&imposter)};

Test(library, holds_what_comes_with_beamc) {
    beamc_library *lib = beamc__library_new();
    cr_assert_not_null(beamc__library_dofn(lib, beamc_str("beamc:dofn:create:v1")));
    cr_assert_eq(beamc__library_combiner(lib, beamc_str("beamc:combiner:sum_i64:v1")),
                 &beamc_sum_i64);
    cr_assert_null(beamc__library_dofn(lib, beamc_str("beamc:combiner:sum_i64:v1")));
    cr_assert_null(beamc__library_combiner(lib, beamc_str("beamc:dofn:create:v1")));
    cr_assert_null(beamc__library_dofn(lib, beamc_str("")));
    beamc__library_free(lib);
}

Test(library, imports_are_followed_once) {
    beamc_library *lib = beamc__library_new();
    beamc_error err = {0};
    cr_assert_eq(beamc__library_add_program(lib, &program, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__library_add_program(lib, &program, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__library_dofn(lib, beamc_str("test:dofn:parse:v1")), &parse);
    cr_assert_null(beamc__library_fault(lib, parse.urn, &parse));
    cr_assert(strstr(beamc__library_fault(lib, imposter.urn, &imposter), "not the function"));
    cr_assert(strstr(beamc__library_fault(lib, "test:none:v1", &parse), "not listed"));
    beamc__library_free(lib);
}

Test(library, rows_are_collected) {
    beamc_library *lib = beamc__library_new();
    uint64_t print = beamc_row_fingerprint(&thing_row);
    cr_assert_null(beamc__library_find_row(lib, print));
    cr_assert_eq(beamc__library_add_program(lib, &program, NULL), BEAMC_OK);
    cr_assert_eq(beamc__library_find_row(lib, print), &thing_row);
    size_t count;
    const beamc_row *const *rows = beamc__library_rows(lib, &count);
    unsigned found = 0;
    for (size_t i = 0; i < count; i++) {
        found += rows[i] == &thing_row;
    }
    cr_assert_eq(found, 1);
    beamc__library_free(lib);
}

Test(library, two_functions_of_one_urn_are_refused) {
    beamc_library *lib = beamc__library_new();
    beamc_error err = {0};
    cr_assert_eq(beamc__library_add_program(lib, &program, &err), BEAMC_OK);
    cr_assert_eq(beamc__library_add_program(lib, &impostors, &err), BEAMC_ALREADY_EXISTS);
    cr_assert(strstr(err.message, "program impostors: two functions have the URN"), "%s",
              err.message);
    beamc__library_free(lib);
}

Test(library, other_versions_are_refused) {
    beamc_library *lib = beamc__library_new();
    beamc_error err = {0};
    beamc_program p = program;
    p.abi = 99;
    cr_assert_eq(beamc__library_add_program(lib, &p, &err), BEAMC_FAILED_PRECONDITION);
    p = program;
    p.struct_size++;
    cr_assert_eq(beamc__library_add_program(lib, &p, &err), BEAMC_FAILED_PRECONDITION);
    beamc_dofn fn = parse;
    fn.abi = 2;
    p = impostors;
    p.fns = BEAMC_FNS(&fn);
    cr_assert_eq(beamc__library_add_program(lib, &p, &err), BEAMC_FAILED_PRECONDITION);
    cr_assert(strstr(err.message, "another version"), "%s", err.message);
    beamc__library_free(lib);
}

Test(library, shorter_functions_end_in_zeroes) {
    static struct { beamc_dofn fn; } old;
    old.fn = parse;
    old.fn.urn = "test:dofn:old:v1";
    old.fn.struct_size = offsetof(beamc_dofn, teardown);
    old.fn.teardown = (void (*)(beamc_ctx *))(uintptr_t)1; /* behind its end: not to be seen */
    beamc_program p = {BEAMC_PROGRAM_ABI, .name = "old", .fns = BEAMC_FNS(&old.fn)};
    beamc_library *lib = beamc__library_new();
    cr_assert_eq(beamc__library_add_program(lib, &p, NULL), BEAMC_OK);
    const beamc_dofn *fn = beamc__library_dofn(lib, beamc_str("test:dofn:old:v1"));
    cr_assert_eq(fn->process, nothing);
    cr_assert_null(fn->teardown);
    cr_assert_null(beamc__library_fault(lib, old.fn.urn, &old.fn));
    beamc__library_free(lib);
}

Test(library, missing_functions_are_named) {
    beamc_library *lib = beamc__library_new();
    cr_assert_eq(beamc__library_add_program(lib, &program, NULL), BEAMC_OK);
    beamc_error err = {0};
    cr_assert_eq(beamc__library_missing(lib, beamc_str("test:dofn:prase:v1"), &err),
                 BEAMC_NOT_FOUND);
    cr_assert(strstr(err.message, "\"test:dofn:prase:v1\" (nearest: test:dofn:parse:v1)"), "%s",
              err.message);
    beamc__library_missing(lib, beamc_str("zzz"), &err);
    cr_assert(!strstr(err.message, "nearest"), "%s", err.message);
    beamc__library_free(lib);
}

Test(library, hundreds_of_functions) {
    enum { COUNT = 300 };
    static beamc_dofn fns[COUNT];
    static char urns[COUNT][32];
    static const beamc_dofn *list[COUNT + 1];
    for (int i = 0; i < COUNT; i++) {
        fns[i] = imposter;
        snprintf(urns[i], sizeof urns[i], "test:many:%d:v1", i);
        fns[i].urn = urns[i];
        list[i] = &fns[i];
    }
    beamc_program p = {BEAMC_PROGRAM_ABI, .name = "many", .fns = list};
    beamc_library *lib = beamc__library_new();
    cr_assert_eq(beamc__library_add_program(lib, &p, NULL), BEAMC_OK);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(beamc__library_dofn(lib, beamc_str(urns[i])), &fns[i]);
    }
    beamc__library_free(lib);
}

Test(library, plugins_that_are_none) {
    beamc_library *lib = beamc__library_new();
    beamc_error err = {0};
    cr_assert_eq(beamc__library_add_plugin(lib, "/no/such/file.so", NULL, &err), BEAMC_NOT_FOUND);
    cr_assert(strstr(err.message, "--program=/no/such/file.so: there is no such file"), "%s",
              err.message);
    cr_assert_neq(beamc__library_add_plugin(lib, "/etc/passwd", NULL, &err), BEAMC_OK);
    beamc__library_free(lib);
}
