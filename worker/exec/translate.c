/* translate.c: ProcessBundleDescriptor (beam_fn_api.proto) to plan.
 *
 * Checks and sorts the graph, then lets the file of each kind of transform make its nodes. Threads:
 * one builds a plan. */
#include "worker/exec/translate.h"

#include <stdlib.h>

#include "base/mem.h"

/* A longer chain of transforms in one stage is refused: each takes a few frames of the stack. */
enum { MAX_CHAIN = 500 };

beamc_slice beamc__tr_bytes(ProtobufCBinaryData data) {
    return beamc_slice_of(data.data, data.len);
}

/* -------------------------------------------------------------------------------------- look-ups */

static int by_id(const void *a, const void *b) {
    const beamc_tr_entry *x = a, *y = b;
    int c = strcmp(x->id, y->id);
    return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

/* Sorts, and keeps the last of equal ids, as a parser of maps does. */
static void index_finish(beamc_tr_index *index) {
    if (index->count > 1) {
        qsort(index->entries, index->count, sizeof *index->entries, by_id);
    }
    size_t kept = 0;
    for (size_t i = 0; i < index->count; i++) {
        bool last =
            i + 1 == index->count || strcmp(index->entries[i].id, index->entries[i + 1].id) != 0;
        if (last) {
            index->entries[kept++] = index->entries[i];
        }
    }
    index->count = kept;
}

/* From a map field of protobuf-c: entries with `key` and `value`. An absent value is skipped. */
#define MAKE_INDEX(tr, index, n, items)                                                            \
    do {                                                                                           \
        (index)->entries = beamc_arena_alloc((tr)->arena, (n) * sizeof *(index)->entries);         \
        (index)->count = 0;                                                                        \
        for (size_t i_ = 0; i_ < (n); i_++) {                                                      \
            if ((items)[i_]->value != NULL) {                                                      \
                (index)->entries[(index)->count++] =                                               \
                    (beamc_tr_entry){(items)[i_]->key, i_, (items)[i_]->value};                    \
            }                                                                                      \
        }                                                                                          \
        index_finish(index);                                                                       \
    } while (0)

const void *beamc__tr_find(const beamc_tr_index *index, const char *id) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(index->entries[mid].id, id);
        if (c == 0) {
            return index->entries[mid].message;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

beamc_tr_pcol *beamc__tr_pcol(beamc_tr *tr, const char *id) {
    size_t low = 0, high = tr->pcol_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(tr->pcols[mid].id, id);
        if (c == 0) {
            return &tr->pcols[mid];
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

const beamc_coder *beamc__tr_wrap(beamc_tr *tr, beamc_coder_kind kind, const beamc_coder *a,
                                  const beamc_coder *b) {
    beamc_coder *c = beamc_arena_alloc(tr->arena, sizeof *c);
    *c = (beamc_coder){kind, {a, b}, NULL, NULL};
    return c;
}

const beamc_coder *beamc__tr_unwrap(const beamc_coder *c) {
    while (c->kind == BEAMC_CODER_LENGTH_PREFIX) {
        c = c->args[0];
    }
    return c;
}

const beamc_coder *beamc__tr_kv(beamc_tr *tr, const beamc_coder *key, const beamc_coder *value) {
    return beamc__tr_wrap(tr, BEAMC_CODER_KV, key, value);
}

/* --------------------------------------------------------------------------- simple transforms */

beamc_status beamc__tr_one_input(beamc_tr *tr, const beamc_tr_node *node) {
    if (node->input_count != 1) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "has %zu inputs; %s takes 1",
                          node->input_count, node->kind->urn);
    }
    return BEAMC_OK;
}

beamc_status beamc__tr_one_output(beamc_tr *tr, const beamc_tr_node *node, beamc_tr_pcol **out) {
    *out = NULL;
    if (node->output_count != 1) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "has %zu outputs; %s has 1",
                          node->output_count, node->kind->urn);
    }
    *out = node->outputs[0].pcol;
    return BEAMC_OK;
}

beamc_status beamc__tr_set_memory(beamc_tr *tr, beamc_tr_pcol *pcol, const beamc_coder *memory) {
    if (pcol->pc->coder != NULL) { /* made by two transforms, as Go's implicit flatten is */
        if (beamc__coder_same_memory(pcol->pc->coder, memory)) {
            return BEAMC_OK;
        }
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                          "output %s is also made by another transform, of another type", pcol->id);
    }
    /* Inside a stage the PCollection's coder is informative: samples and sizes use it if it fits. */
    beamc_error ignored;
    beamc_error *err = tr->err;
    tr->err = &ignored;
    if (beamc__tr_pcol_coder(tr, pcol, memory, &pcol->pc->coder) != BEAMC_OK) {
        pcol->pc->coder = memory;
    }
    tr->err = err;
    pcol->pc->window_coder = pcol->window_coder;
    return BEAMC_OK;
}

