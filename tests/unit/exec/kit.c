/* kit.c: see kit.h. */
#include "kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "beam_model/standard_window_fns.pb-c.h"
#include "coder/coder_impl.h"
#include "coder/from_proto.h"
#include "graph/payload.h"
#include "graph/pb.h"
#include "proto/beam_model/urns.h"

/* ------------------------------------------------------------------------------- the runner */

static beamc_status io_recv(beamc_bundle_io *io, beamc_input_block *block, bool *more,
                            beamc_error *err) {
    kit *k = (kit *)io;
    (void)err;
    *more = k->next_block < k->block_count;
    if (k->before_block != NULL) {
        k->before_block(k, k->next_block);
    }
    if (*more) {
        *block = k->blocks[k->next_block++];
    }
    return BEAMC_OK;
}

static beamc_buf *io_out(beamc_bundle_io *io, uint32_t port) {
    return &((kit *)io)->out[port];
}

static beamc_status io_flush(beamc_bundle_io *io, uint32_t port, beamc_error *err) {
    kit *k = (kit *)io;
    (void)port;
    k->flushes++;
    if (k->flush_limit != 0 && k->flushes > k->flush_limit) {
        return BEAMC_FAIL(err, UNAVAILABLE, "the stream is gone");
    }
    return BEAMC_OK; /* kept: the test reads it at the end */
}

static const char *key_text(kit *k, const beamc_state_key *key) {
    static const char *const kinds[] = {
        "?",        "runner", "multimap_side",        "bag",  "side",       "multimap_side_keys",
        "map_keys", "map",    "multimap_side_values", "list", "map_entries"};
    beamc_buf b = {0};
    beamc_buf_printf(&b, "%s %.*s %.*s ", kinds[key->kind], BEAMC_SLICE_ARG(key->transform_id),
                     BEAMC_SLICE_ARG(key->id));
    const beamc_slice parts[] = {key->window, key->key, key->map_key};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < parts[i].len; j++) {
            beamc_buf_printf(&b, "%02x", (unsigned char)parts[i].ptr[j]);
        }
        if (i < 2) {
            beamc_buf_put_str(&b, " ");
        }
    }
    const char *text = beamc_arena_cstr(k->arena, beamc_buf_slice(&b));
    beamc_buf_free(&b);
    return text;
}

static kit_state *state_of(kit *k, const char *key, bool make) {
    for (size_t i = 0; i < k->state_count; i++) {
        if (strcmp(k->states[i].key, key) == 0) {
            return &k->states[i];
        }
    }
    if (!make) {
        return NULL;
    }
    cr_assert(k->state_count < 4096);
    kit_state *s = &k->states[k->state_count++];
    s->key = beamc_arena_cstr(k->arena, beamc_str(key));
    return s;
}

/* The keys of a map are those of its cells that hold something: "map T id W K" in front of each. */
static beamc_slice map_keys(kit *k, const char *name) {
    const char *prefix = beamc_arena_printf(k->arena, "map%s", name + strlen("map_keys"));
    beamc_buf b = {0};
    for (size_t i = 0; i < k->state_count; i++) {
        if (strncmp(k->states[i].key, prefix, strlen(prefix)) == 0 && k->states[i].bytes.len > 0) {
            for (const char *hex = k->states[i].key + strlen(prefix); *hex != '\0'; hex += 2) {
                unsigned byte;
                cr_assert_eq(sscanf(hex, "%2x", &byte), 1);
                beamc_buf_put_u8(&b, byte);
            }
        }
    }
    beamc_slice keys = beamc_arena_copy(k->arena, beamc_buf_slice(&b));
    beamc_buf_free(&b);
    return keys;
}

static void clear_map(kit *k, const char *name) {
    const char *prefix = beamc_arena_printf(k->arena, "map%s", name + strlen("map_keys"));
    for (size_t i = 0; i < k->state_count; i++) {
        if (strncmp(k->states[i].key, prefix, strlen(prefix)) == 0) {
            beamc_buf_clear(&k->states[i].bytes);
        }
    }
}

