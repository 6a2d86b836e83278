/* library.c: see library.h. Filled on one thread, read by many. */
#include "program/library.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "graph/builtin_fns.h"
#include "graph/payload.h"

/* One URN. `dofn` or `combiner` is what is used: the definition itself, or, when that comes from an
 * older binary with a shorter struct, a copy that ends in zeroes. */
typedef struct function {
    const char *urn;
    const void *source;
    const beamc_dofn *dofn;
    const beamc_combiner *combiner;
    void *copy; /* ours, or NULL */
} function;

typedef struct library_row {
    const beamc_row *row;
    uint64_t fingerprint;
} library_row;

struct beamc_library {
    function *functions;
    size_t count, cap;
    uint32_t *slots; /* open addressing: index + 1, 0 is free; a power of two */
    size_t slot_cap;
    library_row *rows;
    const beamc_row **row_tables; /* the same, as an array of tables */
    size_t row_count, row_cap, table_cap;
    const beamc_program **programs; /* those added */
    size_t program_count, program_cap;
};

static void *grow(void *items, size_t count, size_t *cap, size_t item_size) {
    if (count < *cap) {
        return items;
    }
    *cap = *cap != 0 ? *cap * 2 : 32;
    return beamc__realloc(items, *cap * item_size);
}

/* ---------------------------------------------------------------------------------- by URN */

static uint32_t hash_urn(beamc_slice urn) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < urn.len; i++) {
        h = (h ^ (unsigned char)urn.ptr[i]) * 16777619u;
    }
    return h;
}

static uint32_t *slot_of(const beamc_library *lib, beamc_slice urn) {
    size_t at = hash_urn(urn) & (lib->slot_cap - 1);
    while (lib->slots[at] != 0 &&
           !beamc_slice_eq(beamc_str(lib->functions[lib->slots[at] - 1].urn), urn)) {
        at = (at + 1) & (lib->slot_cap - 1);
    }
    return &lib->slots[at];
}

static const function *find(const beamc_library *lib, beamc_slice urn) {
    uint32_t at = *slot_of(lib, urn);
    return at != 0 ? &lib->functions[at - 1] : NULL;
}

static void insert(beamc_library *lib, function f) {
    lib->functions = grow(lib->functions, lib->count, &lib->cap, sizeof f);
    lib->functions[lib->count++] = f;
    if (lib->count * 2 > lib->slot_cap) {
        free(lib->slots);
        lib->slot_cap *= 2;
        lib->slots = beamc__calloc(lib->slot_cap, sizeof *lib->slots);
        for (size_t i = 0; i < lib->count; i++) {
            *slot_of(lib, beamc_str(lib->functions[i].urn)) = (uint32_t)(i + 1);
        }
    } else {
        *slot_of(lib, beamc_str(f.urn)) = (uint32_t)lib->count;
    }
}

const beamc_dofn *beamc__library_dofn(const beamc_library *lib, beamc_slice urn) {
    const function *f = find(lib, urn);
    return f != NULL ? f->dofn : NULL;
}

const beamc_combiner *beamc__library_combiner(const beamc_library *lib, beamc_slice urn) {
    const function *f = find(lib, urn);
    return f != NULL ? f->combiner : NULL;
}

const char *beamc__library_fault(const beamc_library *lib, const char *urn, const void *fn) {
    const function *f = find(lib, beamc_str(urn));
    if (f == NULL) {
        return "is not listed in program.fns or program.combiners: a worker could not find it. Add "
               "it to BEAMC_FNS(...) or BEAMC_COMBINERS(...), or import the program that lists it";
    }
    if (f->source != fn) {
        return "is not the function that the program lists under this URN: give each function a "
               "URN of its own";
    }
    return NULL;
}

beamc_status beamc__library_missing(const beamc_library *lib, beamc_slice urn, beamc_error *err) {
    const char *nearest = NULL;
    unsigned best = ~0u;
    for (size_t i = 0; i < lib->count; i++) {
        unsigned d = beamc__edit_distance(urn, beamc_str(lib->functions[i].urn));
        if (d < best) {
            best = d;
            nearest = lib->functions[i].urn;
        }
    }
    bool near = nearest != NULL && beamc_edit_is_near(best, urn.len);
    return BEAMC_FAIL(err, NOT_FOUND,
                      "this worker has no function \"%.*s\"%s%s%s: run the program that built the "
                      "job, list the function in its .fns or .combiners, or load it with "
                      "--program=FILE.so",
                      BEAMC_SLICE_ARG(urn), near ? " (nearest: " : "", near ? nearest : "",
                      near ? ")" : "");
}

/* ------------------------------------------------------------------------------- row tables */

