/* fuse_window.c: windowing strategies of the proto as plain structs. */
#include "beam_model/standard_window_fns.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

const Pipe__WindowingStrategy *beamc__fuse_strategy(const beamc_fuser *f, const char *id) {
    uint32_t i = beamc__idmap_get(&f->windowing_ids, id);
    return i == BEAMC_FUSE_NONE ? NULL : f->windowings[i].proto;
}

static bool any_counts(Pipe__Trigger *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (beamc__fuse_counts_elements(list[i])) {
            return true;
        }
    }
    return false;
}

/* The unpacking has bounded the depth. */
bool beamc__fuse_counts_elements(const Pipe__Trigger *t) {
    if (t == NULL) {
        return false;
    }
    switch (t->trigger_case) {
    case PIPE__TRIGGER__TRIGGER_ELEMENT_COUNT:
    case PIPE__TRIGGER__TRIGGER_ALWAYS: /* a pane for each element */
        return true;
    case PIPE__TRIGGER__TRIGGER_AFTER_ALL:
        return any_counts(t->after_all->subtriggers, t->after_all->n_subtriggers);
    case PIPE__TRIGGER__TRIGGER_AFTER_ANY:
        return any_counts(t->after_any->subtriggers, t->after_any->n_subtriggers);
    case PIPE__TRIGGER__TRIGGER_AFTER_EACH:
        return any_counts(t->after_each->subtriggers, t->after_each->n_subtriggers);
    case PIPE__TRIGGER__TRIGGER_AFTER_END_OF_WINDOW:
        return beamc__fuse_counts_elements(t->after_end_of_window->early_firings) ||
               beamc__fuse_counts_elements(t->after_end_of_window->late_firings);
    case PIPE__TRIGGER__TRIGGER_OR_FINALLY:
        return beamc__fuse_counts_elements(t->or_finally->main) ||
               beamc__fuse_counts_elements(t->or_finally->finally);
    case PIPE__TRIGGER__TRIGGER_REPEAT:
        return beamc__fuse_counts_elements(t->repeat->subtrigger);
    default:
        return false;
    }
}

static int64_t duration_ms(const Google__Protobuf__Duration *d) {
    return d == NULL ? 0 : d->seconds * 1000 + d->nanos / 1000000;
}

static int64_t timestamp_ms(const Google__Protobuf__Timestamp *t) {
    return t == NULL ? 0 : t->seconds * 1000 + t->nanos / 1000000;
}

static beamc_status window_fn(beamc_fuser *f, const Pipe__FunctionSpec *spec, beamc_window_fn *out,
                              beamc_error *err) {
    beamc_slice payload = beamc_slice_of(spec->payload.data, spec->payload.len);
    ProtobufCMessage *m;
    if (BEAMC_FUSE_STREQ(spec->urn, BEAMC_URN_GLOBAL_WINDOWS)) {
        *out = beamc_global();
        return BEAMC_OK;
    }
    if (BEAMC_FUSE_STREQ(spec->urn, BEAMC_URN_FIXED_WINDOWS)) {
        BEAMC_TRY(beamc__proto_unpack_arena(&pipe__fixed_windows_payload__descriptor, payload,
                                            f->arena, &m, err));
        const Pipe__FixedWindowsPayload *p = (const Pipe__FixedWindowsPayload *)m;
        *out = beamc_fixed(.size_ms = duration_ms(p->size), .offset_ms = timestamp_ms(p->offset));
    } else if (BEAMC_FUSE_STREQ(spec->urn, BEAMC_URN_SLIDING_WINDOWS)) {
        BEAMC_TRY(beamc__proto_unpack_arena(&pipe__sliding_windows_payload__descriptor, payload,
                                            f->arena, &m, err));
        const Pipe__SlidingWindowsPayload *p = (const Pipe__SlidingWindowsPayload *)m;
        *out = beamc_sliding(.size_ms = duration_ms(p->size), .period_ms = duration_ms(p->period),
                             .offset_ms = timestamp_ms(p->offset));
    } else if (BEAMC_FUSE_STREQ(spec->urn, BEAMC_URN_SESSION_WINDOWS)) {
        BEAMC_TRY(beamc__proto_unpack_arena(&pipe__session_windows_payload__descriptor, payload,
                                            f->arena, &m, err));
        const Pipe__SessionWindowsPayload *p = (const Pipe__SessionWindowsPayload *)m;
        *out = beamc_sessions(.gap_ms = duration_ms(p->gap_size));
    } else {
        /* Only its SDK knows how it assigns; grouping needs no more than the windows themselves. */
        *out = beamc_fixed(.size_ms = 0);
    }
    return BEAMC_OK;
}