/* Of KV<varint, prefixed bytes> in a row. */
static void clear_range(kit *k, const char *name, int64_t start, int64_t end) {
    kit_state *s = state_of(k, name, true);
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&s->bytes));
    beamc_buf kept = {0};
    while (beamc_cursor_left(&in) > 0) {
        uint64_t at;
        beamc_slice value = {0};
        cr_assert(beamc_get_varint(&in, &at) && beamc_get_prefixed(&in, &value));
        if ((int64_t)at < start || (int64_t)at >= end) {
            beamc_put_varint(&kept, at);
            beamc_put_prefixed(&kept, value);
        }
    }
    beamc_buf_free(&s->bytes);
    s->bytes = kept;
}

static beamc_status io_get(beamc_bundle_io *io, const beamc_state_key *key,
                           beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                           beamc_slice *next, beamc_error *err) {
    kit *k = (kit *)io;
    const char *name = key_text(k, key);
    beamc_buf_printf(&k->state_log, "get %s\n", name);
    if (strstr(name, "broken") != NULL) {
        return BEAMC_FAIL(err, UNAVAILABLE, "the state service is gone");
    }
    const kit_state *s = state_of(k, name, false);
    beamc_slice all = s != NULL ? beamc_buf_slice(&s->bytes) : (beamc_slice){0};
    if (key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_USER) {
        all = map_keys(k, name);
    }
    size_t at = 0;
    if (continuation.len > 0) {
        at = (size_t)strtoul(beamc_arena_cstr(k->arena, continuation), NULL, 10);
    }
    size_t len = all.len - at < k->page_bytes ? all.len - at : k->page_bytes;
    *page = beamc_arena_copy(arena, beamc_slice_of(all.ptr + at, len));
    *next = at + len < all.len ? beamc_str(beamc_arena_printf(arena, "%zu", at + len))
                               : (beamc_slice){0};
    return BEAMC_OK;
}

static beamc_status io_append(beamc_bundle_io *io, const beamc_state_key *key, beamc_slice data,
                              beamc_error *err) {
    kit *k = (kit *)io;
    (void)err;
    const char *name = key_text(k, key);
    beamc_buf_printf(&k->state_log, "append %s\n", name);
    beamc_buf_put_slice(&state_of(k, name, true)->bytes, data);
    return BEAMC_OK;
}

static beamc_status io_clear(beamc_bundle_io *io, const beamc_state_key *key, beamc_error *err) {
    kit *k = (kit *)io;
    (void)err;
    const char *name = key_text(k, key);
    beamc_buf_printf(&k->state_log, "clear %s\n", name);
    if (key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_USER) {
        clear_map(k, name);
    }
    if (key->kind == BEAMC_STATE_KEY_ORDERED_LIST_USER) {
        clear_range(k, name, key->range_start, key->range_end);
        return BEAMC_OK;
    }
    beamc_buf_clear(&state_of(k, name, true)->bytes);
    return BEAMC_OK;
}

static beamc_status io_sync(beamc_bundle_io *io, beamc_error *err) {
    (void)err;
    beamc_buf_put_str(&((kit *)io)->state_log, "sync\n");
    return BEAMC_OK;
}

static beamc_time io_now(beamc_bundle_io *io) {
    return ((kit *)io)->now;
}

beamc_slice kit_state_get(kit *k, const char *key) {
    const kit_state *s = state_of(k, key, false);
    return s != NULL ? beamc_buf_slice(&s->bytes) : (beamc_slice){0};
}

void kit_state_set(kit *k, const char *key, beamc_slice bytes) {
    kit_state *s = state_of(k, key, true);
    beamc_buf_clear(&s->bytes);
    beamc_buf_put_slice(&s->bytes, bytes);
}

kit *kit_new(const beamc_program *program) {
    kit *k = calloc(1, sizeof *k);
    k->arena = beamc_arena_new(0);
    k->ops = (beamc_bundle_io_ops){.recv = io_recv,
                                   .out = io_out,
                                   .flush = io_flush,
                                   .flush_bytes = 1 << 20,
                                   .state_get = io_get,
                                   .state_append = io_append,
                                   .state_clear = io_clear,
                                   .state_sync = io_sync,
                                   .now_ms = io_now};
    k->io.ops = &k->ops;
    k->page_bytes = 1 << 20;
    k->now = 1000000;
    k->d = (Fn__ProcessBundleDescriptor)FN__PROCESS_BUNDLE_DESCRIPTOR__INIT;
    k->d.id = beamc_pb_text("d");
    k->library = beamc__library_new();
    if (program != NULL) {
        cr_assert_eq(beamc__library_add_program(k->library, program, &k->err), BEAMC_OK, "%s",
                     k->err.message);
    }
    k->env = (beamc_plan_env){.library = k->library, .worker_id = "w"};
    return k;
}

