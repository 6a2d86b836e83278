/* trigger.c: trigger trees as values: copied, compared, checked, continued.
 *
 * The rules are those of the Beam model (Trigger in beam_runner_api.proto); the continuation is what
 * every SDK gives a PCollection behind a GroupByKey, so that panes are passed on as they come. */
#include "graph/graph.h"

enum { TRIGGER_MAX_DEPTH = 32 };

static bool optional_equal(const beamc_trigger *a, const beamc_trigger *b) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return beamc__trigger_equal(a, b);
}

bool beamc__trigger_equal(const beamc_trigger *a, const beamc_trigger *b) {
    static const beamc_trigger standard = {.kind = BEAMC_TRIGGER_DEFAULT};
    a = a != NULL ? a : &standard;
    b = b != NULL ? b : &standard;
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        return optional_equal(a->early, b->early) && optional_equal(a->late, b->late);
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
        return a->delay_ms == b->delay_ms && a->period_ms == b->period_ms &&
               a->offset_ms == b->offset_ms;
    case BEAMC_TRIGGER_AFTER_COUNT:
        return a->count == b->count;
    case BEAMC_TRIGGER_AFTER_EACH:
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
    case BEAMC_TRIGGER_REPEATEDLY:
    case BEAMC_TRIGGER_OR_FINALLY:
        for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN; i++) {
            if (!optional_equal(a->children[i], b->children[i])) {
                return false;
            }
            if (a->children[i] == NULL) {
                return true;
            }
        }
        return true;
    default:
        return true;
    }
}

const beamc_trigger *beamc__trigger_copy(beamc_arena *arena, const beamc_trigger *t) {
    if (t == NULL) {
        return NULL;
    }
    beamc_trigger *copy = beamc_arena_alloc(arena, sizeof *copy);
    *copy = *t;
    copy->early = beamc__trigger_copy(arena, t->early);
    copy->late = beamc__trigger_copy(arena, t->late);
    for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL; i++) {
        copy->children[i] = beamc__trigger_copy(arena, t->children[i]);
    }
    return copy;
}

static beamc_trigger *new_trigger(beamc_arena *arena, beamc_trigger_kind kind) {
    beamc_trigger *t = beamc_arena_zalloc(arena, sizeof *t);
    t->kind = kind;
    return t;
}

static void continue_children(beamc_arena *arena, beamc_trigger *out, const beamc_trigger *t) {
    for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL; i++) {
        out->children[i] = beamc__trigger_continuation(arena, t->children[i]);
    }
}

const beamc_trigger *beamc__trigger_continuation(beamc_arena *arena, const beamc_trigger *t) {
    if (t == NULL) {
        return NULL;
    }
    beamc_trigger *out;
    beamc_trigger *inner;
    switch (t->kind) {
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        out = new_trigger(arena, BEAMC_TRIGGER_AFTER_WATERMARK);
        out->early = beamc__trigger_continuation(arena, t->early);
        out->late = beamc__trigger_continuation(arena, t->late);
        return out;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
        return new_trigger(arena, BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME);
    case BEAMC_TRIGGER_AFTER_COUNT:
        out = new_trigger(arena, BEAMC_TRIGGER_AFTER_COUNT);
        out->count = 1;
        return out;
    case BEAMC_TRIGGER_AFTER_EACH: /* whichever of them made the pane */
        out = new_trigger(arena, BEAMC_TRIGGER_REPEATEDLY);
        inner = new_trigger(arena, BEAMC_TRIGGER_AFTER_ANY);
        continue_children(arena, inner, t);
        out->children[0] = inner;
        return out;
    case BEAMC_TRIGGER_OR_FINALLY:
        out = new_trigger(arena, BEAMC_TRIGGER_REPEATEDLY);
        inner = new_trigger(arena, BEAMC_TRIGGER_OR_FINALLY);
        continue_children(arena, inner, t);
        out->children[0] = inner;
        return out;
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
    case BEAMC_TRIGGER_REPEATEDLY:
        out = new_trigger(arena, t->kind);
        continue_children(arena, out, t);
        return out;
    default:
        return t;
    }
}

