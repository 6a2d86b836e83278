/* sampling.c: element samples (SampleDataRequest), collected from all plans of a worker.
 * Several plans may run the same stage, so the PCollections are listed first and then looked up in each.
 * Threads: any. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"
#include "worker/harness/thread.h"

typedef struct samples {
    beamc_buf list; /* an ElementList */
    int64_t now_ms;
} samples;

/* SampledElement {element 1, sample_timestamp 2}. */
static void on_sample(void *arg, const char *pcollection, beamc_slice element) {
    samples *s = arg;
    (void)pcollection;
    beamc_buf one = {0}, time = {0};
    beamc_pb_bytes(&one, 1, element);
    beamc_pb_varint(&time, 1, (uint64_t)(s->now_ms / 1000));
    beamc_pb_bytes(&one, 2, beamc_buf_slice(&time));
    beamc_pb_bytes(&s->list, 1, beamc_buf_slice(&one));
    beamc_buf_free(&one);
    beamc_buf_free(&time);
}

typedef struct name_list {
    beamc_arena *arena;
    const char **names;
    size_t count, cap;
} name_list;

static void note_name(void *arg, const char *pcollection, beamc_slice element) {
    name_list *list = arg;
    (void)element;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], pcollection) == 0) {
            return;
        }
    }
    if (list->count == list->cap) {
        list->cap = list->cap != 0 ? 2 * list->cap : 16;
        list->names = beamc__realloc(list->names, list->cap * sizeof *list->names);
    }
    list->names[list->count++] = beamc_arena_cstr(list->arena, beamc_str(pcollection));
}

/* An entry of SampleDataResponse.element_samples. */
static void put_entry(beamc_buf *out, const char *pcollection, beamc_slice list) {
    beamc_buf entry = {0};
    beamc_pb_text(&entry, 1, pcollection);
    beamc_pb_bytes(&entry, 2, list);
    beamc_pb_bytes(out, 1, beamc_buf_slice(&entry));
    beamc_buf_free(&entry);
}

void beamc__sampling_put(beamc_plans *plans, const Fn__SampleDataRequest *request, beamc_buf *out) {
    name_list list = {.arena = beamc_arena_new(4096)};
    for (size_t i = 0; i < request->n_pcollection_ids; i++) {
        note_name(&list, request->pcollection_ids[i], (beamc_slice){NULL, 0});
    }
    if (request->n_pcollection_ids == 0) {
        beamc__plans_samples(plans, NULL, note_name, &list);
    }
    samples s = {.now_ms = beamc__wall_ms()};
    for (size_t i = 0; i < list.count; i++) {
        beamc_buf_clear(&s.list);
        beamc__plans_samples(plans, list.names[i], on_sample, &s);
        if (s.list.len > 0) {
            put_entry(out, list.names[i], beamc_buf_slice(&s.list));
        }
    }
    beamc_buf_free(&s.list);
    beamc_arena_free(list.arena);
    free(list.names);
}