void kit_free(kit *k) {
    beamc_plan_free(k->plan);
    for (size_t i = 0; i < KIT_MAX; i++) {
        beamc_buf_free(&k->out[i]);
    }
    for (size_t i = 0; i < k->state_count; i++) {
        beamc_buf_free(&k->states[i].bytes);
    }
    beamc_buf_free(&k->state_log);
    beamc__library_free(k->library);
    beamc_arena_free(k->arena);
    free(k);
}

/* -------------------------------------------------------------------------------- descriptors */

/* Appends to a repeated field of the descriptor. */
static void *grow(kit *k, void *items, size_t count) {
    void *more = beamc_arena_alloc(k->arena, (count + 1) * sizeof(void *));
    if (count > 0) {
        memcpy(more, items, count * sizeof(void *));
    }
    return more;
}

#define ADD(k, field, entry)                                                                       \
    (k)->d.field = grow((k), (k)->d.field, (k)->d.n_##field),                                      \
    (k)->d.field[(k)->d.n_##field++] = (entry)

static Pipe__FunctionSpec *spec_of(kit *k, const char *urn, beamc_slice payload) {
    Pipe__FunctionSpec *spec = beamc_pb_new(k->arena, &pipe__function_spec__descriptor);
    spec->urn = beamc_pb_text(beamc_arena_cstr(k->arena, beamc_str(urn)));
    spec->payload = beamc_pb_bytes(payload);
    return spec;
}

beamc_slice kit_pack(kit *k, const void *message) {
    return beamc__proto_pack(k->arena, message);
}

const char *kit_coder(kit *k, const beamc_coder *coder) {
    beamc_coder_parts parts;
    cr_assert_eq(beamc__coder_to_model(coder, k->arena, &parts, &k->err), BEAMC_OK, "%s",
                 k->err.message);
    Pipe__Coder *c = beamc_pb_new(k->arena, &pipe__coder__descriptor);
    c->spec = spec_of(k, parts.urn, parts.payload);
    c->component_coder_ids = beamc_arena_alloc(k->arena, 2 * sizeof(char *));
    for (size_t i = 0; i < parts.component_count; i++) {
        c->component_coder_ids[i] = beamc_pb_text(kit_coder(k, parts.components[i]));
    }
    c->n_component_coder_ids = parts.component_count;
    Fn__ProcessBundleDescriptor__CodersEntry *e =
        beamc_pb_new(k->arena, &fn__process_bundle_descriptor__coders_entry__descriptor);
    e->key = beamc_arena_printf(k->arena, "c%zu", k->d.n_coders);
    e->value = c;
    ADD(k, coders, e);
    return e->key;
}

static Google__Protobuf__Duration *duration(kit *k, int64_t ms) {
    Google__Protobuf__Duration *d = beamc_pb_new(k->arena, &google__protobuf__duration__descriptor);
    d->seconds = ms / 1000;
    d->nanos = (int32_t)(ms % 1000) * 1000000;
    return d;
}

static Pipe__FunctionSpec *window_spec(kit *k, const beamc_window_fn *fn) {
    switch (fn->kind) {
    case BEAMC_WINDOW_FIXED: {
        Pipe__FixedWindowsPayload p = PIPE__FIXED_WINDOWS_PAYLOAD__INIT;
        Google__Protobuf__Timestamp offset = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
        offset.seconds = fn->offset_ms / 1000;
        offset.nanos = (int32_t)(fn->offset_ms % 1000) * 1000000;
        p.size = duration(k, fn->size_ms);
        p.offset = &offset;
        return spec_of(k, BEAMC_URN_FIXED_WINDOWS, kit_pack(k, &p));
    }
    case BEAMC_WINDOW_SLIDING: {
        Pipe__SlidingWindowsPayload p = PIPE__SLIDING_WINDOWS_PAYLOAD__INIT;
        p.size = duration(k, fn->size_ms);
        p.period = duration(k, fn->period_ms);
        return spec_of(k, BEAMC_URN_SLIDING_WINDOWS, kit_pack(k, &p));
    }
    case BEAMC_WINDOW_SESSIONS: {
        Pipe__SessionWindowsPayload p = PIPE__SESSION_WINDOWS_PAYLOAD__INIT;
        p.gap_size = duration(k, fn->gap_ms);
        return spec_of(k, BEAMC_URN_SESSION_WINDOWS, kit_pack(k, &p));
    }
    default:
        return spec_of(k, BEAMC_URN_GLOBAL_WINDOWS, (beamc_slice){0});
    }
}

const char *kit_windowing(kit *k, const beamc_window_fn *fn, beamc_output_time output_time) {
    Pipe__WindowingStrategy *s = beamc_pb_new(k->arena, &pipe__windowing_strategy__descriptor);
    s->window_fn = window_spec(k, fn);
    s->window_coder_id = beamc_pb_text(kit_coder(
        k, fn->kind == BEAMC_WINDOW_GLOBAL ? &beamc_global_window : &beamc_interval_window));
    s->output_time =
        output_time == BEAMC_OUTPUT_LATEST_IN_PANE     ? PIPE__OUTPUT_TIME__ENUM__LATEST_IN_PANE
        : output_time == BEAMC_OUTPUT_EARLIEST_IN_PANE ? PIPE__OUTPUT_TIME__ENUM__EARLIEST_IN_PANE
                                                       : PIPE__OUTPUT_TIME__ENUM__END_OF_WINDOW;
    Fn__ProcessBundleDescriptor__WindowingStrategiesEntry *e = beamc_pb_new(
        k->arena, &fn__process_bundle_descriptor__windowing_strategies_entry__descriptor);
    e->key = beamc_arena_printf(k->arena, "w%zu", k->d.n_windowing_strategies);
    e->value = s;
    ADD(k, windowing_strategies, e);
    return e->key;
}

void kit_pcol(kit *k, const char *id, const beamc_coder *coder, const char *windowing) {
    if (windowing == NULL) {
        windowing = kit_windowing(k, &(beamc_window_fn){0}, BEAMC_OUTPUT_END_OF_WINDOW);
    }
    Fn__ProcessBundleDescriptor__PcollectionsEntry *e =
        beamc_pb_new(k->arena, &fn__process_bundle_descriptor__pcollections_entry__descriptor);
    e->key = beamc_pb_text(id);
    e->value = beamc_pb_new(k->arena, &pipe__pcollection__descriptor);
    e->value->unique_name = beamc_pb_text(id);
    e->value->coder_id = beamc_pb_text(kit_coder(k, coder));
    e->value->windowing_strategy_id = beamc_pb_text(windowing);
    ADD(k, pcollections, e);
}

static size_t edges(kit *k, const char *text, char **tags, char **pcols) {
    size_t n = 0;
    char *copy = beamc_arena_cstr(k->arena, beamc_str(text));
    for (char *save, *one = strtok_r(copy, " ", &save); one != NULL;
         one = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(one, '=');
        cr_assert(eq != NULL && n < KIT_MAX);
        *eq = '\0';
        tags[n] = one;
        pcols[n++] = eq + 1;
    }
    return n;
}

void kit_transform(kit *k, const char *id, const char *urn, beamc_slice payload, const char *inputs,
                   const char *outputs) {
    char *tags[KIT_MAX], *pcols[KIT_MAX];
    Pipe__PTransform *t = beamc_pb_new(k->arena, &pipe__ptransform__descriptor);
    t->unique_name = beamc_pb_text(id);
    t->spec = spec_of(k, urn, payload);
    t->n_inputs = edges(k, inputs, tags, pcols);
    t->inputs = beamc_arena_alloc(k->arena, (t->n_inputs + 1) * sizeof(void *));
    for (size_t i = 0; i < t->n_inputs; i++) {
        t->inputs[i] = beamc_pb_new(k->arena, &pipe__ptransform__inputs_entry__descriptor);
        t->inputs[i]->key = tags[i];
        t->inputs[i]->value = pcols[i];
    }
    t->n_outputs = edges(k, outputs, tags, pcols);
    t->outputs = beamc_arena_alloc(k->arena, (t->n_outputs + 1) * sizeof(void *));
    for (size_t i = 0; i < t->n_outputs; i++) {
        t->outputs[i] = beamc_pb_new(k->arena, &pipe__ptransform__outputs_entry__descriptor);
        t->outputs[i]->key = tags[i];
        t->outputs[i]->value = pcols[i];
    }
    Fn__ProcessBundleDescriptor__TransformsEntry *e =
        beamc_pb_new(k->arena, &fn__process_bundle_descriptor__transforms_entry__descriptor);
    e->key = beamc_pb_text(id);
    e->value = t;
    ADD(k, transforms, e);
}

static void port(kit *k, const char *id, const char *urn, const char *pcol, bool source,
                 const beamc_coder *element, const beamc_coder *window) {
    beamc_coder windowed = {BEAMC_CODER_WINDOWED_VALUE, {element, window}, NULL, NULL};
    Fn__RemoteGrpcPort p = FN__REMOTE_GRPC_PORT__INIT;
    Pipe__ApiServiceDescriptor url = PIPE__API_SERVICE_DESCRIPTOR__INIT;
    url.url = beamc_pb_text("data:1");
    p.api_service_descriptor = &url;
    p.coder_id = beamc_pb_text(kit_coder(k, &windowed));
    const char *edge = beamc_arena_printf(k->arena, "x=%s", pcol);
    kit_transform(k, id, urn, kit_pack(k, &p), source ? "" : edge, source ? edge : "");
}

void kit_source(kit *k, const char *id, const char *pcol, const beamc_coder *element,
                const beamc_coder *window) {
    port(k, id, BEAMC_URN_RUNNER_DATA_SOURCE, pcol, true, element, window);
}

void kit_sink(kit *k, const char *id, const char *pcol, const beamc_coder *element,
              const beamc_coder *window) {
    port(k, id, BEAMC_URN_RUNNER_DATA_SINK, pcol, false, element, window);
}

static void add_state(kit *k, Pipe__ParDoPayload *p, const beamc_state_spec *spec) {
    Pipe__StateSpec *s = beamc_pb_new(k->arena, &pipe__state_spec__descriptor);
    const char *coder = spec->coder != NULL ? kit_coder(k, spec->coder) : "";
    const char *key = spec->key_coder != NULL ? kit_coder(k, spec->key_coder) : "";
    switch (spec->kind) {
    case BEAMC_STATE_VALUE:
        s->spec_case = PIPE__STATE_SPEC__SPEC_READ_MODIFY_WRITE_SPEC;
        s->read_modify_write_spec =
            beamc_pb_new(k->arena, &pipe__read_modify_write_state_spec__descriptor);
        s->read_modify_write_spec->coder_id = beamc_pb_text(coder);
        break;
    case BEAMC_STATE_BAG:
        s->spec_case = PIPE__STATE_SPEC__SPEC_BAG_SPEC;
        s->bag_spec = beamc_pb_new(k->arena, &pipe__bag_state_spec__descriptor);
        s->bag_spec->element_coder_id = beamc_pb_text(coder);
        break;
    case BEAMC_STATE_COMBINING: {
        beamc_coder acc = {BEAMC_CODER_ROW, {NULL, NULL}, spec->combiner->accumulator, NULL};
        s->spec_case = PIPE__STATE_SPEC__SPEC_COMBINING_SPEC;
        s->combining_spec = beamc_pb_new(k->arena, &pipe__combining_state_spec__descriptor);
        s->combining_spec->accumulator_coder_id = beamc_pb_text(kit_coder(k, &acc));
        beamc_buf payload = {0};
        cr_assert_eq(beamc__payload_encode_combiner(spec->combiner, NULL, spec->combiner->input,
                                                    &payload, &k->err),
                     BEAMC_OK, "%s", k->err.message);
        s->combining_spec->combine_fn =
            spec_of(k, spec->combiner->urn, beamc_arena_copy(k->arena, beamc_buf_slice(&payload)));
        beamc_buf_free(&payload);
        break;
    }
    case BEAMC_STATE_MAP:
        s->spec_case = PIPE__STATE_SPEC__SPEC_MAP_SPEC;
        s->map_spec = beamc_pb_new(k->arena, &pipe__map_state_spec__descriptor);
        s->map_spec->key_coder_id = beamc_pb_text(key);
        s->map_spec->value_coder_id = beamc_pb_text(coder);
        break;
    case BEAMC_STATE_SET:
        s->spec_case = PIPE__STATE_SPEC__SPEC_SET_SPEC;
        s->set_spec = beamc_pb_new(k->arena, &pipe__set_state_spec__descriptor);
        s->set_spec->element_coder_id = beamc_pb_text(key);
        break;
    case BEAMC_STATE_ORDERED_LIST:
        s->spec_case = PIPE__STATE_SPEC__SPEC_ORDERED_LIST_SPEC;
        s->ordered_list_spec = beamc_pb_new(k->arena, &pipe__ordered_list_state_spec__descriptor);
        s->ordered_list_spec->element_coder_id = beamc_pb_text(coder);
        break;
    }
    Pipe__ParDoPayload__StateSpecsEntry *e =
        beamc_pb_new(k->arena, &pipe__par_do_payload__state_specs_entry__descriptor);
    e->key = beamc_pb_text(spec->name);
    e->value = s;
    p->state_specs = grow(k, p->state_specs, p->n_state_specs);
    p->state_specs[p->n_state_specs++] = e;
}

static void add_timer(kit *k, Pipe__ParDoPayload *p, const char *name, beamc_time_domain domain,
                      const beamc_coder *key, const beamc_coder *window) {
    beamc_coder timer = {BEAMC_CODER_TIMER, {key, window}, NULL, NULL};
    Pipe__ParDoPayload__TimerFamilySpecsEntry *e =
        beamc_pb_new(k->arena, &pipe__par_do_payload__timer_family_specs_entry__descriptor);
    e->key = beamc_pb_text(name);
    e->value = beamc_pb_new(k->arena, &pipe__timer_family_spec__descriptor);
    e->value->time_domain = domain == BEAMC_EVENT_TIME ? PIPE__TIME_DOMAIN__ENUM__EVENT_TIME
                                                       : PIPE__TIME_DOMAIN__ENUM__PROCESSING_TIME;
    e->value->timer_family_coder_id = beamc_pb_text(kit_coder(k, &timer));
    p->timer_family_specs = grow(k, p->timer_family_specs, p->n_timer_family_specs);
    p->timer_family_specs[p->n_timer_family_specs++] = e;
}

Pipe__ParDoPayload *kit_pardo_payload(kit *k, const beamc_dofn *fn, const void *config,
                                      const beamc_coder *input, const beamc_coder *key,
                                      const beamc_coder *window) {
    Pipe__ParDoPayload *p = beamc_pb_new(k->arena, &pipe__par_do_payload__descriptor);
    const beamc_coder *outputs[BEAMC_MAX_OUTPUTS];
    for (unsigned i = 0; i < BEAMC_MAX_OUTPUTS; i++) {
        outputs[i] = fn->outputs[i].coder;
    }
    beamc_buf payload = {0};
    cr_assert_eq(beamc__payload_encode_dofn(fn, config, input, outputs, &payload, &k->err),
                 BEAMC_OK, "%s", k->err.message);
    p->do_fn = spec_of(k, fn->urn, beamc_arena_copy(k->arena, beamc_buf_slice(&payload)));
    beamc_buf_free(&payload);
    for (unsigned i = 0; i < beamc_dofn_state_count(fn); i++) {
        add_state(k, p, &fn->states[i]);
    }
    for (unsigned i = 0; i < beamc_dofn_timer_count(fn); i++) {
        add_timer(k, p, fn->timers[i].name, fn->timers[i].domain, key, window);
    }
    if (fn->on_window_expiration != NULL) {
        p->on_window_expiration_timer_family_spec = beamc_pb_text(BEAMC_TIMER_FAMILY_EXPIRATION);
        add_timer(k, p, BEAMC_TIMER_FAMILY_EXPIRATION, BEAMC_EVENT_TIME, key, window);
    }
    return p;
}

void kit_pardo(kit *k, const char *id, const beamc_dofn *fn, const char *inputs,
               const char *outputs) {
    Pipe__ParDoPayload *p = kit_pardo_payload(k, fn, NULL, fn->input, NULL, NULL);
    kit_transform(k, id, BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, p), inputs, outputs);
}

beamc_slice kit_combine_payload(kit *k, const beamc_combiner *fn, const beamc_coder *input) {
    Pipe__CombinePayload p = PIPE__COMBINE_PAYLOAD__INIT;
    beamc_coder acc = {BEAMC_CODER_ROW, {NULL, NULL}, fn->accumulator, NULL};
    beamc_buf payload = {0};
    cr_assert_eq(beamc__payload_encode_combiner(fn, NULL, input, &payload, &k->err), BEAMC_OK, "%s",
                 k->err.message);
    p.combine_fn = spec_of(k, fn->urn, beamc_arena_copy(k->arena, beamc_buf_slice(&payload)));
    beamc_buf_free(&payload);
    p.accumulator_coder_id = beamc_pb_text(kit_coder(k, &acc));
    return kit_pack(k, &p);
}

beamc_slice kit_window_into_payload(kit *k, const beamc_window_fn *fn) {
    Pipe__WindowIntoPayload p = PIPE__WINDOW_INTO_PAYLOAD__INIT;
    p.window_fn = window_spec(k, fn);
    return kit_pack(k, &p);
}

beamc_slice kit_descriptor(kit *k) {
    return kit_pack(k, &k->d);
}

/* ------------------------------------------------------------------------------------- running */

beamc_status kit_try_plan(kit *k) {
    return beamc_plan_new(kit_descriptor(k), &k->env, &k->plan, &k->err);
}

void kit_plan(kit *k) {
    cr_assert_eq(kit_try_plan(k), BEAMC_OK, "%s", k->err.message);
}

uint32_t kit_port(const kit *k, const char *transform_id, const char *family) {
    size_t count;
    const beamc_port *ports = beamc_plan_ports(k->plan, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ports[i].transform_id, transform_id) == 0 &&
            (family == NULL
                 ? ports[i].timer_family == NULL
                 : ports[i].timer_family != NULL && strcmp(ports[i].timer_family, family) == 0)) {
            return (uint32_t)i;
        }
    }
    cr_assert_fail("no port %s %s", transform_id, family != NULL ? family : "");
    return 0;
}

