/* fake_worker.h: a worker for tests of the engine: its stages are C functions over encoded bytes. */
#ifndef TESTS_RUNNER_FAKE_WORKER_H
#define TESTS_RUNNER_FAKE_WORKER_H

#include <stdatomic.h>

#include "base/wire.h"
#include "coder/coder_impl.h"
#include "runner/engine/engine.h"

typedef struct fake_worker fake_worker;
typedef struct fake_bundle {
    fake_worker *worker;
    beamc_bundle_io *io;
    beamc_bundle_result *result;
    beamc_arena *arena; /* until the instance's next bundle */
    const char *id;
    unsigned bundles_before; /* of this instance */
} fake_bundle;

/* Runs one bundle of a stage. */
typedef beamc_status (*fake_fn)(fake_bundle *b, beamc_error *err);

typedef struct fake_stage {
    const char *name; /* the descriptor */
    fake_fn run;
    beamc_port ports[6]; /* ended by kind 0 */
} fake_stage;

struct fake_worker {
    beamc_worker base;
    const fake_stage *stages; /* ended by a NULL name */
    atomic_int opened, closed, bundles, finalized;
    void *arg;
};

void fake_worker_init(fake_worker *w, const fake_stage *stages);
/* For stage functions: all input of the source, appended. */
beamc_status fake_read_all(fake_bundle *b, beamc_buf *out, beamc_error *err);
/* Puts KV<varint, varint> into [start, end), or the global window when end is 0. */
void fake_put_kv(beamc_buf *out, beamc_time timestamp, beamc_window window, int64_t key,
                 int64_t value);

extern const beamc_coder fake_kv;      /* KV<varint, varint> */
extern const beamc_coder fake_grouped; /* KV<varint, iterable<varint>> */
extern const beamc_wire_coder fake_global_kv, fake_interval_kv;

#endif
