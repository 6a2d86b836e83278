/* pipeline.c: the graph's tables, its sticky error, labels and composites.
 *
 * Everything that the builder allocates lives in the pipeline's arena, except the three growing
 * tables. The first error wins and is reported once; later calls return invalid handles quietly. */
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <beamc/log.h>

#include "base/mem.h"

beamc_pipeline *beamc_pipeline_new(void) {
    beamc_pipeline *p = beamc__calloc(1, sizeof *p);
    p->arena = beamc_arena_new(0);
    p->node_count = 1; /* index 0 is nobody */
    p->coll_count = 1;
    p->node_cap = p->coll_cap = 64;
    p->nodes = beamc__calloc(p->node_cap, sizeof *p->nodes);
    p->colls = beamc__calloc(p->coll_cap, sizeof *p->colls);
    p->name_cap = 256;
    p->names = beamc__calloc(p->name_cap, sizeof *p->names);
    beamc_strategy global = {0};
    (void)beamc__graph_strategy(p, &global); /* strategy 0: global windows, default trigger */
    return p;
}

void beamc_pipeline_free(beamc_pipeline *p) {
    if (p == NULL) {
        return;
    }
    beamc_arena_free(p->arena);
    free(p->nodes);
    free(p->colls);
    free(p->strategies);
    free(p->names);
    free(p);
}

void beamc__pipeline_set_fault(beamc_pipeline *p,
                               const char *(*fault)(void *arg, const char *urn, const void *fn),
                               void *arg) {
    p->fn_fault = fault;
    p->fn_fault_arg = arg;
}

void beamc__pipeline_set_job(beamc_pipeline *p, const char *job) {
    p->job = job != NULL && job[0] != '\0' ? beamc_arena_cstr(p->arena, beamc_str(job)) : NULL;
}

const char *beamc_pipeline_job(const beamc_pipeline *p) {
    return p->job;
}

void beamc__pipeline_set_runner(beamc_pipeline *p, const char *runner) {
    p->runner = runner != NULL ? beamc_arena_cstr(p->arena, beamc_str(runner)) : NULL;
}

const char *beamc_pipeline_runner(const beamc_pipeline *p) {
    return p->runner;
}

bool beamc_pipeline_runs_locally(const beamc_pipeline *p) {
    return p->runner != NULL &&
           (strcasecmp(p->runner, "local") == 0 || strcasecmp(p->runner, "DirectRunner") == 0);
}

bool beamc__pipeline_is_unbounded(const beamc_pipeline *p) {
    for (uint32_t i = 1; i < p->coll_count; i++) {
        if (!p->colls[i].bounded) {
            return true;
        }
    }
    return false;
}

beamc_status beamc_pipeline_status(const beamc_pipeline *p, beamc_error *err) {
    if (!p->failed) {
        return BEAMC_OK;
    }
    if (err != NULL) {
        *err = p->error;
    }
    return p->error.code;
}

/* --------------------------------------------------------------------------------- errors */

static void fail_v(beamc_pipeline *p, beamc_status code, const char *fmt, va_list args) {
    char text[BEAMC_ERROR_TEXT_MAX];
    vsnprintf(text, sizeof text, fmt, args);
    beamc_error_set(&p->error, code == BEAMC_OK ? BEAMC_UNKNOWN : code, "%s", text);
    p->failed = true;
}

static void prepend_path(beamc_pipeline *p, const char *label) {
    const char *scope = p->scope != 0 ? p->nodes[p->scope].unique_name : "";
    if (label != NULL && label[0] != '\0') {
        beamc_error_prepend(&p->error, "%s%s%s", scope, scope[0] != '\0' ? "/" : "", label);
    } else if (scope[0] != '\0') {
        beamc_error_prepend(&p->error, "%s", scope);
    }
}

void beamc__graph_fail(beamc_pipeline *p, const char *label, beamc_status code, const char *fmt,
                       ...) {
    if (p->failed) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    fail_v(p, code, fmt, args);
    va_end(args);
    prepend_path(p, label);
}

void beamc__graph_fail_with(beamc_pipeline *p, const char *label, const beamc_error *err) {
    beamc__graph_fail(p, label, err->code, "%s", err->message);
}

