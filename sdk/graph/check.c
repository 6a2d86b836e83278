/* check.c: the rules of the model that the builder enforces, each with a message that says what to do.
 *
 * Everything here is checked when a step is added, so that the error names the step's label and not
 * some runner's stack trace an hour later. */
#include "graph/graph.h"

#include <beamc/log.h>

#define FAIL(...) beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT, __VA_ARGS__)

/* --------------------------------------------------------------------------- definitions */

static bool check_outputs(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    for (unsigned i = 0; i < beamc_dofn_output_count(fn); i++) {
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(fn->outputs[i].name, fn->outputs[j].name) == 0) {
                FAIL("DoFn %s has two outputs named \"%s\": rename one", fn->urn,
                     fn->outputs[i].name);
                return false;
            }
        }
    }
    return true;
}

static bool check_sides(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    for (unsigned i = 0; i < beamc_dofn_side_input_count(fn); i++) {
        if (strcmp(fn->side_inputs[i], BEAMC_TAG_IN) == 0) {
            FAIL("DoFn %s names a side input \"in\", which is the main input: rename it", fn->urn);
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(fn->side_inputs[i], fn->side_inputs[j]) == 0) {
                FAIL("DoFn %s has two side inputs named \"%s\": rename one", fn->urn,
                     fn->side_inputs[i]);
                return false;
            }
        }
    }
    return true;
}

static bool check_states(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    for (unsigned i = 0; i < beamc_dofn_state_count(fn); i++) {
        const beamc_state_spec *s = &fn->states[i];
        bool keyed = s->kind == BEAMC_STATE_MAP || s->kind == BEAMC_STATE_SET;
        if (keyed && s->key_coder == NULL) {
            FAIL("state \"%s\" of DoFn %s is a map or set without a .key_coder", s->name, fn->urn);
            return false;
        }
        if (keyed && !beamc_coder_deterministic(s->key_coder)) {
            FAIL("state \"%s\" of DoFn %s has the key coder %s, whose encoding is not the same for "
                 "equal values: use bytes, string, varint or a row without doubles and maps",
                 s->name, fn->urn, beamc__graph_describe(p, s->key_coder));
            return false;
        }
        if (s->kind == BEAMC_STATE_COMBINING ? s->combiner == NULL
                                             : s->kind != BEAMC_STATE_SET && s->coder == NULL) {
            FAIL("state \"%s\" of DoFn %s has no .%s", s->name, fn->urn,
                 s->kind == BEAMC_STATE_COMBINING ? "combiner" : "coder");
            return false;
        }
        if (s->kind == BEAMC_STATE_COMBINING &&
            !beamc__check_combiner(p, label, s->combiner, false)) {
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(s->name, fn->states[j].name) == 0) {
                FAIL("DoFn %s has two states named \"%s\": rename one", fn->urn, s->name);
                return false;
            }
        }
    }
    return true;
}

static bool check_timers(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    for (unsigned i = 0; i < beamc_dofn_timer_count(fn); i++) {
        beamc_time_domain domain = fn->timers[i].domain;
        if (domain != BEAMC_EVENT_TIME && domain != BEAMC_PROCESSING_TIME) {
            FAIL("timer \"%s\" of DoFn %s has no .domain: BEAMC_EVENT_TIME or "
                 "BEAMC_PROCESSING_TIME",
                 fn->timers[i].name, fn->urn);
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(fn->timers[i].name, fn->timers[j].name) == 0) {
                FAIL("DoFn %s has two timers named \"%s\": rename one", fn->urn,
                     fn->timers[i].name);
                return false;
            }
        }
    }
    return true;
}

static bool check_tables(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    return check_outputs(p, label, fn) && check_sides(p, label, fn) && check_states(p, label, fn) &&
           check_timers(p, label, fn);
}

