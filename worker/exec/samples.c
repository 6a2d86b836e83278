/* samples.c: the last elements of each PCollection, for SampleDataRequest.
 * Written now and then by the bundle's thread, read by any: one lock for each ring. */
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/exec/plan.h"

/* Elements over this size are not kept: a sample is for looking at. */
enum { RING_SIZE = 10, MAX_SAMPLE_BYTES = 1 << 20 };

typedef struct beamc_sample_ring {
    pthread_mutex_t mu;
    beamc_buf ring[RING_SIZE];
    size_t next;
} sample_ring;

struct beamc_sample_ring *beamc__samples_new(void) {
    sample_ring *ring = beamc__calloc(1, sizeof *ring);
    pthread_mutex_init(&ring->mu, NULL);
    return ring;
}

void beamc__samples_free(struct beamc_sample_ring *ring) {
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < RING_SIZE; i++) {
        beamc_buf_free(&ring->ring[i]);
    }
    pthread_mutex_destroy(&ring->mu);
    free(ring);
}

void beamc__samples_put(struct beamc_sample_ring *ring, beamc_slice element) {
    if (element.len > MAX_SAMPLE_BYTES) {
        return;
    }
    pthread_mutex_lock(&ring->mu);
    beamc_buf *at = &ring->ring[ring->next];
    ring->next = (ring->next + 1) % RING_SIZE;
    beamc_buf_clear(at);
    beamc_buf_put_slice(at, element);
    pthread_mutex_unlock(&ring->mu);
}

void beamc_plan_samples(beamc_plan *plan, const char *pcollection,
                        void (*fn)(void *arg, const char *pcollection, beamc_slice element),
                        void *arg) {
    for (size_t i = 0; i < plan->pcol_count; i++) {
        const beamc_pcol *pc = plan->pcols[i];
        if (pc->samples == NULL || (pcollection != NULL && strcmp(pc->id, pcollection) != 0)) {
            continue;
        }
        pthread_mutex_lock(&pc->samples->mu);
        for (size_t k = 0; k < RING_SIZE; k++) {
            const beamc_buf *sample = &pc->samples->ring[(pc->samples->next + k) % RING_SIZE];
            if (sample->ptr != NULL) {
                fn(arg, pc->id, beamc_buf_slice(sample));
            }
        }
        pthread_mutex_unlock(&pc->samples->mu);
    }
}
