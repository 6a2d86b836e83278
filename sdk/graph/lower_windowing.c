/* lower_windowing.c: windowing strategies and triggers as protos (beam_runner_api.proto:
 * WindowingStrategy, Trigger; standard_window_fns.proto). */
#include "graph/lower.h"

#include "beam_model/standard_window_fns.pb-c.h"
#include "proto/beam_model/urns.h"

Pipe__FunctionSpec *beamc__lower_spec(beamc_arena *arena, const char *urn, beamc_slice payload) {
    Pipe__FunctionSpec *spec = beamc_pb_new(arena, &pipe__function_spec__descriptor);
    spec->urn = beamc_pb_text(urn);
    spec->payload = beamc_pb_bytes(payload);
    return spec;
}

static Pipe__FunctionSpec *spec_of(beamc_arena *arena, const char *urn, const void *message) {
    ProtobufCBinaryData bytes = beamc_pb_pack(arena, message);
    return beamc__lower_spec(arena, urn, beamc_slice_of(bytes.data, bytes.len));
}

static Google__Protobuf__Duration *duration(beamc_arena *arena, int64_t ms) {
    Google__Protobuf__Duration *d = beamc_pb_new(arena, &google__protobuf__duration__descriptor);
    d->seconds = ms / 1000;
    d->nanos = (int32_t)(ms % 1000) * 1000000;
    return d;
}

/* FixedWindows.offset is a Timestamp: an offset from the epoch, never negative (strategy.c). */
static Google__Protobuf__Timestamp *timestamp(beamc_arena *arena, int64_t ms) {
    Google__Protobuf__Timestamp *t = beamc_pb_new(arena, &google__protobuf__timestamp__descriptor);
    t->seconds = ms / 1000;
    t->nanos = (int32_t)(ms % 1000) * 1000000;
    return t;
}

Pipe__FunctionSpec *beamc__lower_window_fn(beamc_arena *arena, const beamc_window_fn *fn) {
    switch (fn->kind) {
    case BEAMC_WINDOW_FIXED: {
        Pipe__FixedWindowsPayload *m =
            beamc_pb_new(arena, &pipe__fixed_windows_payload__descriptor);
        m->size = duration(arena, fn->size_ms);
        m->offset = timestamp(arena, fn->offset_ms);
        return spec_of(arena, BEAMC_URN_FIXED_WINDOWS, m);
    }
    case BEAMC_WINDOW_SLIDING: {
        Pipe__SlidingWindowsPayload *m =
            beamc_pb_new(arena, &pipe__sliding_windows_payload__descriptor);
        m->size = duration(arena, fn->size_ms);
        m->period = duration(arena, fn->period_ms);
        m->offset = timestamp(arena, fn->offset_ms);
        return spec_of(arena, BEAMC_URN_SLIDING_WINDOWS, m);
    }
    case BEAMC_WINDOW_SESSIONS: {
        Pipe__SessionWindowsPayload *m =
            beamc_pb_new(arena, &pipe__session_windows_payload__descriptor);
        m->gap_size = duration(arena, fn->gap_ms);
        return spec_of(arena, BEAMC_URN_SESSION_WINDOWS, m);
    }
    default:
        return beamc__lower_spec(arena, BEAMC_URN_GLOBAL_WINDOWS, (beamc_slice){0});
    }
}

const beamc_coder *beamc__lower_window_coder(const beamc_strategy *s) {
    return s->w.fn.kind == BEAMC_WINDOW_GLOBAL ? &beamc_global_window : &beamc_interval_window;
}

/* ------------------------------------------------------------------------------- triggers */

static Pipe__Trigger *lower_trigger(beamc_arena *arena, const beamc_trigger *t);

static Pipe__Trigger **lower_children(beamc_arena *arena, const beamc_trigger *t, size_t *count) {
    size_t n = 0;
    while (n < BEAMC_TRIGGER_MAX_CHILDREN && t->children[n] != NULL) {
        n++;
    }
    Pipe__Trigger **out = beamc_arena_alloc(arena, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i] = lower_trigger(arena, t->children[i]);
    }
    *count = n;
    return out;
}

