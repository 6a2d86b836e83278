/* monitoring.c: see monitoring.h. A metric is known by its serialized MonitoringInfo without payload:
 * these bytes are at once the key of the table, the answer to a metadata request, and the head of the
 * full form. */
#include "worker/harness/monitoring.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"
#include "worker/harness/pb_out.h"

enum { ID_MAX = 16 };

typedef struct known_metric {
    beamc_idmap_entry by_metadata;
    beamc_idmap_entry by_id;
    char id[ID_MAX];
    char metadata[];
} known_metric;

struct beamc_short_ids {
    pthread_mutex_t mu;
    beamc_idmap by_metadata;
    beamc_idmap by_id;
    beamc_buf scratch;
};

beamc_short_ids *beamc__short_ids_new(void) {
    beamc_short_ids *ids = beamc__calloc(1, sizeof *ids);
    pthread_mutex_init(&ids->mu, NULL);
    return ids;
}

static void free_known(void *arg, beamc_idmap_entry *entry) {
    (void)arg;
    free(BEAMC_IDMAP_OWNER(entry, known_metric, by_id));
}

void beamc__short_ids_free(beamc_short_ids *ids) {
    if (ids == NULL) {
        return;
    }
    beamc__idmap_deinit(&ids->by_metadata);
    beamc__idmap_each(&ids->by_id, free_known, NULL);
    beamc__idmap_deinit(&ids->by_id);
    beamc_buf_free(&ids->scratch);
    pthread_mutex_destroy(&ids->mu);
    free(ids);
}

/* MonitoringInfo.labels (4): a map entry for each label that is there. */
static void put_label(beamc_buf *out, const char *name, const char *value) {
    if (value == NULL) {
        return;
    }
    size_t name_len = strlen(name), value_len = strlen(value);
    beamc_put_varint(out, 4 << 3 | 2);
    beamc_put_varint(out, 2 + beamc_varint_size(name_len) + name_len +
                              beamc_varint_size(value_len) + value_len);
    beamc_pb_bytes(out, 1, beamc_slice_of(name, name_len));
    beamc_pb_bytes(out, 2, beamc_slice_of(value, value_len));
}

static void put_metadata(beamc_buf *out, const beamc_monitoring_info *info) {
    beamc_pb_text(out, 1, info->urn);
    beamc_pb_text(out, 2, info->type);
    put_label(out, "PTRANSFORM", info->transform);
    put_label(out, "PCOLLECTION", info->pcollection);
    put_label(out, "NAMESPACE", info->name_space);
    put_label(out, "NAME", info->name);
}

static void number_to_id(size_t n, char *id) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char reversed[ID_MAX];
    size_t len = 0;
    do {
        reversed[len++] = digits[n % 36];
        n /= 36;
    } while (n > 0);
    for (size_t i = 0; i < len; i++) {
        id[i] = reversed[len - 1 - i];
    }
    id[len] = '\0';
}

/* The lock is held. */
static const known_metric *know(beamc_short_ids *ids, const beamc_monitoring_info *info) {
    beamc_buf_clear(&ids->scratch);
    put_metadata(&ids->scratch, info);
    beamc_slice metadata = beamc_buf_slice(&ids->scratch);
    known_metric *k = BEAMC_IDMAP_OWNER(beamc__idmap_find(&ids->by_metadata, metadata),
                                        known_metric, by_metadata);
    if (k == NULL) {
        k = beamc__calloc(1, sizeof *k + metadata.len);
        memcpy(k->metadata, metadata.ptr, metadata.len);
        number_to_id(ids->by_id.count + 1, k->id);
        beamc__idmap_add(&ids->by_metadata, &k->by_metadata,
                         beamc_slice_of(k->metadata, metadata.len));
        beamc__idmap_add(&ids->by_id, &k->by_id, beamc_str(k->id));
    }
    return k;
}

beamc_slice beamc__short_id_of(beamc_short_ids *ids, const beamc_monitoring_info *info) {
    pthread_mutex_lock(&ids->mu);
    beamc_slice id = know(ids, info)->by_id.key;
    pthread_mutex_unlock(&ids->mu);
    return id;
}

bool beamc__short_id_find(beamc_short_ids *ids, beamc_slice id, beamc_slice *metadata) {
    pthread_mutex_lock(&ids->mu);
    const known_metric *k =
        BEAMC_IDMAP_OWNER(beamc__idmap_find(&ids->by_id, id), known_metric, by_id);
    pthread_mutex_unlock(&ids->mu);
    if (k == NULL) {
        return false;
    }
    *metadata = k->by_metadata.key;
    return true;
}

/* ----------------------------------------------------------------------------- in responses */

enum { MONITORING_INFOS = 3, MONITORING_DATA = 5 };

typedef struct output {
    beamc_short_ids *ids;
    beamc_buf *out;
    bool in_full;
} output;

static void put_metric(void *arg, const beamc_monitoring_info *info) {
    const output *o = arg;
    beamc_buf *out = o->out;
    beamc_slice payload = info->payload;
    pthread_mutex_lock(&o->ids->mu);
    const known_metric *k = know(o->ids, info);
    pthread_mutex_unlock(&o->ids->mu);
    beamc_slice id = k->by_id.key, metadata = k->by_metadata.key;
    beamc_put_varint(out, MONITORING_DATA << 3 | 2);
    beamc_put_varint(out, 2 + beamc_varint_size(id.len) + id.len + beamc_varint_size(payload.len) +
                              payload.len);
    beamc_pb_bytes(out, 1, id);
    beamc_pb_bytes(out, 2, payload);
    if (o->in_full) {
        beamc_put_varint(out, MONITORING_INFOS << 3 | 2);
        beamc_put_varint(out, metadata.len + 1 + beamc_varint_size(payload.len) + payload.len);
        beamc_buf_put_slice(out, metadata);
        beamc_pb_bytes(out, 3, payload);
    }
}

void beamc__monitoring_put(beamc_short_ids *ids, beamc_plan *plan, bool in_full, beamc_buf *out) {
    output o = {ids, out, in_full};
    beamc_plan_metrics(plan, put_metric, &o);
}
