/* plan.c: owns the nodes of a plan and the order in which they are called.
 *
 * start_bundle goes from consumers to producers, so that whoever emits while starting finds the rest
 * ready; finish_bundle the other way round. The state of the plan is checked here once, not in each
 * node. Threads: see bundle.h. */
#include "worker/exec/plan.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "worker/exec/source.h"
#include "worker/exec/state_io.h"
#include "worker/exec/timers.h"

beamc_plan *beamc__plan_alloc(const beamc_plan_env *env) {
    beamc_plan *plan = beamc__calloc(1, sizeof *plan);
    plan->env = env;
    plan->arena = beamc_arena_new(0);
    plan->bundle = beamc_arena_new(0);
    plan->elements = beamc_arena_new(0);
    beamc__scratch_init(&plan->scratch, plan->elements);
    plan->scratch.fetch = beamc__state_fetch;
    plan->scratch.fetch_arg = plan;
    plan->id = "";
    plan->state_url = "";
    pthread_mutex_init(&plan->mu, NULL);
    return plan;
}

void beamc__plan_add_unit(beamc_plan *plan, beamc_unit *unit, const beamc_unit_ops *ops,
                          const char *id) {
    if (plan->unit_count == plan->unit_cap) {
        plan->unit_cap = plan->unit_cap != 0 ? 2 * plan->unit_cap : 8;
        plan->units = beamc__realloc(plan->units, plan->unit_cap * sizeof *plan->units);
    }
    unit->ops = ops;
    unit->plan = plan;
    unit->id = id;
    unit->slot = plan->next_slot;
    plan->next_slot += 4;
    plan->units[plan->unit_count++] = unit;
}

beamc_pcol *beamc__plan_add_pcol(beamc_plan *plan, const char *id) {
    if (plan->pcol_count == plan->pcol_cap) {
        plan->pcol_cap = plan->pcol_cap != 0 ? 2 * plan->pcol_cap : 8;
        plan->pcols = beamc__realloc(plan->pcols, plan->pcol_cap * sizeof *plan->pcols);
    }
    beamc_pcol *pc = beamc_arena_zalloc(plan->arena, sizeof *pc);
    pc->plan = plan;
    pc->id = id;
    pc->slot = plan->next_slot;
    plan->next_slot += 2;
    if (plan->env->sample_data) {
        pc->samples = beamc__samples_new();
    }
    plan->pcols[plan->pcol_count++] = pc;
    return pc;
}

uint32_t beamc__plan_add_port(beamc_plan *plan, beamc_port port) {
    if (plan->port_count == plan->port_cap) {
        plan->port_cap = plan->port_cap != 0 ? 2 * plan->port_cap : 4;
        plan->ports = beamc__realloc(plan->ports, plan->port_cap * sizeof *plan->ports);
        plan->port_nodes =
            beamc__realloc(plan->port_nodes, plan->port_cap * sizeof *plan->port_nodes);
    }
    plan->ports[plan->port_count] = port;
    plan->port_nodes[plan->port_count] = (beamc_port_node){.source = NULL};
    return (uint32_t)plan->port_count++;
}

void beamc__pcol_add_consumer(beamc_pcol *pc, beamc_unit *unit) {
    if (pc->consumer == NULL) {
        pc->consumer = unit;
        return;
    }
    beamc_unit **others =
        beamc_arena_alloc(pc->plan->arena, (pc->other_count + 1) * sizeof *others);
    for (size_t i = 0; i < pc->other_count; i++) {
        others[i] = pc->others[i];
    }
    others[pc->other_count++] = unit;
    pc->others = others;
}

beamc_status beamc__pcol_push_others(beamc_pcol *pc, const beamc_wv *wv) {
    for (size_t i = 0; i < pc->other_count; i++) {
        BEAMC_TRY(beamc_unit_enter(pc->others[i], pc, wv));
    }
    return BEAMC_OK;
}

