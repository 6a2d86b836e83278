/* io_kit.h: for tests of connectors: a folder of their own, and plans of one DoFn. */
#ifndef BEAMC_TESTS_IO_KIT_H
#define BEAMC_TESTS_IO_KIT_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <beamc/io.h>

#include "io/common/parts.h"
#include "proto/beam_model/urns.h"
#include "tests/unit/exec/kit.h"

#define IO_KIT __attribute__((unused)) static

/* ------------------------------------------------------------------------------------- files */

static char io_dir[64];

IO_KIT void io_make_dir(void) {
    snprintf(io_dir, sizeof io_dir, "/tmp/beamc-io-XXXXXX");
    cr_assert_not_null(mkdtemp(io_dir));
}

IO_KIT void io_remove_dir(void) {
    char command[256];
    snprintf(command, sizeof command, "chmod -R u+rwx %s && rm -rf %s", io_dir, io_dir);
    cr_assert_eq(system(command), 0);
}

IO_KIT const char *io_path(const char *name) {
    static char paths[8][512];
    static int next;
    next = (next + 1) % 8;
    snprintf(paths[next], sizeof paths[next], "%s/%s", io_dir, name);
    return paths[next];
}

IO_KIT void io_put_file(const char *name, const char *text) {
    FILE *f = fopen(io_path(name), "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

/* A file's text; NULL when it is not there. */
IO_KIT const char *io_text(const char *name) {
    static char text[8192];
    FILE *f = fopen(io_path(name), "r");
    if (f == NULL) {
        return NULL;
    }
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

IO_KIT int io_compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder ("" is the test's own), sorted, each with a space behind. */
IO_KIT const char *io_list(const char *name) {
    static char out[4096];
    char *names[64];
    size_t count = 0;
    DIR *d = opendir(io_path(name));
    if (d == NULL) {
        return NULL;
    }
    for (struct dirent *e = readdir(d); e != NULL && count < 64; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            names[count++] = strdup(e->d_name);
        }
    }
    closedir(d);
    qsort(names, count, sizeof names[0], io_compare_names);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(out);
        snprintf(out + used, sizeof out - used, "%s ", names[i]);
        free(names[i]);
    }
    return out;
}

/* -------------------------------------------------------------------------------------- rows */

typedef struct io_row {
    beamc_slice name;
    int64_t n;
    beamc_time at;
    bool flag;
    bool has_flag;
} io_row;
static const beamc_field io_row_fields[] = {
    BEAMC_REQUIRED(io_row, name, STRING),
    BEAMC_REQUIRED(io_row, n, I64),
    BEAMC_REQUIRED(io_row, at, TIME),
    BEAMC_OPTIONAL(io_row, flag, BOOL),
};
static const beamc_row io_row_table = BEAMC_ROW(io_row, io_row_fields);
IO_KIT const beamc_coder io_row_coder = BEAMC_ROW_CODER(&io_row_table);

/* A DoFn that makes the row table known to the library. */
IO_KIT beamc_status io_row_none(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}
static const beamc_dofn io_row_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:io_rows:v1",
    .input = &io_row_coder, .outputs = {{"out", &beamc_string}},
    .process = io_row_none,
};
IO_KIT const beamc_program io_program = {
    BEAMC_PROGRAM_ABI,
    .name = "io_test",
    .fns = BEAMC_FNS(&io_row_fn),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};

/* ------------------------------------------------------------------------------------- plans */

/* src -> fn -> its outputs, each into a sink of the output's name. */
IO_KIT kit *io_plan(const beamc_dofn *fn, const void *config, const beamc_coder *input) {
    kit *k = kit_new(&io_program);
    kit_pcol(k, "in", input, NULL);
    kit_source(k, "src", "in", input, &beamc_global_window);
    char outputs[256] = "";
    for (unsigned i = 0; i < BEAMC_MAX_OUTPUTS && fn->outputs[i].name != NULL; i++) {
        size_t used = strlen(outputs);
        snprintf(outputs + used, sizeof outputs - used, "%s%s=%s", i > 0 ? " " : "",
                 fn->outputs[i].name, fn->outputs[i].name);
        kit_pcol(k, fn->outputs[i].name, fn->outputs[i].coder, NULL);
    }
    kit_transform(k, "Step", BEAMC_URN_PRIMITIVE_PAR_DO,
                  kit_pack(k, kit_pardo_payload(k, fn, config, input, NULL, NULL)), "in=in",
                  outputs);
    for (unsigned i = 0; i < BEAMC_MAX_OUTPUTS && fn->outputs[i].name != NULL; i++) {
        char sink[64];
        snprintf(sink, sizeof sink, "%s_sink", fn->outputs[i].name);
        kit_sink(k, beamc_arena_printf(k->arena, "%s", sink), fn->outputs[i].name,
                 fn->outputs[i].coder, &beamc_global_window);
    }
    kit_plan(k);
    return k;
}

/* Feeds elements in the global window. */
IO_KIT void io_feed(kit *k, const beamc_coder *coder, const beamc_value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        kit_element e = {values[i], 5, BEAMC_GLOBAL_WINDOW};
        kit_feed(k, "src", coder, &beamc_global_window, &e, 1);
    }
}

/* Feeds rows "<name><from>" .. */
IO_KIT void io_feed_rows(kit *k, const char *name, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
        io_row row = {.n = i, .at = i * 60000, .flag = i % 2 == 1, .has_flag = i % 3 != 0};
        char text[32];
        snprintf(text, sizeof text, "%s%lld", name, (long long)i);
        row.name = beamc_str(text);
        beamc_value v = beamc_value_row(&row);
        io_feed(k, &io_row_coder, &v, 1);
    }
}

/* As if the runner never said that the last bundle is done. */
IO_KIT void io_drop_finalizers(kit *k) {
    beamc_finalizers_free(k->result.finalizers);
    k->result.finalizers = NULL;
}

/* The parts that a sink's DoFn emitted in the last bundle: copied behind @p out; the new count. */
IO_KIT size_t io_take_parts(kit *k, beamc_part *out, size_t count) {
    static beamc_arena *kept; /* as long as the test */
    kept = kept != NULL ? kept : beamc_arena_new(0);
    beamc_windowed_value values[16];
    size_t n = kit_output(k, "parts_sink", &beamc__part_coder, &beamc_global_window, values, 16);
    for (size_t i = 0; i < n; i++) {
        const beamc_part *p = values[i].value.row;
        out[count] = *p;
        out[count].table = beamc_str(beamc_arena_cstr(kept, p->table));
        out[count].name = beamc_str(beamc_arena_cstr(kept, p->name));
        count++;
    }
    return count;
}

/* Feeds one group of parts, in this order, with the empty one in front. */
IO_KIT void io_feed_parts(kit *k, const beamc_part *parts, size_t count) {
    static const beamc_part empty;
    beamc_value values[64];
    values[0] = beamc_value_row(&empty);
    for (size_t i = 0; i < count; i++) {
        values[i + 1] = beamc_value_row(&parts[i]);
    }
    beamc_kv kv = {.key = {.i64 = 0},
                   .value = {.iterable = beamc_iterable_of(k->arena, values, count + 1)}};
    beamc_value group = {.kv = &kv};
    io_feed(k, &beamc__parts_coder, &group, 1);
}

#endif
