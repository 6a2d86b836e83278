/* print.c: beamc_print: elements as lines on standard output, on their way.
 *
 * One fwrite for each line, so lines of parallel bundles do not mix; flushed when a bundle ends. Nothing
 * is promised about a bundle that fails: what it printed is printed. */
#include "graph/graph.h"

#include <stdio.h>

#include "graph/builtin_fns.h"

typedef struct print_config {
    beamc_slice prefix;
    bool timestamp;
    bool window;
    bool pane;
} print_config;

static const beamc_field print_fields[] = {
    BEAMC_REQUIRED(print_config, prefix, STRING),
    BEAMC_REQUIRED(print_config, timestamp, BOOL),
    BEAMC_REQUIRED(print_config, window, BOOL),
    BEAMC_REQUIRED(print_config, pane, BOOL),
};
static const beamc_row print_row = BEAMC_ROW(print_config, print_fields);

typedef struct print_instance {
    beamc_buf line;
} print_instance;

static void put_bare(const beamc_coder *coder, beamc_value v, beamc_buf *out) {
    if (coder->kind == BEAMC_CODER_STRING || coder->kind == BEAMC_CODER_BYTES) {
        beamc_buf_put_slice(out, v.bytes);
    } else {
        beamc_value_describe(coder, v, out);
    }
}

/* A text as it is, a pair as "key: value". */
static void put_element(const beamc_coder *coder, beamc_value v, beamc_buf *out) {
    if (coder->kind != BEAMC_CODER_KV) {
        put_bare(coder, v, out);
        return;
    }
    put_bare(coder->args[0], v.kv->key, out);
    beamc_buf_put_str(out, ": ");
    put_bare(coder->args[1], v.kv->value, out);
}

static void put_pane(beamc_pane pane, beamc_buf *out) {
    static const char *const timings[] = {"early", "on time", "late", "no firing"};
    beamc_buf_printf(out, " pane %lld %s%s%s", (long long)pane.index, timings[pane.timing & 3],
                     pane.is_first && pane.timing != BEAMC_PANE_UNKNOWN ? ", first" : "",
                     pane.is_last && pane.timing != BEAMC_PANE_UNKNOWN ? ", last" : "");
}

static beamc_status print_process(beamc_ctx *ctx, const beamc_elem *in) {
    print_instance *p = beamc_instance(ctx);
    const print_config *config = beamc_config(ctx);
    const beamc_windowed_value *all = beamc__ctx_windowed(ctx);
    beamc_buf_clear(&p->line);
    beamc_buf_put_slice(&p->line, config->prefix);
    put_element(beamc_input_coder(ctx), *in, &p->line);
    if (config->timestamp) {
        beamc_buf_put_str(&p->line, " at ");
        beamc_time_describe(all->timestamp, &p->line);
    }
    for (size_t i = 0; config->window && i < all->window_count; i++) {
        beamc_buf_put_str(&p->line, i == 0 ? " in " : " and ");
        beamc_window_describe(all->windows[i], &p->line);
    }
    if (config->pane) {
        put_pane(all->pane, &p->line);
    }
    beamc_buf_put_u8(&p->line, '\n');
    if (fwrite(p->line.ptr, 1, p->line.len, stdout) != p->line.len) {
        return beamc_fail(ctx, DATA_LOSS, "cannot write to standard output");
    }
    return beamc_emit(ctx, 0, *in);
}

static beamc_status print_finish_bundle(beamc_ctx *ctx) {
    return fflush(stdout) == 0 ? BEAMC_OK
                               : beamc_fail(ctx, DATA_LOSS, "cannot write to standard output");
}

static void print_teardown(beamc_ctx *ctx) {
    print_instance *p = beamc_instance(ctx);
    beamc_buf_free(&p->line);
}

const beamc_dofn beamc__print_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:print:v1",
    .doc = "Prints elements and passes them on.",
    .config = &print_row,
    .instance_size = sizeof(print_instance),
    .outputs = {{"out", NULL}},
    .process = print_process,
    .finish_bundle = print_finish_bundle,
    .teardown = print_teardown,
};

beamc_pcoll beamc_print_with(beamc_pcoll in, const char *label, beamc_print_options options) {
    const beamc_coll *c = beamc__graph_coll(in, label);
    if (c == NULL) {
        return beamc_pcoll_none(in.pipeline);
    }
    print_config config = {.prefix = beamc_str(options.prefix),
                           .timestamp = options.timestamp,
                           .window = options.window,
                           .pane = options.pane};
    return beamc_pardo(in, label, &beamc__print_fn, .config = &config, .output_coders = {c->coder});
}