void kit_feed_bytes(kit *k, uint32_t port_index, beamc_slice bytes, bool is_last) {
    cr_assert(k->block_count < 4096);
    k->blocks[k->block_count++] =
        (beamc_input_block){port_index, is_last, beamc_arena_copy(k->arena, bytes)};
}

void kit_feed(kit *k, const char *source, const beamc_coder *element, const beamc_coder *window,
              const kit_element *elements, size_t count) {
    beamc_buf b = {0};
    for (size_t i = 0; i < count; i++) {
        beamc_windowed_value head = {elements[i].value, elements[i].timestamp, &elements[i].window,
                                     1, BEAMC_PANE_NO_FIRING};
        cr_assert_eq(beamc__windowed_encode_head(window, &head, &b, &k->err), BEAMC_OK);
        cr_assert_eq(beamc__encode(element, &elements[i].value, true, &b, &k->err), BEAMC_OK, "%s",
                     k->err.message);
    }
    kit_feed_bytes(k, kit_port(k, source, NULL), beamc_buf_slice(&b), false);
    beamc_buf_free(&b);
}

beamc_status kit_try_run(kit *k) {
    size_t count;
    const beamc_port *ports = beamc_plan_ports(k->plan, &count);
    for (size_t i = 0; i < count; i++) {
        beamc_buf_clear(&k->out[i]);
        bool ended = ports[i].kind == BEAMC_PORT_SINK;
        for (size_t j = 0; j < k->block_count; j++) {
            ended = ended || (k->blocks[j].port == i && k->blocks[j].is_last);
        }
        if (!ended) {
            kit_feed_bytes(k, (uint32_t)i, (beamc_slice){0}, true);
        }
    }
    beamc_bundle_request request = {
        .instruction_id = "i1", .bundle_id = k->bundle_id, .has_no_state = k->has_no_state};
    beamc_status status = beamc_plan_run(k->plan, &request, &k->io, &k->result, &k->err);
    k->block_count = k->next_block = 0;
    return status;
}