bool beamc__trigger_may_finish(const beamc_trigger *t) {
    if (t == NULL) {
        return false;
    }
    switch (t->kind) {
    case BEAMC_TRIGGER_DEFAULT:
    case BEAMC_TRIGGER_REPEATEDLY:
    case BEAMC_TRIGGER_ALWAYS:
    case BEAMC_TRIGGER_NEVER: /* it loses nothing that was not asked for */
        return false;
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        return t->late == NULL;
    case BEAMC_TRIGGER_AFTER_EACH:
    case BEAMC_TRIGGER_AFTER_ALL: /* only when all of them do */
        for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL; i++) {
            if (!beamc__trigger_may_finish(t->children[i])) {
                return false;
            }
        }
        return true;
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_OR_FINALLY: /* when one of them does */
        for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL; i++) {
            if (beamc__trigger_may_finish(t->children[i])) {
                return true;
            }
        }
        return false;
    default:
        return true;
    }
}

bool beamc__trigger_can_fire(const beamc_trigger *t) {
    if (t == NULL) {
        return true;
    }
    bool all = t->kind == BEAMC_TRIGGER_AFTER_ALL;
    switch (t->kind) {
    case BEAMC_TRIGGER_NEVER:
        return false;
    case BEAMC_TRIGGER_AFTER_EACH:
    case BEAMC_TRIGGER_REPEATEDLY:
        return beamc__trigger_can_fire(t->children[0]);
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
    case BEAMC_TRIGGER_OR_FINALLY:
        for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL; i++) {
            if (beamc__trigger_can_fire(t->children[i]) != all) {
                return !all;
            }
        }
        return all;
    default:
        return true;
    }
}

static bool is_silent(const beamc_trigger *t) {
    return t == NULL || t->kind == BEAMC_TRIGGER_NEVER;
}

bool beamc__trigger_fires_once(const beamc_trigger *t, int64_t allowed_lateness_ms) {
    if (is_silent(t) || t->kind == BEAMC_TRIGGER_DEFAULT) {
        return true;
    }
    return t->kind == BEAMC_TRIGGER_AFTER_WATERMARK && is_silent(t->early) &&
           (allowed_lateness_ms == 0 || is_silent(t->late));
}

static int child_count(const beamc_trigger *t) {
    int n = 0;
    while (n <= BEAMC_TRIGGER_MAX_CHILDREN && t->children[n] != NULL) {
        n++;
    }
    return n;
}

static const char *shape_fault(const beamc_trigger *t) {
    int n = child_count(t);
    switch (t->kind) {
    case BEAMC_TRIGGER_AFTER_COUNT:
        return t->count < 1 ? "BEAMC_AFTER_COUNT needs a count of at least 1" : NULL;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
        return t->delay_ms < 0 || t->period_ms < 0
                   ? "BEAMC_AFTER_PROCESSING_TIME needs a delay (and period) of 0 ms or more"
                   : NULL;
    case BEAMC_TRIGGER_AFTER_EACH:
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
        if (n > BEAMC_TRIGGER_MAX_CHILDREN) {
            return "a trigger takes at most 8 sub-triggers: nest them";
        }
        return n == 0 ? "AFTER_EACH, AFTER_ANY and AFTER_ALL need at least one sub-trigger" : NULL;
    case BEAMC_TRIGGER_REPEATEDLY:
        return n != 1 ? "BEAMC_REPEATEDLY takes one sub-trigger" : NULL;
    case BEAMC_TRIGGER_OR_FINALLY:
        return n != 2 ? "BEAMC_OR_FINALLY takes two sub-triggers" : NULL;
    case BEAMC_TRIGGER_DEFAULT:
    case BEAMC_TRIGGER_AFTER_WATERMARK:
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
    case BEAMC_TRIGGER_ALWAYS:
    case BEAMC_TRIGGER_NEVER:
        return NULL;
    }
    return "a trigger has an unknown kind";
}

const char *beamc__trigger_fault(const beamc_trigger *t, unsigned depth) {
    if (t == NULL) {
        return NULL;
    }
    if (depth > TRIGGER_MAX_DEPTH) {
        return "the trigger is nested too deeply";
    }
    const char *fault = shape_fault(t);
    if (fault == NULL && t->kind == BEAMC_TRIGGER_AFTER_WATERMARK) {
        fault = beamc__trigger_fault(t->early, depth + 1);
        fault = fault != NULL ? fault : beamc__trigger_fault(t->late, depth + 1);
    }
    for (int i = 0; fault == NULL && i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL;
         i++) {
        fault = beamc__trigger_fault(t->children[i], depth + 1);
    }
    return fault;
}