static beamc_status convert(beamc_fuser *f, const Pipe__Trigger *t, const beamc_trigger **out,
                            beamc_error *err);

static beamc_status convert_list(beamc_fuser *f, Pipe__Trigger *const *list, size_t count,
                                 beamc_trigger *to, beamc_error *err) {
    if (count == 0 || count > BEAMC_TRIGGER_MAX_CHILDREN) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "a trigger has %zu parts; 1 to %d are possible",
                          count, BEAMC_TRIGGER_MAX_CHILDREN);
    }
    for (size_t i = 0; i < count; i++) {
        BEAMC_TRY(convert(f, list[i], &to->children[i], err));
        if (to->children[i] == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "a trigger has an empty part");
        }
    }
    return BEAMC_OK;
}

/* AfterProcessingTime: its delays add up, the last alignment counts. */
static void convert_time(const Pipe__Trigger__AfterProcessingTime *t, beamc_trigger *to) {
    for (size_t i = 0; i < t->n_timestamp_transforms; i++) {
        const Pipe__TimestampTransform *x = t->timestamp_transforms[i];
        if (x->timestamp_transform_case == PIPE__TIMESTAMP_TRANSFORM__TIMESTAMP_TRANSFORM_DELAY) {
            to->delay_ms += x->delay->delay_millis;
        } else if (x->timestamp_transform_case ==
                   PIPE__TIMESTAMP_TRANSFORM__TIMESTAMP_TRANSFORM_ALIGN_TO) {
            to->period_ms = x->align_to->period;
            to->offset_ms = x->align_to->offset;
        }
    }
}

static beamc_status convert(beamc_fuser *f, const Pipe__Trigger *t, const beamc_trigger **out,
                            beamc_error *err) {
    *out = NULL;
    if (t == NULL || t->trigger_case == PIPE__TRIGGER__TRIGGER__NOT_SET) {
        return BEAMC_OK;
    }
    beamc_trigger *to = beamc_arena_zalloc(f->arena, sizeof *to);
    *out = to;
    switch (t->trigger_case) {
    case PIPE__TRIGGER__TRIGGER_AFTER_ALL:
        to->kind = BEAMC_TRIGGER_AFTER_ALL;
        return convert_list(f, t->after_all->subtriggers, t->after_all->n_subtriggers, to, err);
    case PIPE__TRIGGER__TRIGGER_AFTER_ANY:
        to->kind = BEAMC_TRIGGER_AFTER_ANY;
        return convert_list(f, t->after_any->subtriggers, t->after_any->n_subtriggers, to, err);
    case PIPE__TRIGGER__TRIGGER_AFTER_EACH:
        to->kind = BEAMC_TRIGGER_AFTER_EACH;
        return convert_list(f, t->after_each->subtriggers, t->after_each->n_subtriggers, to, err);
    case PIPE__TRIGGER__TRIGGER_AFTER_END_OF_WINDOW:
        to->kind = BEAMC_TRIGGER_AFTER_WATERMARK;
        BEAMC_TRY(convert(f, t->after_end_of_window->early_firings, &to->early, err));
        return convert(f, t->after_end_of_window->late_firings, &to->late, err);
    case PIPE__TRIGGER__TRIGGER_AFTER_PROCESSING_TIME:
        to->kind = BEAMC_TRIGGER_AFTER_PROCESSING_TIME;
        convert_time(t->after_processing_time, to);
        return BEAMC_OK;
    case PIPE__TRIGGER__TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        to->kind = BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME;
        return BEAMC_OK;
    case PIPE__TRIGGER__TRIGGER_ALWAYS:
        to->kind = BEAMC_TRIGGER_ALWAYS;
        return BEAMC_OK;
    case PIPE__TRIGGER__TRIGGER_DEFAULT:
        to->kind = BEAMC_TRIGGER_DEFAULT;
        return BEAMC_OK;
    case PIPE__TRIGGER__TRIGGER_ELEMENT_COUNT:
        to->kind = BEAMC_TRIGGER_AFTER_COUNT;
        to->count = t->element_count->element_count;
        return BEAMC_OK;
    case PIPE__TRIGGER__TRIGGER_NEVER:
        to->kind = BEAMC_TRIGGER_NEVER;
        return BEAMC_OK;
    case PIPE__TRIGGER__TRIGGER_OR_FINALLY:
        to->kind = BEAMC_TRIGGER_OR_FINALLY;
        BEAMC_TRY(convert(f, t->or_finally->main, &to->children[0], err));
        return convert(f, t->or_finally->finally, &to->children[1], err);
    case PIPE__TRIGGER__TRIGGER_REPEAT:
        to->kind = BEAMC_TRIGGER_REPEATEDLY;
        return convert(f, t->repeat->subtrigger, &to->children[0], err);
    default:
        return BEAMC_FAIL(err, UNIMPLEMENTED, "a trigger of a kind that is not known here");
    }
}

