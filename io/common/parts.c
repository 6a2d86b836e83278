/* parts.c: see the header. */
#include "io/common/parts.h"

#include <stdlib.h>

#include "io/common/files.h"

enum { PANE_MS = 50 }; /* unbounded tables: rows wait so long for their place in the file */

static const beamc_field part_fields[] = {
    BEAMC_REQUIRED(beamc_part, table, STRING),
    BEAMC_REQUIRED(beamc_part, name, STRING),
    BEAMC_REQUIRED(beamc_part, rows, I64),
    BEAMC_REQUIRED(beamc_part, bytes, I64),
};
const beamc_row beamc__part_row = BEAMC_ROW(beamc_part, part_fields);
const beamc_coder beamc__part_coder = BEAMC_ROW_CODER(&beamc__part_row);
static const beamc_coder part_iterable = BEAMC_ITERABLE(&beamc__part_coder);
const beamc_coder beamc__parts_coder = BEAMC_KV(&beamc_varint, &part_iterable);

static beamc_status emit_empty(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return beamc_emit(ctx, 0, beamc_value_row(beamc_new(ctx, beamc_part)));
}

const beamc_dofn beamc__empty_part = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:empty_part:v1",
    .doc = "The part without a table, so that a sink finishes tables without rows.",
    .input = &beamc_bytes,
    .outputs[0] = {"part", &beamc__part_coder},
    .process = emit_empty,
};

static int compare_parts(const void *a, const void *b) {
    const beamc_part *x = a;
    const beamc_part *y = b;
    int c = beamc_slice_cmp(x->table, y->table);
    return c != 0 ? c : beamc_slice_cmp(x->name, y->name);
}

beamc_status beamc__parts_collect(beamc_ctx *ctx, const beamc_elem *group, beamc_part_list *out) {
    size_t cap = 0;
    *out = (beamc_part_list){0};
    beamc_iter it;
    beamc_value value;
    beamc_iterate(group->kv->value.iterable, &it);
    while (beamc_iter_next(&it, &value)) {
        const beamc_part *part = value.row;
        if (part->table.len == 0) {
            continue;
        }
        if (out->count == cap) {
            cap = cap != 0 ? 2 * cap : 64;
            beamc_part *grown = beamc_alloc(ctx, cap * sizeof *grown);
            if (out->count > 0) {
                memcpy(grown, out->items, out->count * sizeof *grown);
            }
            out->items = grown;
        }
        beamc_part *to = &out->items[out->count++];
        *to = *part;
        to->table = beamc_copy(ctx, part->table);
        to->name = beamc_copy(ctx, part->name);
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    if (out->count == 0) {
        return BEAMC_OK;
    }
    qsort(out->items, out->count, sizeof out->items[0], compare_parts);
    size_t kept = 1;
    for (size_t i = 1; i < out->count; i++) {
        if (compare_parts(&out->items[i], &out->items[kept - 1]) != 0) {
            out->items[kept++] = out->items[i];
        }
    }
    out->count = kept;
    return BEAMC_OK;
}

beamc_part_list beamc__parts_of(beamc_part_list all, beamc_slice table) {
    size_t begin = 0;
    while (begin < all.count && !beamc_slice_eq(all.items[begin].table, table)) {
        begin++;
    }
    size_t end = begin;
    while (end < all.count && beamc_slice_eq(all.items[end].table, table)) {
        end++;
    }
    return (beamc_part_list){all.items + begin, end - begin};
}

int64_t beamc__parts_rows(beamc_part_list list) {
    int64_t sum = 0;
    for (size_t i = 0; i < list.count; i++) {
        sum += list.items[i].rows;
    }
    return sum;
}

int64_t beamc__parts_bytes(beamc_part_list list) {
    int64_t sum = 0;
    for (size_t i = 0; i < list.count; i++) {
        sum += list.items[i].bytes;
    }
    return sum;
}

bool beamc__check_tables(beamc_pipeline *pipeline, const char *label,
                         const beamc_sink_table *tables, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!beamc__table_name_ok(tables[i].name)) {
            beamc_pipeline_fail(
                pipeline, BEAMC_INVALID_ARGUMENT,
                "%s: \"%s\" will not do as the name of a table: use letters, digits, "
                "'_', '-' and '.', at most 100 of them",
                label, tables[i].name != NULL ? tables[i].name : "");
            return false;
        }
        const beamc_coder *coder = beamc_pcoll_coder(tables[i].rows);
        if (coder == NULL || coder->kind != BEAMC_CODER_ROW) {
            beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT,
                                "%s: the elements of table %s are not rows", label, tables[i].name);
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(tables[i].name, tables[j].name) == 0) {
                beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT,
                                    "%s: there are two tables named %s: flatten their rows first",
                                    label, tables[i].name);
                return false;
            }
        }
    }
    return true;
}

void beamc__join_tables(const beamc_sink_table *tables, size_t count, beamc_buf *out) {
    for (size_t i = 0; i < count; i++) {
        beamc_buf_printf(out, "%s%s", i > 0 ? "," : "", tables[i].name);
    }
}

bool beamc__next_table(beamc_slice *list, beamc_slice *name) {
    if (list->len == 0) {
        return false;
    }
    const char *comma = memchr(list->ptr, ',', list->len);
    *name = beamc_slice_of(list->ptr, comma != NULL ? (size_t)(comma - list->ptr) : list->len);
    size_t used = name->len + (comma != NULL);
    *list = beamc_slice_of(list->ptr + used, list->len - used);
    return true;
}

bool beamc__tables_unbounded(const beamc_sink_table *tables, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!beamc_pcoll_is_bounded(tables[i].rows)) {
            return true;
        }
    }
    return false;
}

/* The tables' windows differ, but their parts must meet. */
static beamc_pcoll to_one_window(beamc_pcoll in, bool unbounded) {
    if (!unbounded) {
        return beamc_window_into(in, "Global", .fn = beamc_global());
    }
    return beamc_window_into(in, "Global", .fn = beamc_global(),
                             .trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_PROCESSING_TIME(PANE_MS)));
}

beamc_pcoll beamc__write_table(const beamc_sink_table *table, bool unbounded,
                               const beamc_dofn *write, const void *config) {
    beamc_composite_begin(table->rows.pipeline, table->name);
    beamc_pcoll rows = to_one_window(table->rows, unbounded);
    beamc_pcoll parts = beamc_pardo(rows, "Write", write, .config = config);
    beamc_composite_end(table->rows.pipeline);
    return parts;
}

void beamc__finish_tables(beamc_pipeline *pipeline, beamc_pcoll *parts, size_t count,
                          bool unbounded, const beamc_dofn *finish, const void *config) {
    beamc_pcoll impulse = beamc_impulse(pipeline, "Impulse");
    beamc_pcoll empty = beamc_pardo(impulse, "EmptyPart", &beamc__empty_part);
    parts[count] = to_one_window(empty, unbounded);
    beamc_pcoll all = beamc_flatten(pipeline, "Parts", parts, count + 1);
    beamc_pcoll keyed = beamc_with_key(all, "OneKey", &beamc_varint, beamc_value_i64(0));
    beamc_pcoll grouped = beamc_group_by_key(keyed, "Gather");
    beamc_pardo(grouped, "Finish", finish, .config = config);
}