void kit_run(kit *k) {
    cr_assert_eq(kit_try_run(k), BEAMC_OK, "%s", k->err.message);
}

size_t kit_output(kit *k, const char *sink, const beamc_coder *element, const beamc_coder *window,
                  beamc_windowed_value *out, size_t cap) {
    beamc_coder windowed = {BEAMC_CODER_WINDOWED_VALUE, {element, window}, NULL, NULL};
    beamc_slice in = beamc_buf_slice(&k->out[kit_port(k, sink, NULL)]);
    in = beamc_arena_copy(k->arena, in);
    size_t n = 0;
    while (in.len > 0 && n < cap) {
        beamc_value v;
        cr_assert_eq(beamc_decode(&windowed, &in, true, k->arena, &v, &k->err), BEAMC_OK, "%s",
                     k->err.message);
        out[n++] = *v.windowed;
    }
    cr_assert_eq(in.len, 0, "more than %zu elements", cap);
    return n;
}

static void show(const beamc_coder *c, const beamc_value *v, beamc_buf *out) {
    switch (c->kind) {
    case BEAMC_CODER_BYTES:
    case BEAMC_CODER_STRING:
        beamc_buf_put_slice(out, v->bytes);
        return;
    case BEAMC_CODER_DOUBLE:
        beamc_buf_printf(out, "%g", v->f64);
        return;
    case BEAMC_CODER_KV:
        show(c->args[0], &v->kv->key, out);
        beamc_buf_put_str(out, ":");
        show(c->args[1], &v->kv->value, out);
        return;
    case BEAMC_CODER_LENGTH_PREFIX:
        show(c->args[0], v, out);
        return;
    case BEAMC_CODER_ROW:
        cr_assert_eq(beamc_row_to_json(c->row, v->row, out, NULL), BEAMC_OK);
        return;
    case BEAMC_CODER_INTERVAL_WINDOW:
        beamc_buf_printf(out, "[%lld,%lld)", (long long)v->window->start,
                         (long long)v->window->end);
        return;
    case BEAMC_CODER_ITERABLE: {
        beamc_iter it;
        beamc_value one;
        beamc_buf_put_str(out, "{");
        for (beamc_iterate(v->iterable, &it); beamc_iter_next(&it, &one);) {
            beamc_buf_put_str(out, " ");
            show(c->args[0], &one, out);
        }
        beamc_buf_put_str(out, " }");
        return;
    }
    default:
        beamc_buf_printf(out, "%lld", (long long)v->i64);
    }
}