static void add_row(beamc_library *lib, const beamc_row *row);

static void add_field_rows(beamc_library *lib, const beamc_field *field) {
    if (field == NULL) {
        return;
    }
    add_row(lib, field->row);
    add_field_rows(lib, field->element);
    add_field_rows(lib, field->key);
}

static void add_row(beamc_library *lib, const beamc_row *row) {
    if (row == NULL) {
        return;
    }
    for (size_t i = 0; i < lib->row_count; i++) {
        if (lib->rows[i].row == row) {
            return;
        }
    }
    lib->rows = grow(lib->rows, lib->row_count, &lib->row_cap, sizeof *lib->rows);
    lib->row_tables =
        grow(lib->row_tables, lib->row_count, &lib->table_cap, sizeof *lib->row_tables);
    lib->row_tables[lib->row_count] = row;
    lib->rows[lib->row_count++] = (library_row){row, beamc_row_fingerprint(row)};
    for (uint32_t i = 0; i < row->field_count; i++) {
        add_field_rows(lib, &row->fields[i]);
    }
}

static void add_coder_rows(beamc_library *lib, const beamc_coder *coder) {
    if (coder != NULL) {
        add_row(lib, coder->row);
        add_coder_rows(lib, coder->args[0]);
        add_coder_rows(lib, coder->args[1]);
    }
}

const beamc_row *const *beamc__library_rows(const beamc_library *lib, size_t *count) {
    *count = lib->row_count;
    return lib->row_tables;
}

const beamc_row *beamc__library_find_row(void *library, uint64_t fingerprint) {
    const beamc_library *lib = library;
    for (size_t i = 0; i < lib->row_count; i++) {
        if (lib->rows[i].fingerprint == fingerprint) {
            return lib->rows[i].row;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------- functions */

/* The definition, or a full-size copy when it is shorter than what this build knows. */
static const void *full_size(const void *source, size_t size, size_t ours, void **copy) {
    if (size == ours) {
        return source;
    }
    *copy = beamc__calloc(1, ours);
    memcpy(*copy, source, size);
    return *copy;
}

static beamc_status check_function(const beamc_library *lib, const char *what, const char *urn,
                                   uint32_t abi, size_t size, size_t ours, const void *source,
                                   bool *known, beamc_error *err) {
    *known = false;
    if (abi != BEAMC_ABI_VERSION || size < sizeof(size_t) + sizeof(uint32_t) || size > ours) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "a %s was built for another version of this library (abi %u, size %zu; "
                          "here abi %d, size %zu): rebuild it",
                          what, abi, size, BEAMC_ABI_VERSION, ours);
    }
    if (urn == NULL || urn[0] == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a %s has no .urn", what);
    }
    const function *f = find(lib, beamc_str(urn));
    if (f != NULL && f->source != source) {
        return BEAMC_FAIL(err, ALREADY_EXISTS,
                          "two functions have the URN \"%s\": give each one of its own", urn);
    }
    *known = f != NULL;
    return BEAMC_OK;
}

static beamc_status add_combiner(beamc_library *lib, const beamc_combiner *fn, beamc_error *err) {
    bool known;
    BEAMC_TRY(check_function(lib, "combiner", fn->urn, fn->abi, fn->struct_size, sizeof *fn, fn,
                             &known, err));
    if (known) {
        return BEAMC_OK;
    }
    function f = {.urn = fn->urn, .source = fn};
    f.combiner = full_size(fn, fn->struct_size, sizeof *fn, &f.copy);
    insert(lib, f);
    add_coder_rows(lib, f.combiner->input);
    add_row(lib, f.combiner->accumulator);
    add_coder_rows(lib, f.combiner->output);
    return BEAMC_OK;
}

static beamc_status add_dofn(beamc_library *lib, const beamc_dofn *fn, beamc_error *err) {
    bool known;
    BEAMC_TRY(check_function(lib, "DoFn", fn->urn, fn->abi, fn->struct_size, sizeof *fn, fn, &known,
                             err));
    if (known) {
        return BEAMC_OK;
    }
    function f = {.urn = fn->urn, .source = fn};
    f.dofn = full_size(fn, fn->struct_size, sizeof *fn, &f.copy);
    fn = f.dofn;
    insert(lib, f);
    add_coder_rows(lib, fn->input);
    for (unsigned i = 0; i < beamc_dofn_output_count(fn); i++) {
        add_coder_rows(lib, fn->outputs[i].coder);
    }
    for (unsigned i = 0; i < beamc_dofn_state_count(fn); i++) {
        add_coder_rows(lib, fn->states[i].coder);
        add_coder_rows(lib, fn->states[i].key_coder);
        if (fn->states[i].combiner != NULL) {
            add_row(lib, fn->states[i].combiner->accumulator);
        }
    }
    if (fn->splittable != NULL) {
        add_row(lib, beamc_splittable_row(fn->splittable));
    }
    return BEAMC_OK;
}

/* -------------------------------------------------------------------------------- programs */

static bool has_program(const beamc_library *lib, const beamc_program *program) {
    for (size_t i = 0; i < lib->program_count; i++) {
        if (lib->programs[i] == program) {
            return true;
        }
    }
    return false;
}

static beamc_status add_functions(beamc_library *lib, const beamc_program *program,
                                  beamc_error *err) {
    for (size_t i = 0; program->fns != NULL && program->fns[i] != NULL; i++) {
        BEAMC_TRY(add_dofn(lib, program->fns[i], err));
    }
    for (size_t i = 0; program->combiners != NULL && program->combiners[i] != NULL; i++) {
        BEAMC_TRY(add_combiner(lib, program->combiners[i], err));
    }
    for (size_t i = 0; program->imports != NULL && program->imports[i] != NULL; i++) {
        BEAMC_TRY(beamc__library_add_program(lib, program->imports[i], err));
    }
    return BEAMC_OK;
}

beamc_status beamc__library_add_program(beamc_library *lib, const beamc_program *program,
                                        beamc_error *err) {
    if (program->abi != BEAMC_ABI_VERSION || program->struct_size == 0 ||
        program->struct_size > sizeof *program) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "the program was built for another version of this library (abi %u, size "
                          "%zu; here abi %d, size %zu): rebuild it, and start it with "
                          "BEAMC_PROGRAM_ABI",
                          program->abi, program->struct_size, BEAMC_ABI_VERSION, sizeof *program);
    }
    if (has_program(lib, program)) {
        return BEAMC_OK;
    }
    beamc_program full = {0}; /* what an older, shorter one does not have is zero */
    memcpy(&full, program, program->struct_size);
    lib->programs =
        grow(lib->programs, lib->program_count, &lib->program_cap, sizeof *lib->programs);
    lib->programs[lib->program_count++] = program;
    BEAMC_TRY_CTX(err, add_functions(lib, &full, err), "program %s",
                  full.name != NULL ? full.name : "(no name)");
    return BEAMC_OK;
}