static const beamc_tr_kind kinds[] = {
    {BEAMC_URN_RUNNER_DATA_SOURCE, false, NULL, beamc__tr_build_source},
    {BEAMC_URN_RUNNER_DATA_SINK, false, NULL, beamc__tr_build_sink},
    {BEAMC_URN_PRIMITIVE_PAR_DO, false, beamc__tr_prepare_pardo, beamc__tr_build_pardo},
    {BEAMC_URN_PRIMITIVE_FLATTEN, true, NULL, beamc__tr_build_flatten},
    {BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS, true, NULL, beamc__tr_build_window_into},
    {BEAMC_URN_PRIMITIVE_MAP_WINDOWS, false, NULL, beamc__tr_build_map_windows},
    {BEAMC_URN_PRIMITIVE_MERGE_WINDOWS, false, NULL, beamc__tr_build_merge_windows},
    {BEAMC_URN_PRIMITIVE_TO_STRING, false, NULL, beamc__tr_build_to_string},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, false, beamc__tr_prepare_combine,
     beamc__tr_build_combine},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS, false,
     beamc__tr_prepare_combine, beamc__tr_build_combine},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS, false, beamc__tr_prepare_combine,
     beamc__tr_build_combine},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS, false,
     beamc__tr_prepare_combine, beamc__tr_build_combine},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES, false, beamc__tr_prepare_combine,
     beamc__tr_build_combine},
    {BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, false, beamc__tr_prepare_pair,
     beamc__tr_build_pair},
    {BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, false, beamc__tr_prepare_split,
     beamc__tr_build_split},
    {BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION, false, beamc__tr_prepare_sized,
     beamc__tr_build_truncate},
    {BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, false,
     beamc__tr_prepare_sized, beamc__tr_build_process},
};

static const beamc_tr_kind *kind_of(const char *urn) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].urn, urn) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------- the graph */

static beamc_status make_pcols(beamc_tr *tr) {
    beamc_tr_index index;
    MAKE_INDEX(tr, &index, tr->descriptor->n_pcollections, tr->descriptor->pcollections);
    tr->pcols = beamc_arena_zalloc(tr->arena, index.count * sizeof *tr->pcols);
    tr->pcol_count = index.count;
    for (size_t i = 0; i < index.count; i++) {
        beamc_tr_pcol *pcol = &tr->pcols[i];
        pcol->id = index.entries[i].id;
        pcol->proto = index.entries[i].message;
        pcol->pc = beamc__plan_add_pcol(tr->plan, pcol->id);
        BEAMC_TRY(beamc__tr_windowing(tr, pcol));
    }
    return BEAMC_OK;
}

static int edge_by_tag(const void *a, const void *b) {
    const beamc_tr_edge *x = a, *y = b;
    return strcmp(x->tag, y->tag);
}

/* Tags of a map, sorted so that the same descriptor always gives the same plan. */
#define MAKE_EDGES(tr, node, what, n, items, edges, count)                                         \
    do {                                                                                           \
        (edges) = beamc_arena_alloc((tr)->arena, (n) * sizeof *(edges));                           \
        (count) = (n);                                                                             \
        for (size_t i_ = 0; i_ < (n); i_++) {                                                      \
            (edges)[i_].tag = (items)[i_]->key;                                                    \
            (edges)[i_].pcol = beamc__tr_pcol((tr), (items)[i_]->value);                           \
            if ((edges)[i_].pcol == NULL) {                                                        \
                return BEAMC_FAIL((tr)->err, INVALID_ARGUMENT,                                     \
                                  "transform %s: %s %s is PCollection %s, which is not in the "    \
                                  "descriptor",                                                    \
                                  (node)->id, (what), (items)[i_]->key, (items)[i_]->value);       \
            }                                                                                      \
        }                                                                                          \
        if ((count) > 1) {                                                                         \
            qsort((edges), (count), sizeof *(edges), edge_by_tag);                                 \
        }                                                                                          \
    } while (0)

static beamc_status make_node(beamc_tr *tr, const beamc_tr_entry *entry) {
    const Pipe__PTransform *t = entry->message;
    if (t->n_subtransforms > 0) {
        return BEAMC_OK; /* a composite: its parts do the work */
    }
    const char *urn = t->spec != NULL ? t->spec->urn : "";
    beamc_tr_node *node = &tr->nodes[tr->node_count++];
    node->id = entry->id;
    node->proto = t;
    node->kind = kind_of(urn);
    if (node->kind == NULL) {
        return BEAMC_FAIL(tr->err, UNIMPLEMENTED,
                          "transform %s (%s) is %s, which this worker cannot run", node->id,
                          t->unique_name, urn[0] != '\0' ? urn : "of no URN");
    }
    node->payload = beamc__tr_bytes(t->spec->payload);
    MAKE_EDGES(tr, node, "input", t->n_inputs, t->inputs, node->inputs, node->input_count);
    MAKE_EDGES(tr, node, "output", t->n_outputs, t->outputs, node->outputs, node->output_count);
    return BEAMC_OK;
}