static Pipe__TimestampTransform *delay_of(beamc_arena *arena, int64_t ms) {
    Pipe__TimestampTransform *t = beamc_pb_new(arena, &pipe__timestamp_transform__descriptor);
    t->timestamp_transform_case = PIPE__TIMESTAMP_TRANSFORM__TIMESTAMP_TRANSFORM_DELAY;
    t->delay = beamc_pb_new(arena, &pipe__timestamp_transform__delay__descriptor);
    t->delay->delay_millis = ms;
    return t;
}

static Pipe__TimestampTransform *align_of(beamc_arena *arena, int64_t period, int64_t offset) {
    Pipe__TimestampTransform *t = beamc_pb_new(arena, &pipe__timestamp_transform__descriptor);
    t->timestamp_transform_case = PIPE__TIMESTAMP_TRANSFORM__TIMESTAMP_TRANSFORM_ALIGN_TO;
    t->align_to = beamc_pb_new(arena, &pipe__timestamp_transform__align_to__descriptor);
    t->align_to->period = period;
    t->align_to->offset = offset;
    return t;
}

static Pipe__Trigger__AfterProcessingTime *processing_time(beamc_arena *arena,
                                                           const beamc_trigger *t) {
    Pipe__Trigger__AfterProcessingTime *m =
        beamc_pb_new(arena, &pipe__trigger__after_processing_time__descriptor);
    m->timestamp_transforms = beamc_arena_alloc(arena, 2 * sizeof *m->timestamp_transforms);
    if (t->delay_ms > 0) {
        m->timestamp_transforms[m->n_timestamp_transforms++] = delay_of(arena, t->delay_ms);
    }
    if (t->period_ms > 0) {
        m->timestamp_transforms[m->n_timestamp_transforms++] =
            align_of(arena, t->period_ms, t->offset_ms);
    }
    return m;
}

static Pipe__Trigger__AfterEndOfWindow *end_of_window(beamc_arena *arena, const beamc_trigger *t) {
    Pipe__Trigger__AfterEndOfWindow *m =
        beamc_pb_new(arena, &pipe__trigger__after_end_of_window__descriptor);
    m->early_firings = t->early != NULL ? lower_trigger(arena, t->early) : NULL;
    m->late_firings = t->late != NULL ? lower_trigger(arena, t->late) : NULL;
    return m;
}

/* The composite ones. */
static void lower_tree(beamc_arena *arena, const beamc_trigger *t, Pipe__Trigger *out) {
    switch (t->kind) {
    case BEAMC_TRIGGER_AFTER_EACH:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_AFTER_EACH;
        out->after_each = beamc_pb_new(arena, &pipe__trigger__after_each__descriptor);
        out->after_each->subtriggers = lower_children(arena, t, &out->after_each->n_subtriggers);
        break;
    case BEAMC_TRIGGER_AFTER_ANY:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_AFTER_ANY;
        out->after_any = beamc_pb_new(arena, &pipe__trigger__after_any__descriptor);
        out->after_any->subtriggers = lower_children(arena, t, &out->after_any->n_subtriggers);
        break;
    case BEAMC_TRIGGER_AFTER_ALL:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_AFTER_ALL;
        out->after_all = beamc_pb_new(arena, &pipe__trigger__after_all__descriptor);
        out->after_all->subtriggers = lower_children(arena, t, &out->after_all->n_subtriggers);
        break;
    case BEAMC_TRIGGER_REPEATEDLY:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_REPEAT;
        out->repeat = beamc_pb_new(arena, &pipe__trigger__repeat__descriptor);
        out->repeat->subtrigger = lower_trigger(arena, t->children[0]);
        break;
    default: /* OR_FINALLY */
        out->trigger_case = PIPE__TRIGGER__TRIGGER_OR_FINALLY;
        out->or_finally = beamc_pb_new(arena, &pipe__trigger__or_finally__descriptor);
        out->or_finally->main = lower_trigger(arena, t->children[0]);
        out->or_finally->finally = lower_trigger(arena, t->children[1]);
        break;
    }
}