const char *kit_text(kit *k, const char *sink, const beamc_coder *element,
                     const beamc_coder *window) {
    static beamc_windowed_value out[4096];
    size_t n = kit_output(k, sink, element, window, out, 4096);
    beamc_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        show(element, &out[i].value, &b);
        beamc_buf_printf(&b, " @%lld", (long long)out[i].timestamp);
        for (size_t j = 0; j < out[i].window_count && window->kind != BEAMC_CODER_GLOBAL_WINDOW;
             j++) {
            beamc_buf_printf(&b, " [%lld,%lld)", (long long)out[i].windows[j].start,
                             (long long)out[i].windows[j].end);
        }
        beamc_buf_put_str(&b, "\n");
    }
    const char *text = beamc_arena_cstr(k->arena, beamc_buf_slice(&b));
    beamc_buf_free(&b);
    return text;
}

typedef struct wanted {
    const char *urn, *label, *name;
    int64_t value;
} wanted;

static void look(void *arg, const beamc_monitoring_info *info) {
    wanted *w = arg;
    const char *label = info->transform != NULL ? info->transform : info->pcollection;
    if (strcmp(info->urn, w->urn) != 0 || strcmp(label, w->label) != 0 ||
        (w->name != NULL && (info->name == NULL || strcmp(info->name, w->name) != 0))) {
        return;
    }
    beamc_cursor in = beamc_cursor_of(info->payload);
    uint64_t v = 0;
    cr_assert(beamc_get_varint(&in, &v));
    w->value = (int64_t)v;
}

int64_t kit_metric(kit *k, const char *urn, const char *label, const char *name) {
    wanted w = {urn, label, name, -1};
    beamc_plan_metrics(k->plan, look, &w);
    return w.value;
}