static beamc_status make_nodes(beamc_tr *tr) {
    beamc_tr_index index;
    MAKE_INDEX(tr, &index, tr->descriptor->n_transforms, tr->descriptor->transforms);
    tr->nodes = beamc_arena_zalloc(tr->arena, index.count * sizeof *tr->nodes);
    for (size_t i = 0; i < index.count; i++) {
        BEAMC_TRY(make_node(tr, &index.entries[i]));
    }
    return BEAMC_OK;
}

/* Prepares nodes: from here on their inputs are those that elements flow in by. */
static beamc_status prepare_nodes(beamc_tr *tr) {
    for (size_t i = 0; i < tr->node_count; i++) {
        beamc_tr_node *node = &tr->nodes[i];
        if (node->kind->prepare != NULL) {
            BEAMC_TRY_CTX(tr->err, node->kind->prepare(tr, node), "transform %s", node->id);
        }
        for (size_t k = 0; k < node->input_count; k++) {
            node->inputs[k].pcol->consumer_count++;
        }
    }
    return BEAMC_OK;
}

/* Consumers of each PCollection, as an adjacency list: starts[p] .. starts[p + 1] of list. */
typedef struct consumers {
    size_t *starts;
    beamc_tr_node **list;
} consumers;

static consumers list_consumers(beamc_tr *tr) {
    consumers c;
    c.starts = beamc_arena_zalloc(tr->arena, (tr->pcol_count + 2) * sizeof *c.starts);
    size_t total = 0;
    for (size_t p = 0; p < tr->pcol_count; p++) {
        c.starts[p + 1] = total;
        total += tr->pcols[p].consumer_count;
    }
    c.starts[tr->pcol_count + 1] = total;
    c.list = beamc_arena_alloc(tr->arena, total * sizeof *c.list);
    /* starts[p + 1] is where the next consumer of p goes, and ends up as the start of p + 1. */
    for (size_t i = 0; i < tr->node_count; i++) {
        for (size_t k = 0; k < tr->nodes[i].input_count; k++) {
            size_t p = (size_t)(tr->nodes[i].inputs[k].pcol - tr->pcols);
            c.list[c.starts[p + 1]++] = &tr->nodes[i];
        }
    }
    return c;
}

static beamc_status cycle(beamc_tr *tr) {
    for (size_t i = 0; i < tr->node_count; i++) {
        if (!tr->nodes[i].sorted) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                              "transform %s takes part in a cycle of transforms", tr->nodes[i].id);
        }
    }
    return BEAMC_OK;
}

static beamc_status sort_nodes(beamc_tr *tr) {
    consumers c = list_consumers(tr);
    tr->sorted = beamc_arena_alloc(tr->arena, tr->node_count * sizeof(beamc_tr_node *));
    for (size_t i = 0; i < tr->node_count; i++) {
        for (size_t k = 0; k < tr->nodes[i].output_count; k++) {
            size_t p = (size_t)(tr->nodes[i].outputs[k].pcol - tr->pcols);
            for (size_t j = c.starts[p]; j < c.starts[p + 1]; j++) {
                c.list[j]->waits_for++;
            }
        }
    }
    size_t done = 0, ready = 0;
    for (size_t i = 0; i < tr->node_count; i++) {
        if (tr->nodes[i].waits_for == 0) {
            tr->sorted[ready++] = &tr->nodes[i];
        }
    }
    for (; done < ready; done++) {
        beamc_tr_node *node = tr->sorted[done];
        node->sorted = true;
        for (size_t k = 0; k < node->output_count; k++) {
            size_t p = (size_t)(node->outputs[k].pcol - tr->pcols);
            for (size_t j = c.starts[p]; j < c.starts[p + 1]; j++) {
                beamc_tr_node *next = c.list[j];
                next->depth = node->depth + 1 > next->depth ? node->depth + 1 : next->depth;
                if (--next->waits_for == 0) {
                    tr->sorted[ready++] = next;
                }
            }
        }
        if (node->depth > MAX_CHAIN) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                              "transform %s is the end of a chain of more than %d", node->id,
                              MAX_CHAIN);
        }
    }
    return done < tr->node_count ? cycle(tr) : BEAMC_OK;
}