static Pipe__Trigger *lower_trigger(beamc_arena *arena, const beamc_trigger *t) {
    Pipe__Trigger *out = beamc_pb_new(arena, &pipe__trigger__descriptor);
    switch (t != NULL ? t->kind : BEAMC_TRIGGER_DEFAULT) {
    case BEAMC_TRIGGER_DEFAULT:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_DEFAULT;
        out->default_ = beamc_pb_new(arena, &pipe__trigger__default__descriptor);
        break;
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_AFTER_END_OF_WINDOW;
        out->after_end_of_window = end_of_window(arena, t);
        break;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_AFTER_PROCESSING_TIME;
        out->after_processing_time = processing_time(arena, t);
        break;
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME;
        out->after_synchronized_processing_time =
            beamc_pb_new(arena, &pipe__trigger__after_synchronized_processing_time__descriptor);
        break;
    case BEAMC_TRIGGER_AFTER_COUNT:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_ELEMENT_COUNT;
        out->element_count = beamc_pb_new(arena, &pipe__trigger__element_count__descriptor);
        out->element_count->element_count = t->count;
        break;
    case BEAMC_TRIGGER_ALWAYS:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_ALWAYS;
        out->always = beamc_pb_new(arena, &pipe__trigger__always__descriptor);
        break;
    case BEAMC_TRIGGER_NEVER:
        out->trigger_case = PIPE__TRIGGER__TRIGGER_NEVER;
        out->never = beamc_pb_new(arena, &pipe__trigger__never__descriptor);
        break;
    default:
        lower_tree(arena, t, out);
        break;
    }
    return out;
}

/* ----------------------------------------------------------------------------- strategies */

beamc_status beamc__lower_strategy(beamc_lowering *l, const beamc_strategy *s,
                                   Pipe__WindowingStrategy **out, beamc_error *err) {
    static const int32_t accumulation[] = {
        [BEAMC_DISCARDING] = PIPE__ACCUMULATION_MODE__ENUM__DISCARDING,
        [BEAMC_ACCUMULATING] = PIPE__ACCUMULATION_MODE__ENUM__ACCUMULATING,
    };
    static const int32_t output_time[] = {
        [BEAMC_OUTPUT_END_OF_WINDOW] = PIPE__OUTPUT_TIME__ENUM__END_OF_WINDOW,
        [BEAMC_OUTPUT_LATEST_IN_PANE] = PIPE__OUTPUT_TIME__ENUM__LATEST_IN_PANE,
        [BEAMC_OUTPUT_EARLIEST_IN_PANE] = PIPE__OUTPUT_TIME__ENUM__EARLIEST_IN_PANE,
    };
    const char *coder_id;
    BEAMC_TRY(beamc__coder_table_id(&l->coders, beamc__lower_window_coder(s), &coder_id, err));
    Pipe__WindowingStrategy *w = beamc_pb_new(l->arena, &pipe__windowing_strategy__descriptor);
    w->window_fn = beamc__lower_window_fn(l->arena, &s->w.fn);
    w->window_coder_id = beamc_pb_text(coder_id);
    w->merge_status = PIPE__MERGE_STATUS__ENUM__NON_MERGING;
    if (s->w.fn.kind == BEAMC_WINDOW_SESSIONS) {
        w->merge_status = s->already_merged ? PIPE__MERGE_STATUS__ENUM__ALREADY_MERGED
                                            : PIPE__MERGE_STATUS__ENUM__NEEDS_MERGE;
    }
    w->trigger = lower_trigger(l->arena, s->w.trigger);
    w->accumulation_mode = (Pipe__AccumulationMode__Enum)accumulation[s->w.accumulation];
    w->output_time = (Pipe__OutputTime__Enum)output_time[s->w.output_time];
    w->closing_behavior = s->w.closing == BEAMC_CLOSING_EMIT_ALWAYS
                              ? PIPE__CLOSING_BEHAVIOR__ENUM__EMIT_ALWAYS
                              : PIPE__CLOSING_BEHAVIOR__ENUM__EMIT_IF_NONEMPTY;
    w->on_time_behavior = s->w.on_time == BEAMC_ON_TIME_FIRE_IF_NONEMPTY
                              ? PIPE__ON_TIME_BEHAVIOR__ENUM__FIRE_IF_NONEMPTY
                              : PIPE__ON_TIME_BEHAVIOR__ENUM__FIRE_ALWAYS;
    w->allowed_lateness = s->w.allowed_lateness_ms;
    w->assigns_to_one_window = s->w.fn.kind != BEAMC_WINDOW_SLIDING;
    w->environment_id = beamc_pb_text(l->env_id);
    *out = w;
    return BEAMC_OK;
}