void beamc_pipeline_fail(beamc_pipeline *p, beamc_status code, const char *fmt, ...) {
    if (p->failed) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    fail_v(p, code, fmt, args);
    va_end(args);
    prepend_path(p, NULL);
}

/* --------------------------------------------------------------------------------- names */

static uint32_t hash_name(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name != '\0'; name++) {
        h = (h ^ (unsigned char)*name) * 16777619u;
    }
    return h;
}

/* The slot of @p name: holds its node, or 0. */
static uint32_t *name_slot(beamc_pipeline *p, const char *name) {
    uint32_t at = hash_name(name) & (p->name_cap - 1);
    while (p->names[at] != 0 && strcmp(p->nodes[p->names[at]].unique_name, name) != 0) {
        at = (at + 1) & (p->name_cap - 1);
    }
    return &p->names[at];
}

static void grow_names(beamc_pipeline *p) {
    free(p->names);
    p->name_cap *= 2;
    p->names = beamc__calloc(p->name_cap, sizeof *p->names);
    for (uint32_t i = 1; i < p->node_count; i++) {
        *name_slot(p, p->nodes[i].unique_name) = i;
    }
}

/* --------------------------------------------------------------------------------- nodes */

beamc_node *beamc__graph_node(beamc_pipeline *p, beamc_node_kind kind, const char *label) {
    if (p->failed) {
        return NULL;
    }
    if (label == NULL || label[0] == '\0') {
        beamc__graph_fail(p, NULL, BEAMC_INVALID_ARGUMENT,
                          "a step has no label: give each step a name of its own");
        return NULL;
    }
    const char *name = p->scope == 0 ? beamc_arena_cstr(p->arena, beamc_str(label))
                                     : beamc_arena_printf(p->arena, "%s/%s",
                                                          p->nodes[p->scope].unique_name, label);
    if (p->node_count * 2 >= p->name_cap) {
        grow_names(p);
    }
    uint32_t *slot = name_slot(p, name);
    if (*slot != 0) {
        beamc__graph_fail(p, label, BEAMC_ALREADY_EXISTS,
                          "this label is taken: each step needs a label of its own among its "
                          "siblings, so rename one of the two");
        return NULL;
    }
    if (p->node_count == p->node_cap) {
        p->node_cap *= 2;
        p->nodes = beamc__realloc(p->nodes, p->node_cap * sizeof *p->nodes);
    }
    uint32_t index = p->node_count++;
    *slot = index;
    beamc_node *n = &p->nodes[index];
    *n = (beamc_node){.kind = kind, .parent = p->scope, .unique_name = name};
    n->label = beamc_arena_cstr(p->arena, beamc_str(label));
    return n;
}

void beamc__graph_set_input(beamc_pipeline *p, beamc_node *n, beamc_pcoll in) {
    n->inputs = beamc_arena_zalloc(p->arena, sizeof *n->inputs);
    n->inputs[0] = (beamc_node_input){.coll = in.id, .tag = BEAMC_TAG_IN};
    n->input_count = 1;
}

beamc_pcoll beamc__graph_output(beamc_pipeline *p, beamc_node *n, const char *tag,
                                const beamc_coder *coder, uint32_t strategy, bool bounded) {
    if (p->coll_count == p->coll_cap) {
        p->coll_cap *= 2;
        p->colls = beamc__realloc(p->colls, p->coll_cap * sizeof *p->colls);
    }
    uint32_t id = p->coll_count++;
    uint32_t node = beamc_node_index(p, n);
    p->colls[id] = (beamc_coll){node, tag, coder, strategy, bounded};
    if (n->output_count++ == 0) {
        n->first_output = id;
    }
    return (beamc_pcoll){p, id, node};
}

const beamc_coll *beamc__graph_coll(beamc_pcoll in, const char *label) {
    beamc_pipeline *p = in.pipeline;
    if (p == NULL) {
        /* There is no pipeline to hold the error: it must not go unseen. */
        BEAMC_LOG_ERROR(NULL, "%s: its input was never assigned; the step is left out",
                        label != NULL ? label : "(no label)");
        return NULL;
    }
    if (p->failed) {
        return NULL;
    }
    if (in.id == 0 || in.id >= p->coll_count) {
        if (in.transform != 0 && in.transform < p->node_count) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "its input, step %s, has no output: name one in the outputs of its "
                              "DoFn",
                              p->nodes[in.transform].unique_name);
        } else {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "its input is no PCollection of this pipeline");
        }
        return NULL;
    }
    return &p->colls[in.id];
}