static bool check_callbacks(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    const char *fault = NULL;
    if (fn->process == NULL) {
        fault = "has no .process";
    } else if (fn->timers[0].name != NULL && fn->on_timer == NULL) {
        fault = "declares timers but has no .on_timer";
    } else if (fn->splittable != NULL && fn->splittable->initial == NULL) {
        fault = "is splittable but has no .initial, which makes the restriction of an element";
    } else if (fn->splittable != NULL && fn->splittable->restriction != NULL &&
               fn->splittable->tracker == NULL) {
        fault = "has a restriction of its own and so needs a .tracker for it";
    } else if (fn->splittable != NULL && beamc_dofn_is_stateful(fn)) {
        fault = "is splittable and uses state or timers; the Beam model has no such DoFn, so split "
                "it into two steps";
    } else if (fn->timers[0].name == NULL && fn->on_timer != NULL) {
        fault = "has an .on_timer but declares no .timers: list them, or leave .on_timer out";
    } else if (fn->requires_time_sorted_input && !beamc_dofn_is_stateful(fn)) {
        fault = "requires time-sorted input, which only a DoFn with state or timers can have";
    }
    if (fault != NULL) {
        FAIL("DoFn %s %s", fn->urn, fault);
    }
    return fault == NULL;
}

static bool check_abi(beamc_pipeline *p, const char *label, const char *what, const char *urn,
                      uint32_t abi, size_t size, size_t ours) {
    if (abi != BEAMC_ABI_VERSION || size == 0 || size > ours) {
        FAIL("%s %s was built for another version of this library (abi %u, size %zu; here abi %d, "
             "size %zu): start it with BEAMC_%s_ABI and rebuild",
             what, urn != NULL ? urn : "(no urn)", abi, size, BEAMC_ABI_VERSION, ours,
             what[0] == 'D' ? "DOFN" : "COMBINER");
        return false;
    }
    if (urn == NULL || urn[0] == '\0') {
        FAIL("the %s has no .urn: give it a unique, versioned name like \"acme:dofn:parse:v1\"",
             what);
        return false;
    }
    return true;
}

static bool check_listed(beamc_pipeline *p, const char *label, const char *what, const char *urn,
                         const void *fn) {
    const char *fault = p->fn_fault != NULL ? p->fn_fault(p->fn_fault_arg, urn, fn) : NULL;
    if (fault != NULL) {
        FAIL("%s %s %s", what, urn, fault);
    }
    return fault == NULL;
}

bool beamc__check_dofn(beamc_pipeline *p, const char *label, const beamc_dofn *fn) {
    if (fn == NULL) {
        FAIL("the DoFn is NULL");
        return false;
    }
    if (!check_abi(p, label, "DoFn", fn->urn, fn->abi, fn->struct_size, sizeof *fn)) {
        return false;
    }
    if (!check_listed(p, label, "DoFn", fn->urn, fn)) {
        return false;
    }
    return check_tables(p, label, fn) && check_callbacks(p, label, fn);
}

bool beamc__check_combiner(beamc_pipeline *p, const char *label, const beamc_combiner *fn,
                           bool listed) {
    if (fn == NULL) {
        FAIL("the combiner is NULL");
        return false;
    }
    if (!check_abi(p, label, "combiner", fn->urn, fn->abi, fn->struct_size, sizeof *fn)) {
        return false;
    }
    if (listed && !check_listed(p, label, "combiner", fn->urn, fn)) {
        return false;
    }
    if (fn->add == NULL || fn->merge == NULL || fn->extract == NULL || fn->accumulator == NULL ||
        fn->output == NULL) {
        FAIL("combiner %s needs .add, .merge, .extract, .accumulator and .output", fn->urn);
        return false;
    }
    return true;
}

/* --------------------------------------------------------------------------------- inputs */

bool beamc__check_keyed(beamc_pipeline *p, const char *label, const beamc_coll *in,
                        const char *what) {
    if (in->coder->kind != BEAMC_CODER_KV) {
        FAIL("%s needs an input of key-value pairs, but this one holds %s: make pairs with "
             "beamc_with_key or a DoFn whose output coder is BEAMC_KV(...)",
             what, beamc__graph_describe(p, in->coder));
        return false;
    }
    if (!beamc_coder_deterministic(in->coder->args[0])) {
        FAIL("%s needs a key whose encoding is the same for equal keys, and %s is not: use bytes, "
             "string, varint or a row without doubles and maps",
             what, beamc__graph_describe(p, in->coder->args[0]));
        return false;
    }
    return true;
}

