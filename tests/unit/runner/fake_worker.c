/* fake_worker.c: see fake_worker.h. */
#include "fake_worker.h"

#include <stdlib.h>

#include "runner/engine/grouper.h"

const beamc_coder fake_kv = BEAMC_KV(&beamc_varint, &beamc_varint);
static const beamc_coder many = BEAMC_ITERABLE(&beamc_varint);
const beamc_coder fake_grouped = BEAMC_KV(&beamc_varint, &many);
const beamc_wire_coder fake_global_kv = {&fake_kv, &beamc_global_window};
const beamc_wire_coder fake_interval_kv = {&fake_kv, &beamc_interval_window};

typedef struct fake_instance {
    beamc_executor base;
    const fake_stage *stage;
    beamc_arena *arena;
    unsigned bundles;
} fake_instance;

static beamc_status fake_open(beamc_worker *worker, const beamc_work_spec *work,
                              beamc_executor **out, beamc_error *err) {
    fake_worker *w = (fake_worker *)worker;
    for (const fake_stage *s = w->stages; s->name != NULL; s++) {
        if (beamc_slice_eq(beamc_str(s->name), work->descriptor)) {
            fake_instance *i = calloc(1, sizeof *i);
            i->base.worker = worker;
            i->stage = s;
            i->arena = beamc_arena_new(0);
            atomic_fetch_add(&w->opened, 1);
            *out = &i->base;
            return BEAMC_OK;
        }
    }
    return BEAMC_FAIL(err, NOT_FOUND, "no stage %.*s", BEAMC_SLICE_ARG(work->descriptor));
}

static void fake_close(beamc_executor *instance) {
    fake_instance *i = (fake_instance *)instance;
    atomic_fetch_add(&((fake_worker *)i->base.worker)->closed, 1);
    beamc_arena_free(i->arena);
    free(i);
}

static const beamc_port *fake_ports(const beamc_executor *instance, size_t *count) {
    const fake_instance *i = (const fake_instance *)instance;
    for (*count = 0; i->stage->ports[*count].kind != 0; ++*count) {
    }
    return i->stage->ports;
}

static beamc_status fake_run(beamc_executor *instance, const beamc_bundle_request *request,
                             beamc_bundle_io *io, beamc_bundle_result *result, beamc_error *err) {
    fake_instance *i = (fake_instance *)instance;
    fake_worker *w = (fake_worker *)i->base.worker;
    beamc_arena_reset(i->arena);
    atomic_fetch_add(&w->bundles, 1);
    fake_bundle b = {w, io, result, i->arena, request->bundle_id, i->bundles++};
    return i->stage->run(&b, err);
}

static beamc_status fake_split(beamc_executor *instance, const beamc_split_request *request,
                               beamc_arena *arena, beamc_split_result *result, beamc_error *err) {
    (void)instance, (void)request, (void)arena, (void)err;
    *result = (beamc_split_result){0};
    return BEAMC_OK;
}

static void fake_metrics(beamc_executor *instance, beamc_monitoring_fn fn, void *arg) {
    const fake_instance *i = (const fake_instance *)instance;
    unsigned char one[1] = {1}, distribution[4] = {1, 5, 5, 5};
    beamc_monitoring_info count = {.urn = "beam:metric:user:sum_int64:v1",
                                   .type = "beam:metrics:sum_int64:v1",
                                   .transform = i->stage->name,
                                   .name_space = "fake",
                                   .name = "bundles",
                                   .payload = beamc_slice_of(one, 1),
                                   .slot = 0};
    fn(arg, &count);
    beamc_monitoring_info dist = {.urn = "beam:metric:user:distribution_int64:v1",
                                  .type = "beam:metrics:distribution_int64:v1",
                                  .transform = i->stage->name,
                                  .name_space = "fake",
                                  .name = "fives",
                                  .payload = beamc_slice_of(distribution, 4),
                                  .slot = 1};
    fn(arg, &dist);
}

static void fake_finalize(beamc_worker *worker, beamc_finalizers *list, bool committed) {
    (void)list, (void)committed;
    atomic_fetch_add(&((fake_worker *)worker)->finalized, 1);
}

void fake_worker_init(fake_worker *w, const fake_stage *stages) {
    static const beamc_worker_ops ops = {fake_open,  fake_close,   fake_ports,   fake_run,
                                         fake_split, fake_metrics, fake_finalize};
    *w = (fake_worker){.base.ops = &ops, .stages = stages};
}

beamc_status fake_read_all(fake_bundle *b, beamc_buf *out, beamc_error *err) {
    for (;;) {
        beamc_input_block block;
        bool more;
        BEAMC_TRY(b->io->ops->recv(b->io, &block, &more, err));
        if (!more) {
            return BEAMC_OK;
        }
        beamc_buf_put_slice(out, block.data);
    }
}

void fake_put_kv(beamc_buf *out, beamc_time timestamp, beamc_window window, int64_t key,
                 int64_t value) {
    static const beamc_pane pane = BEAMC_PANE_NO_FIRING;
    beamc__group_put_head(out, window.end == 0 ? &beamc_global_window : &beamc_interval_window,
                          timestamp, window, &pane);
    beamc_put_varint(out, (uint64_t)key);
    beamc_put_varint(out, (uint64_t)value);
}