beamc_status beamc__fuse_windowing(beamc_fuser *f, const char *id, beamc_windowing *out,
                                   bool *merging, beamc_error *err) {
    const Pipe__WindowingStrategy *w = beamc__fuse_strategy(f, id);
    if (w == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "windowing strategy %s does not exist", id);
    }
    *out = (beamc_windowing){.allowed_lateness_ms = w->allowed_lateness};
    BEAMC_TRY_CTX(err, window_fn(f, w->window_fn, &out->fn, err), "windowing strategy %s", id);
    BEAMC_TRY_CTX(err, convert(f, w->trigger, &out->trigger, err), "windowing strategy %s", id);
    *merging = w->merge_status == PIPE__MERGE_STATUS__ENUM__NEEDS_MERGE;
    if (*merging && out->fn.kind != BEAMC_WINDOW_SESSIONS) {
        return BEAMC_FAIL(
            err, UNIMPLEMENTED,
            "windowing strategy %s: of merging windows only sessions are known, not %s", id,
            w->window_fn->urn);
    }
    if (w->accumulation_mode == PIPE__ACCUMULATION_MODE__ENUM__RETRACTING) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "windowing strategy %s: retractions", id);
    }
    out->accumulation = w->accumulation_mode == PIPE__ACCUMULATION_MODE__ENUM__ACCUMULATING
                            ? BEAMC_ACCUMULATING
                            : BEAMC_DISCARDING;
    out->output_time = w->output_time == PIPE__OUTPUT_TIME__ENUM__LATEST_IN_PANE
                           ? BEAMC_OUTPUT_LATEST_IN_PANE
                       : w->output_time == PIPE__OUTPUT_TIME__ENUM__EARLIEST_IN_PANE
                           ? BEAMC_OUTPUT_EARLIEST_IN_PANE
                           : BEAMC_OUTPUT_END_OF_WINDOW;
    out->closing = w->closing_behavior == PIPE__CLOSING_BEHAVIOR__ENUM__EMIT_ALWAYS
                       ? BEAMC_CLOSING_EMIT_ALWAYS
                       : BEAMC_CLOSING_EMIT_IF_NONEMPTY;
    out->on_time = w->on_time_behavior == PIPE__ON_TIME_BEHAVIOR__ENUM__FIRE_IF_NONEMPTY
                       ? BEAMC_ON_TIME_FIRE_IF_NONEMPTY
                       : BEAMC_ON_TIME_FIRE_ALWAYS;
    return BEAMC_OK;
}