/* From consumers to producers: how elements had best lie in memory. */
static void spread_expectations(beamc_tr *tr) {
    for (size_t i = tr->node_count; i-- > 0;) {
        beamc_tr_node *node = tr->sorted[i];
        if (node->kind->flows && node->output_count == 1) {
            node->expected = node->outputs[0].pcol->expected;
        }
        for (size_t k = 0; k < node->input_count; k++) {
            beamc_tr_pcol *in = node->inputs[k].pcol;
            in->expected = in->expected != NULL ? in->expected : node->expected;
        }
    }
}

/* -------------------------------------------------------------------------------- building */

/* Whether the memory of @p have does for one that wants @p want (NULL parts are free). */
static bool does_for(const beamc_coder *have, const beamc_coder *want) {
    return want == NULL || beamc__coder_same_memory(have, want);
}

static beamc_status add_transcode(beamc_tr *tr, const beamc_tr_node *node, beamc_tr_pcol *from,
                                  const beamc_coder *to, beamc_pcol **out) {
    const beamc_coder *bound;
    BEAMC_TRY(beamc__coder_bind(tr->arena, from->pc->coder, to, &bound, tr->err));
    *out = beamc_arena_zalloc(tr->arena, sizeof **out);
    (*out)->plan = tr->plan;
    (*out)->id = from->id;
    (*out)->next_sample = INT64_MAX;
    (*out)->coder = bound;
    beamc_unit *unit = beamc__transcode_new(tr->plan, node->id, from->pc->coder, bound, *out);
    beamc__pcol_add_consumer(from->pc, unit);
    return BEAMC_OK;
}

/* The edges into @p node: settles how its input lies in memory. */
static beamc_status settle_inputs(beamc_tr *tr, beamc_tr_node *node, beamc_pcol **from) {
    for (size_t k = 0; k < node->input_count; k++) {
        beamc_tr_pcol *in = node->inputs[k].pcol;
        if (in->pc->coder == NULL) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "no transform makes its input %s", in->id);
        }
        const beamc_coder *want = k == 0 || node->expected != NULL ? node->expected : node->in;
        from[k] = in->pc;
        if (!does_for(in->pc->coder, want)) {
            BEAMC_TRY_CTX(tr->err, add_transcode(tr, node, in, want, &from[k]), "input %s",
                          node->inputs[k].tag);
        }
        node->in = k == 0 ? from[k]->coder : node->in;
    }
    return BEAMC_OK;
}

static beamc_status build_node(beamc_tr *tr, beamc_tr_node *node) {
    beamc_pcol **from = beamc_arena_alloc(tr->arena, (node->input_count + 1) * sizeof *from);
    BEAMC_TRY(settle_inputs(tr, node, from));
    BEAMC_TRY(node->kind->build(tr, node));
    for (size_t k = 0; k < node->input_count; k++) {
        beamc__pcol_add_consumer(from[k], node->unit);
    }
    return BEAMC_OK;
}

static beamc_status translate(beamc_tr *tr, beamc_slice bytes) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(&fn__process_bundle_descriptor__descriptor, bytes,
                                            tr->arena, &message, tr->err),
                  "ProcessBundleDescriptor");
    const Fn__ProcessBundleDescriptor *d = (const Fn__ProcessBundleDescriptor *)message;
    tr->descriptor = d;
    tr->plan->id = d->id;
    if (d->state_api_service_descriptor != NULL) {
        tr->plan->state_url = d->state_api_service_descriptor->url;
    }
    MAKE_INDEX(tr, &tr->coder_index, d->n_coders, d->coders);
    MAKE_INDEX(tr, &tr->strategy_index, d->n_windowing_strategies, d->windowing_strategies);
    BEAMC_TRY(beamc__tr_coders_init(tr));
    BEAMC_TRY(make_pcols(tr));
    BEAMC_TRY(make_nodes(tr));
    BEAMC_TRY(prepare_nodes(tr));
    BEAMC_TRY(sort_nodes(tr));
    spread_expectations(tr);
    for (size_t i = 0; i < tr->node_count; i++) {
        BEAMC_TRY_CTX(tr->err, build_node(tr, tr->sorted[i]), "transform %s", tr->sorted[i]->id);
    }
    return BEAMC_OK;
}

beamc_status beamc_plan_new(beamc_slice descriptor, const beamc_plan_env *env, beamc_plan **out,
                            beamc_error *err) {
    *out = NULL;
    beamc_error local;
    beamc_plan *plan = beamc__plan_alloc(env);
    beamc_tr tr = {
        .plan = plan, .arena = plan->arena, .env = env, .err = err != NULL ? err : &local};
    beamc_status status = translate(&tr, beamc_arena_copy(plan->arena, descriptor));
    if (status == BEAMC_OK) {
        status = beamc__plan_setup(plan, err);
    }
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "descriptor %s", plan->id);
        beamc_plan_free(plan);
        return status;
    }
    *out = plan;
    return BEAMC_OK;
}