bool beamc__check_grouping(beamc_pipeline *p, const char *label, const beamc_coll *in) {
    const beamc_windowing *w = &p->strategies[in->strategy].w;
    if (!in->bounded && w->fn.kind == BEAMC_WINDOW_GLOBAL &&
        (w->trigger == NULL || w->trigger->kind == BEAMC_TRIGGER_DEFAULT)) {
        FAIL("an unbounded input in the global window with the default trigger would never give a "
             "result: put beamc_window_into with fixed, sliding or session windows, or with a "
             "trigger, in front");
        return false;
    }
    if (!in->bounded && w->fn.kind == BEAMC_WINDOW_GLOBAL && !beamc__trigger_can_fire(w->trigger)) {
        FAIL(
            "an unbounded input in the global window with a trigger that never fires would never "
            "give a result: BEAMC_NEVER is for windows that end; put beamc_window_into with fixed, "
            "sliding or session windows, or with another trigger, in front");
        return false;
    }
    return true;
}

bool beamc__check_side_input(beamc_pipeline *p, const char *label, const char *name,
                             const beamc_coll *side, bool multimap) {
    const beamc_strategy *s = &p->strategies[side->strategy];
    if (multimap && !beamc__check_keyed(p, label, side, "a multimap side input")) {
        return false;
    }
    if (s->w.fn.kind == BEAMC_WINDOW_SESSIONS) {
        FAIL("side input \"%s\" is in session windows, to which no window of the main input can be "
             "mapped: put it in global, fixed or sliding windows first",
             name);
        return false;
    }
    if (!side->bounded && s->w.fn.kind == BEAMC_WINDOW_GLOBAL &&
        (s->w.trigger == NULL || s->w.trigger->kind == BEAMC_TRIGGER_DEFAULT)) {
        FAIL(
            "side input \"%s\" is unbounded and in the global window: it would never be complete, "
            "and the step would wait for it for ever. Put it in fixed windows, or keep it in state",
            name);
        return false;
    }
    if (!side->bounded && s->w.fn.kind == BEAMC_WINDOW_GLOBAL &&
        !beamc__trigger_fires_once(s->w.trigger, s->w.allowed_lateness_ms)) {
        FAIL("side input \"%s\" is unbounded, in the global window and triggered: which of its "
             "panes to see is not defined. Put it in fixed windows, or keep it in state",
             name);
        return false;
    }
    return true;
}

bool beamc__check_windowing(beamc_pipeline *p, const char *label, const beamc_windowing *w) {
    const beamc_window_fn *fn = &w->fn;
    const char *fault = NULL;
    if (fn->kind == BEAMC_WINDOW_FIXED && fn->size_ms <= 0) {
        fault = "fixed windows need .size_ms > 0";
    } else if (fn->kind == BEAMC_WINDOW_SLIDING && (fn->size_ms <= 0 || fn->period_ms <= 0)) {
        fault = "sliding windows need .size_ms > 0 and .period_ms > 0";
    } else if (fn->kind == BEAMC_WINDOW_SESSIONS && fn->gap_ms <= 0) {
        fault = "session windows need .gap_ms > 0";
    } else if (fn->kind > BEAMC_WINDOW_SESSIONS) {
        fault = "unknown kind of windows: use beamc_global, beamc_fixed, beamc_sliding or "
                "beamc_sessions";
    } else if (w->allowed_lateness_ms < 0) {
        fault = ".allowed_lateness_ms must not be negative";
    } else {
        fault = beamc__trigger_fault(w->trigger, 0);
    }
    if (fault != NULL) {
        FAIL("%s", fault);
        return false;
    }
    bool at_end_only = w->trigger != NULL && w->trigger->kind == BEAMC_TRIGGER_AFTER_WATERMARK &&
                       w->allowed_lateness_ms == 0;
    if (beamc__trigger_may_finish(w->trigger) && !at_end_only) {
        BEAMC_LOG_WARN(NULL,
                       "%s: the trigger may finish, and data behind its last pane is dropped; "
                       "BEAMC_REPEATEDLY(...) keeps it firing",
                       label);
    }
    return true;
}