beamc_status beamc__library_add_plugin(beamc_library *lib, const char *path,
                                       const beamc_program **program, beamc_error *err) {
    /* dlopen looks for a bare name in the system's folders; a file here is what is meant. */
    char *full = realpath(path, NULL);
    if (full == NULL) {
        return BEAMC_FAIL(err, NOT_FOUND, "--program=%s: there is no such file", path);
    }
    void *handle = dlopen(full, RTLD_NOW | RTLD_LOCAL);
    free(full);
    if (handle == NULL) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION, "--program=%s: %s", path, dlerror());
    }
    const beamc_program *const *found = dlsym(handle, "beamc_plugin_program");
    if (found == NULL || *found == NULL) {
        dlclose(handle);
        return BEAMC_FAIL(
            err, INVALID_ARGUMENT,
            "--program=%s is no beamc program: build it with -DBEAMC_PLUGIN, and with "
            "BEAMC_EXPORT(program) in it",
            path);
    }
    BEAMC_TRY_CTX(err, beamc__library_add_program(lib, *found, err), "--program=%s", path);
    if (program != NULL) {
        *program = *found;
    }
    return BEAMC_OK;
}

beamc_library *beamc__library_new(void) {
    static const beamc_combiner *const standard[] = {
        &beamc_sum_i64, &beamc_count, &beamc_min_i64, &beamc_max_i64, &beamc_mean_i64,
        &beamc_sum_f64, NULL};
    beamc_library *lib = beamc__calloc(1, sizeof *lib);
    lib->slot_cap = 128;
    lib->slots = beamc__calloc(lib->slot_cap, sizeof *lib->slots);
    beamc_program own = {BEAMC_PROGRAM_ABI, .name = "beamc", .fns = beamc__builtin_fns,
                         .combiners = standard};
    beamc_error err;
    if (add_functions(lib, &own, &err) != BEAMC_OK) {
        abort(); /* our own tables contradict one another: a mistake that no test can miss */
    }
    return lib;
}

void beamc__library_free(beamc_library *lib) {
    if (lib == NULL) {
        return;
    }
    for (size_t i = 0; i < lib->count; i++) {
        free(lib->functions[i].copy);
    }
    free(lib->functions);
    free(lib->slots);
    free(lib->rows);
    free(lib->row_tables);
    free(lib->programs);
    free(lib);
}