/* Whether encoding a value just to measure it is harmless: iterables may read state. */
static bool is_sizable(const beamc_coder *c, unsigned depth) {
    if (c == NULL || depth > BEAMC_CODER_MAX_DEPTH || c->kind == BEAMC_CODER_ITERABLE ||
        c->kind == BEAMC_CODER_STATE_BACKED_ITERABLE) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (c->args[i] != NULL && !is_sizable(c->args[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

beamc_status beamc__plan_setup(beamc_plan *plan, beamc_error *err) {
    for (size_t i = 0; i < plan->pcol_count; i++) {
        plan->pcols[i]->sizable = is_sizable(plan->pcols[i]->coder, 0);
        plan->pcols[i]->next_sample = INT64_MAX;
    }
    for (size_t i = plan->unit_count; i-- > 0;) {
        beamc_unit *unit = plan->units[i];
        unit->is_set_up = true;
        if (unit->ops->setup == NULL) {
            continue;
        }
        beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
        beamc_status status = unit->ops->setup(unit);
        beamc__scratch_rewind(&plan->scratch, mark);
        if (status != BEAMC_OK) {
            status = beamc__plan_fail(plan, unit->id, 0, status);
            return beamc_error_set(err, status, "setup: %s", plan->failure.message);
        }
    }
    return BEAMC_OK;
}

void beamc_plan_free(beamc_plan *plan) {
    if (plan == NULL) {
        return;
    }
    for (size_t i = 0; i < plan->unit_count; i++) {
        if (plan->units[i]->ops->teardown != NULL) {
            plan->units[i]->ops->teardown(plan->units[i]);
        }
    }
    for (size_t i = 0; i < plan->pcol_count; i++) {
        beamc__samples_free(plan->pcols[i]->samples);
    }
    beamc__plan_metrics_free(plan);
    beamc_finalizers_free(plan->finalizers);
    beamc__scratch_deinit(&plan->scratch);
    beamc_arena_free(plan->elements);
    beamc_arena_free(plan->bundle);
    beamc_arena_free(plan->arena);
    beamc_buf_free(&plan->measure);
    pthread_mutex_destroy(&plan->mu);
    for (size_t i = 0; i < plan->port_count; i++) {
        beamc_buf_free(&plan->port_nodes[i].cut);
    }
    free(plan->residuals);
    free(plan->units);
    free(plan->pcols);
    free(plan->ports);
    free(plan->port_nodes);
    free(plan);
}

const beamc_port *beamc_plan_ports(const beamc_plan *plan, size_t *count) {
    *count = plan->port_count;
    return plan->ports;
}

const char *beamc_plan_id(const beamc_plan *plan) {
    return plan->id;
}

const char *beamc_plan_current_transform(const beamc_plan *plan) {
    const beamc_exec_state *at = atomic_load_explicit(&plan->at, memory_order_relaxed);
    for (size_t i = 0; at != NULL && i < plan->unit_count; i++) {
        const beamc_unit *unit = plan->units[i];
        if (at == &unit->in_start || at == &unit->in_process || at == &unit->in_finish) {
            return unit->id;
        }
    }
    return "";
}

const char *beamc_plan_state_url(const beamc_plan *plan) {
    return plan->state_url;
}

beamc_time beamc__plan_now(const beamc_plan *plan) {
    if (plan->io != NULL && plan->io->ops->now_ms != NULL) {
        return plan->io->ops->now_ms(plan->io);
    }
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (beamc_time)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------------------- failures */

beamc_status beamc__plan_fail(beamc_plan *plan, const char *transform, int64_t element,
                              beamc_status status) {
    if (plan->failed != BEAMC_OK) {
        return plan->failed;
    }
    if (plan->error.code != status || plan->error.message[0] == '\0') {
        beamc_error_set(&plan->error, status, "failed with %s and gave no reason",
                        beamc_status_name(status));
    }
    plan->failure = plan->error;
    if (element > 0) {
        beamc_error_prepend(&plan->failure, "element %lld", (long long)element);
    }
    beamc_error_prepend(&plan->failure, "transform %s", transform);
    plan->failed = status;
    return status;
}

/* ---------------------------------------------------------------------------- one bundle */

typedef beamc_status (*unit_call)(beamc_unit *unit);

static beamc_status call_unit(beamc_unit *unit, unit_call call, beamc_exec_state *where,
                              const char *what) {
    if (call == NULL) {
        return BEAMC_OK;
    }
    beamc_plan *plan = unit->plan;
    beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
    atomic_store_explicit(&plan->at, where, memory_order_relaxed);
    beamc_status status = call(unit);
    atomic_store_explicit(&plan->at, NULL, memory_order_relaxed);
    beamc__scratch_rewind(&plan->scratch, mark);
    if (status != BEAMC_OK && plan->failed == BEAMC_OK) {
        beamc_error_prepend(&plan->error, "%s", what);
        return beamc__plan_fail(plan, unit->id, 0, status);
    }
    return plan->failed; /* also what user code did not pass on */
}

/* An element may go on in the next block (Elements.Data says nothing of whole elements). Nobody sends it
 * so, which is why what cannot be decoded waits for more without asking what is wrong with it. */
enum { CUT_MAX_BYTES = 512 << 20, CUT_CHEAP_BYTES = 1 << 20 };

static beamc_status read_port(beamc_port_node *node, beamc_slice *data, bool is_last) {
    return node->source != NULL ? beamc__source_read(node->source, data, is_last)
                                : beamc__timers_read(node->timers, node->family, data, is_last);
}

static beamc_status read_joined(beamc_port_node *node, beamc_slice data, bool is_last) {
    beamc_buf *cut = &node->cut;
    if (cut->len > 0) {
        beamc_buf_put_slice(cut, data);
        bool grew_little =
            cut->len > CUT_CHEAP_BYTES && cut->len - node->cut_tried < node->cut_tried / 8;
        if (grew_little && !is_last) {
            return BEAMC_OK;
        }
        data = beamc_buf_slice(cut);
    }
    BEAMC_TRY(read_port(node, &data, is_last || data.len > CUT_MAX_BYTES));
    if (cut->len > 0) {
        if (data.len > 0) {
            memmove(cut->ptr, data.ptr, data.len);
        }
        cut->len = data.len;
    } else if (data.len > 0) {
        beamc_buf_put_slice(cut, data);
    }
    node->cut_tried = cut->len;
    return BEAMC_OK;
}

static beamc_status take_block(beamc_plan *plan, const beamc_input_block *block) {
    if (block->port >= plan->port_count || plan->ports[block->port].kind == BEAMC_PORT_SINK) {
        return BEAMC_FAIL(&plan->error, INVALID_ARGUMENT, "input for port %u, which takes none",
                          block->port);
    }
    beamc_port_node *node = &plan->port_nodes[block->port];
    const beamc_port *port = &plan->ports[block->port];
    if (node->ended) {
        return BEAMC_FAIL(&plan->error, INVALID_ARGUMENT,
                          "input for transform %s behind the end of its stream",
                          port->transform_id);
    }
    BEAMC_TRY(read_joined(node, block->data, block->is_last));
    node->ended = block->is_last;
    return BEAMC_OK;
}

static beamc_status read_input(beamc_plan *plan) {
    for (;;) {
        beamc_input_block block = {0};
        bool more = true;
        BEAMC_TRY(plan->io->ops->recv(plan->io, &block, &more, &plan->error));
        if (!more) {
            return BEAMC_OK;
        }
        BEAMC_TRY(take_block(plan, &block));
        if (plan->failed != BEAMC_OK) {
            return plan->failed;
        }
    }
}

static beamc_status run_bundle(beamc_plan *plan) {
    for (size_t i = plan->unit_count; i-- > 0;) {
        beamc_unit *unit = plan->units[i];
        BEAMC_TRY(call_unit(unit, unit->ops->start_bundle, &unit->in_start, "start_bundle"));
    }
    BEAMC_TRY(read_input(plan));
    for (size_t i = 0; i < plan->unit_count; i++) {
        beamc_unit *unit = plan->units[i];
        BEAMC_TRY(call_unit(unit, unit->ops->finish_bundle, &unit->in_finish, "finish_bundle"));
    }
    if (plan->io->ops->state_sync != NULL) {
        BEAMC_TRY_CTX(&plan->error, plan->io->ops->state_sync(plan->io, &plan->error),
                      "writing state");
    }
    return BEAMC_OK;
}

static void begin(beamc_plan *plan, const beamc_bundle_request *request, beamc_bundle_io *io) {
    beamc_arena_reset(plan->bundle);
    plan->residual_count = 0;
    plan->request = request;
    plan->io = io;
    plan->error.code = BEAMC_OK;
    plan->error.message[0] = '\0';
    beamc__plan_metrics_reset(plan);
    pthread_mutex_lock(&plan->mu);
    for (size_t i = 0; i < plan->port_count; i++) {
        plan->port_nodes[i].ended = false;
        beamc_buf_clear(&plan->port_nodes[i].cut);
        if (plan->port_nodes[i].source != NULL) {
            beamc__source_reset(plan->port_nodes[i].source);
        }
    }
    plan->running = true;
    pthread_mutex_unlock(&plan->mu);
    beamc__sampler_add(plan);
}

static void end(beamc_plan *plan, beamc_status status) {
    beamc__sampler_remove(plan);
    pthread_mutex_lock(&plan->mu);
    plan->running = false;
    pthread_mutex_unlock(&plan->mu);
    if (status != BEAMC_OK) {
        for (size_t i = 0; i < plan->unit_count; i++) {
            if (plan->units[i]->ops->abort_bundle != NULL) {
                plan->units[i]->ops->abort_bundle(plan->units[i]);
            }
        }
        plan->broken = true;
        beamc_finalizers_free(plan->finalizers);
        plan->finalizers = NULL;
    }
    plan->request = NULL;
    plan->io = NULL;
}

beamc_status beamc_plan_run(beamc_plan *plan, const beamc_bundle_request *request,
                            beamc_bundle_io *io, beamc_bundle_result *result, beamc_error *err) {
    *result = (beamc_bundle_result){0};
    const char *name = request->instruction_id != NULL ? request->instruction_id : "";
    if (plan->broken) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "bundle %s: an earlier bundle of this plan failed; make a new plan",
                          name);
    }
    if (plan->running) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION, "bundle %s: the plan still runs another bundle",
                          name);
    }
    begin(plan, request, io);
    beamc_status status = run_bundle(plan);
    end(plan, status);
    if (status != BEAMC_OK) {
        const beamc_error *why = plan->failed != BEAMC_OK ? &plan->failure : &plan->error;
        return beamc_error_set(err, status, "bundle %s: %s", name, why->message);
    }
    result->residuals = plan->residuals;
    result->residual_count = plan->residual_count;
    result->finalizers = plan->finalizers;
    plan->finalizers = NULL;
    return BEAMC_OK;
}