/* --------------------------------------------------------------------------------- composites */

void beamc_composite_begin(beamc_pipeline *p, const char *label) {
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_COMPOSITE, label);
    if (n != NULL) {
        p->scope = beamc_node_index(p, n);
    }
}

void beamc_composite_end(beamc_pipeline *p) {
    if (p->failed) {
        return; /* a begin may have been skipped, so the nesting no longer tells anything */
    }
    if (p->scope == 0) {
        beamc__graph_fail(p, NULL, BEAMC_FAILED_PRECONDITION,
                          "beamc_composite_end without a beamc_composite_begin");
        return;
    }
    p->scope = p->nodes[p->scope].parent;
}

void beamc__graph_close_known(beamc_pipeline *p, const char *urn, beamc_pcoll in, beamc_pcoll out) {
    if (!p->failed) {
        beamc_node *n = &p->nodes[p->scope];
        n->composite_urn = urn;
        n->composite_in = in.id;
        n->composite_out = out.id;
    }
    beamc_composite_end(p);
}

/* --------------------------------------------------------------------------------- coders */

const beamc_coder *beamc__graph_coder(beamc_pipeline *p, const beamc_coder *coder) {
    if (coder == NULL) {
        return NULL;
    }
    beamc_coder *copy = beamc_arena_alloc(p->arena, sizeof *copy);
    *copy = *coder;
    copy->args[0] = beamc__graph_coder(p, coder->args[0]);
    copy->args[1] = beamc__graph_coder(p, coder->args[1]);
    return copy;
}

const beamc_coder *beamc__graph_kv(beamc_pipeline *p, const beamc_coder *k, const beamc_coder *v) {
    beamc_coder kv = BEAMC_KV(k, v);
    return beamc__graph_coder(p, &kv);
}

const beamc_coder *beamc__graph_iterable(beamc_pipeline *p, const beamc_coder *element) {
    beamc_coder iterable = BEAMC_ITERABLE(element);
    return beamc__graph_coder(p, &iterable);
}

const char *beamc__graph_describe(beamc_pipeline *p, const beamc_coder *coder) {
    beamc_buf text = {0};
    beamc_coder_describe(coder, &text);
    const char *out = beamc_arena_cstr(p->arena, beamc_buf_slice(&text));
    beamc_buf_free(&text);
    return out;
}

const beamc_coder *beamc_pcoll_coder(beamc_pcoll pc) {
    if (pc.pipeline == NULL || pc.pipeline->failed || pc.id == 0 ||
        pc.id >= pc.pipeline->coll_count) {
        return NULL;
    }
    return pc.pipeline->colls[pc.id].coder;
}

bool beamc_pcoll_is_bounded(beamc_pcoll pc) {
    return pc.pipeline == NULL || pc.pipeline->failed || pc.id == 0 ||
           pc.id >= pc.pipeline->coll_count || pc.pipeline->colls[pc.id].bounded;
}

beamc_pcoll beamc_out(beamc_pcoll main, unsigned output) {
    beamc_pipeline *p = main.pipeline;
    if (p == NULL || p->failed) {
        return beamc_pcoll_none(p);
    }
    if (main.transform == 0 || main.transform >= p->node_count) {
        beamc__graph_fail(p, NULL, BEAMC_INVALID_ARGUMENT,
                          "beamc_out of something that is no PCollection of this pipeline");
        return beamc_pcoll_none(p);
    }
    const beamc_node *n = &p->nodes[main.transform];
    if (output >= n->output_count) {
        beamc__graph_fail(p, NULL, BEAMC_INVALID_ARGUMENT,
                          "%s: it has %u output(s), so beamc_out(..., %u) does not exist; outputs "
                          "count from 0",
                          n->unique_name, n->output_count, output);
        return beamc_pcoll_none(p);
    }
    return (beamc_pcoll){p, n->first_output + output, main.transform};
}
