/* trigger.c: the state machines of triggers, see trigger.h.
 *
 * AFTER_WATERMARK in full has two children, early and late; early's finished bit says that the
 * on-time firing has been. Without early and late it is a leaf. Where windows merge, children that
 * are not yet, or no longer, active see all elements too: a merge may make them active. */
#include "runner/engine/trigger.h"

static inline bool is_finished(const beamc_trigger_state *s, unsigned i) {
    return (s->finished >> i & 1) != 0;
}

static inline void set_finished(beamc_trigger_state *s, unsigned i, bool on) {
    uint64_t bit = UINT64_C(1) << i;
    s->finished = on ? s->finished | bit : s->finished & ~bit;
}

static inline bool is_leaf(const beamc_trigger_program *p, unsigned i) {
    return p->nodes[i].end == i + 1;
}

static inline unsigned late_of(const beamc_trigger_program *p, unsigned i) {
    return p->nodes[i + 1].end;
}

static inline bool has_late(const beamc_trigger_program *p, unsigned i) {
    return late_of(p, i) < p->nodes[i].end;
}

/* -------------------------------------------------------------------------------- compiling */

static beamc_status compile(beamc_trigger_program *p, const beamc_trigger *t, beamc_error *err);

static beamc_status compile_children(beamc_trigger_program *p, const beamc_trigger *t,
                                     beamc_error *err) {
    if (t->children[0] == NULL || (t->kind == BEAMC_TRIGGER_OR_FINALLY && t->children[1] == NULL)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a trigger has an empty part");
    }
    for (int i = 0; i < BEAMC_TRIGGER_MAX_CHILDREN && t->children[i] != NULL; i++) {
        BEAMC_TRY(compile(p, t->children[i], err));
    }
    return BEAMC_OK;
}

static beamc_status compile_watermark(beamc_trigger_program *p, const beamc_trigger *t,
                                      beamc_error *err) {
    static const beamc_trigger never = {.kind = BEAMC_TRIGGER_NEVER};
    p->on_time = true;
    if (t->early == NULL && t->late == NULL) {
        return BEAMC_OK;
    }
    BEAMC_TRY(compile(p, t->early != NULL ? t->early : &never, err));
    return t->late != NULL ? compile(p, t->late, err) : BEAMC_OK;
}

static beamc_status compile_body(beamc_trigger_program *p, beamc_trigger_node *n,
                                 const beamc_trigger *t, beamc_error *err) {
    switch (t->kind) {
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        return compile_watermark(p, t, err);
    case BEAMC_TRIGGER_DEFAULT:
        p->on_time = true;
        return BEAMC_OK;
    case BEAMC_TRIGGER_AFTER_COUNT:
        n->count = t->count > 1 ? (uint32_t)t->count : 1;
        n->slot = (uint8_t)p->slots++;
        return BEAMC_OK;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        /* Synchronized: all upstream processing of an element is over when it arrives here. */
        if (t->kind == BEAMC_TRIGGER_AFTER_PROCESSING_TIME) {
            n->delay_ms = t->delay_ms;
            n->period_ms = t->period_ms;
            n->offset_ms = t->offset_ms;
        }
        p->deadlines |= UINT64_C(1) << p->slots;
        n->slot = (uint8_t)p->slots++;
        return BEAMC_OK;
    case BEAMC_TRIGGER_AFTER_EACH:
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
    case BEAMC_TRIGGER_REPEATEDLY:
    case BEAMC_TRIGGER_OR_FINALLY:
        return compile_children(p, t, err);
    case BEAMC_TRIGGER_ALWAYS:
    case BEAMC_TRIGGER_NEVER:
        return BEAMC_OK;
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "there is no trigger of kind %d", (int)t->kind);
}

/* Depth is bounded by the number of nodes. */
static beamc_status compile(beamc_trigger_program *p, const beamc_trigger *t, beamc_error *err) {
    if (p->count == BEAMC_TRIGGER_MAX_NODES) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "a trigger of more than %d parts",
                          BEAMC_TRIGGER_MAX_NODES);
    }
    beamc_trigger_node *n = &p->nodes[p->count++];
    *n = (beamc_trigger_node){.kind = (uint8_t)t->kind};
    BEAMC_TRY(compile_body(p, n, t, err));
    n->end = (uint8_t)p->count;
    return BEAMC_OK;
}

beamc_status beamc__trigger_compile(const beamc_trigger *trigger, bool merging,
                                    beamc_trigger_program *out, beamc_error *err) {
    static const beamc_trigger standard = {.kind = BEAMC_TRIGGER_DEFAULT};
    *out = (beamc_trigger_program){.merging = merging};
    return compile(out, trigger != NULL ? trigger : &standard, err);
}

/* ----------------------------------------------------------------------------- reset, elements */

static void reset_slot(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i) {
    const beamc_trigger_node *n = &p->nodes[i];
    if (n->kind == BEAMC_TRIGGER_AFTER_COUNT) {
        s->slots[n->slot] = 0;
    } else if (n->kind == BEAMC_TRIGGER_AFTER_PROCESSING_TIME ||
               n->kind == BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME) {
        s->slots[n->slot] = BEAMC_TIME_MAX;
    }
}

/* Forgets what a subtree has seen; what has finished in it stays finished. */
static void clear(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i) {
    for (unsigned k = i; k < p->nodes[i].end; k++) {
        reset_slot(p, s, k);
    }
}

/* As if it had never been. */
static void reset(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i) {
    clear(p, s, i);
    for (unsigned k = i; k < p->nodes[i].end; k++) {
        set_finished(s, k, false);
    }
}

void beamc__trigger_init(const beamc_trigger_program *p, beamc_trigger_state *s) {
    s->finished = 0;
    clear(p, s, 0);
}

static beamc_time add_clamped(beamc_time t, int64_t ms) {
    beamc_time sum;
    if (__builtin_add_overflow(t, ms, &sum) || sum > BEAMC_TIME_MAX) {
        return BEAMC_TIME_MAX;
    }
    return sum < BEAMC_TIME_MIN ? BEAMC_TIME_MIN : sum;
}

/* TimestampTransform: the delay, then up to the next offset + n * period. */
static beamc_time deadline(const beamc_trigger_node *n, beamc_time now) {
    beamc_time t = add_clamped(now, n->delay_ms);
    if (n->period_ms > 0) {
        int64_t over = (t - n->offset_ms % n->period_ms) % n->period_ms;
        over = over < 0 ? over + n->period_ms : over;
        t = over == 0 ? t : add_clamped(t, n->period_ms - over);
    }
    return t;
}

static unsigned first_unfinished(const beamc_trigger_program *p, const beamc_trigger_state *s,
                                 unsigned i) {
    unsigned k = i + 1;
    while (k < p->nodes[i].end && is_finished(s, k)) {
        k = p->nodes[k].end;
    }
    return k;
}

static void element(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                    const beamc_trigger_context *c) {
    const beamc_trigger_node *n = &p->nodes[i];
    switch ((beamc_trigger_kind)n->kind) {
    case BEAMC_TRIGGER_AFTER_COUNT:
        s->slots[n->slot]++;
        return;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        if (s->slots[n->slot] == BEAMC_TIME_MAX) {
            s->slots[n->slot] = deadline(n, c->now);
        }
        return;
    case BEAMC_TRIGGER_AFTER_WATERMARK:
    case BEAMC_TRIGGER_AFTER_EACH:
        if (!p->merging && !is_leaf(p, i)) {
            unsigned k = first_unfinished(p, s, i);
            if (k < n->end) {
                element(p, s, k, c);
            }
            return;
        }
        break;
    case BEAMC_TRIGGER_AFTER_ALL:
        for (unsigned k = i + 1; k < n->end; k = p->nodes[k].end) {
            if (!is_finished(s, k)) {
                element(p, s, k, c);
            }
        }
        return;
    default:
        break;
    }
    for (unsigned k = i + 1; k < n->end; k = p->nodes[k].end) {
        element(p, s, k, c);
    }
}

void beamc__trigger_element(const beamc_trigger_program *p, beamc_trigger_state *s,
                            const beamc_trigger_context *c) {
    element(p, s, 0, c);
}

/* ------------------------------------------------------------------------------------ firing */

static bool should_fire(const beamc_trigger_program *p, const beamc_trigger_state *s, unsigned i,
                        const beamc_trigger_context *c);

static bool any_ready(const beamc_trigger_program *p, const beamc_trigger_state *s, unsigned i,
                      const beamc_trigger_context *c) {
    for (unsigned k = i + 1; k < p->nodes[i].end; k = p->nodes[k].end) {
        if (should_fire(p, s, k, c)) {
            return true;
        }
    }
    return false;
}

/* Those that finished in an earlier window, before it was merged, count as ready. */
static bool all_ready(const beamc_trigger_program *p, const beamc_trigger_state *s, unsigned i,
                      const beamc_trigger_context *c) {
    for (unsigned k = i + 1; k < p->nodes[i].end; k = p->nodes[k].end) {
        if (!is_finished(s, k) && !should_fire(p, s, k, c)) {
            return false;
        }
    }
    return true;
}

static bool should_fire(const beamc_trigger_program *p, const beamc_trigger_state *s, unsigned i,
                        const beamc_trigger_context *c) {
    const beamc_trigger_node *n = &p->nodes[i];
    if (is_finished(s, i)) {
        return false;
    }
    switch ((beamc_trigger_kind)n->kind) {
    case BEAMC_TRIGGER_DEFAULT:
        return c->ended;
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        if (is_leaf(p, i)) {
            return c->ended;
        }
        if (!is_finished(s, i + 1)) {
            return c->ended || should_fire(p, s, i + 1, c);
        }
        return has_late(p, i) && should_fire(p, s, late_of(p, i), c);
    case BEAMC_TRIGGER_AFTER_COUNT:
        return s->slots[n->slot] >= n->count;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        return s->slots[n->slot] <= c->now;
    case BEAMC_TRIGGER_AFTER_EACH: {
        unsigned k = first_unfinished(p, s, i);
        return k < n->end && should_fire(p, s, k, c);
    }
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_OR_FINALLY:
    case BEAMC_TRIGGER_REPEATEDLY:
        return any_ready(p, s, i, c);
    case BEAMC_TRIGGER_AFTER_ALL:
        return all_ready(p, s, i, c);
    case BEAMC_TRIGGER_ALWAYS:
        return true;
    case BEAMC_TRIGGER_NEVER:
        return false;
    }
    return false;
}

bool beamc__trigger_should_fire(const beamc_trigger_program *p, const beamc_trigger_state *s,
                                const beamc_trigger_context *c) {
    return should_fire(p, s, 0, c);
}

static void fire(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                 const beamc_trigger_context *c);

/* What is repeated begins anew when it has finished. */
static void fire_repeated(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                          const beamc_trigger_context *c) {
    fire(p, s, i, c);
    if (is_finished(s, i)) {
        reset(p, s, i);
    }
}

/* Early firings until the watermark passes, that of the watermark, late firings from then on. */
static void fire_watermark(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                           const beamc_trigger_context *c) {
    if (is_leaf(p, i)) {
        set_finished(s, i, true);
    } else if (is_finished(s, i + 1)) {
        fire_repeated(p, s, late_of(p, i), c);
    } else if (!c->ended) {
        fire_repeated(p, s, i + 1, c);
    } else {
        reset(p, s, i + 1);
        set_finished(s, i + 1, true);
        if (has_late(p, i)) {
            reset(p, s, late_of(p, i));
        } else {
            set_finished(s, i, true);
        }
    }
}

/* Those that are ready fire. AFTER_ANY has finished when one of them has, AFTER_ALL when all have. */
static void fire_parallel(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                          const beamc_trigger_context *c) {
    bool any = false, all = true;
    for (unsigned k = i + 1; k < p->nodes[i].end; k = p->nodes[k].end) {
        if (should_fire(p, s, k, c)) {
            fire(p, s, k, c);
            any |= is_finished(s, k);
        }
        all &= is_finished(s, k);
    }
    set_finished(s, i, p->nodes[i].kind == BEAMC_TRIGGER_AFTER_ALL ? all : any);
}

static void fire_each(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                      const beamc_trigger_context *c) {
    unsigned k = first_unfinished(p, s, i);
    if (k < p->nodes[i].end) {
        fire(p, s, k, c);
    }
    if (p->merging) {
        clear(p, s, i);
    }
    set_finished(s, i, first_unfinished(p, s, i) == p->nodes[i].end);
}

/* Nothing comes behind the firing of `finally`, which has seen all since the window began. */
static void fire_or_finally(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                            const beamc_trigger_context *c) {
    unsigned main = i + 1, finally = p->nodes[i + 1].end;
    if (should_fire(p, s, finally, c)) {
        fire(p, s, finally, c);
        clear(p, s, main);
        set_finished(s, i, true);
    } else {
        fire(p, s, main, c);
        set_finished(s, i, is_finished(s, main));
    }
}

static void fire(const beamc_trigger_program *p, beamc_trigger_state *s, unsigned i,
                 const beamc_trigger_context *c) {
    switch ((beamc_trigger_kind)p->nodes[i].kind) {
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        fire_watermark(p, s, i, c);
        break;
    case BEAMC_TRIGGER_AFTER_COUNT:
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        reset_slot(p, s, i);
        set_finished(s, i, true);
        break;
    case BEAMC_TRIGGER_AFTER_EACH:
        fire_each(p, s, i, c);
        break;
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
        fire_parallel(p, s, i, c);
        break;
    case BEAMC_TRIGGER_REPEATEDLY:
        fire_repeated(p, s, i + 1, c);
        break;
    case BEAMC_TRIGGER_OR_FINALLY:
        fire_or_finally(p, s, i, c);
        break;
    case BEAMC_TRIGGER_DEFAULT:
    case BEAMC_TRIGGER_ALWAYS:
    case BEAMC_TRIGGER_NEVER:
        break;
    }
}

void beamc__trigger_fire(const beamc_trigger_program *p, beamc_trigger_state *s,
                         const beamc_trigger_context *c) {
    fire(p, s, 0, c);
}

/* ----------------------------------------------------------------------------------- merging */

typedef struct merging {
    const beamc_trigger_program *p;
    beamc_trigger_state *s;
    const beamc_trigger_state *const *others;
    size_t count;
    const beamc_trigger_context *c;
} merging;

static bool finished_in_all(const merging *m, unsigned i) {
    bool all = is_finished(m->s, i);
    for (size_t k = 0; k < m->count; k++) {
        all &= is_finished(m->others[k], i);
    }
    return all;
}

static bool finished_in_any(const merging *m, unsigned i) {
    bool any = is_finished(m->s, i);
    for (size_t k = 0; k < m->count; k++) {
        any |= is_finished(m->others[k], i);
    }
    return any;
}

static void merge_count(const merging *m, unsigned i) {
    unsigned slot = m->p->nodes[i].slot;
    bool finished = finished_in_any(m, i);
    for (size_t k = 0; k < m->count; k++) {
        m->s->slots[slot] += m->others[k]->slots[slot];
    }
    m->s->slots[slot] = finished ? 0 : m->s->slots[slot];
    set_finished(m->s, i, finished);
}

static void merge_deadline(const merging *m, unsigned i) {
    unsigned slot = m->p->nodes[i].slot;
    for (size_t k = 0; k < m->count; k++) {
        int64_t other = m->others[k]->slots[slot];
        m->s->slots[slot] = other < m->s->slots[slot] ? other : m->s->slots[slot];
    }
    set_finished(m->s, i, false); /* the new window has yet to fire */
}

static void merge(const merging *m, unsigned i);

/* As long as the watermark's firing is due in one of them, or in the longer window, it is due. */
static void merge_watermark(const merging *m, unsigned i) {
    bool leaf = is_leaf(m->p, i);
    unsigned bit = leaf ? i : i + 1;
    if (finished_in_all(m, bit) && m->c->ended) {
        set_finished(m->s, bit, true);
        if (!leaf && has_late(m->p, i)) {
            merge(m, late_of(m->p, i));
        }
    } else {
        if (!leaf) {
            merge(m, bit);
        }
        set_finished(m->s, bit, false);
        if (!leaf && has_late(m->p, i)) {
            reset(m->p, m->s, late_of(m->p, i));
        }
    }
    if (!leaf) { /* without late firings it finishes with its on-time firing */
        set_finished(m->s, i, !has_late(m->p, i) && is_finished(m->s, bit));
    }
}

static void merge_each(const merging *m, unsigned i) {
    bool before = true; /* all before this one have finished */
    for (unsigned k = i + 1; k < m->p->nodes[i].end; k = m->p->nodes[k].end) {
        if (before) {
            merge(m, k);
            before = is_finished(m->s, k);
        } else {
            reset(m->p, m->s, k);
        }
    }
    set_finished(m->s, i, before);
}

static void merge_children(const merging *m, unsigned i) {
    bool any = false, all = true;
    for (unsigned k = i + 1; k < m->p->nodes[i].end; k = m->p->nodes[k].end) {
        merge(m, k);
        any |= is_finished(m->s, k);
        all &= is_finished(m->s, k);
    }
    unsigned kind = m->p->nodes[i].kind;
    set_finished(m->s, i,
                 kind == BEAMC_TRIGGER_AFTER_ALL ? all : kind != BEAMC_TRIGGER_REPEATEDLY && any);
}

static void merge(const merging *m, unsigned i) {
    switch ((beamc_trigger_kind)m->p->nodes[i].kind) {
    case BEAMC_TRIGGER_AFTER_WATERMARK:
        merge_watermark(m, i);
        break;
    case BEAMC_TRIGGER_AFTER_COUNT:
        merge_count(m, i);
        break;
    case BEAMC_TRIGGER_AFTER_PROCESSING_TIME:
    case BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME:
        merge_deadline(m, i);
        break;
    case BEAMC_TRIGGER_AFTER_EACH:
        merge_each(m, i);
        break;
    case BEAMC_TRIGGER_AFTER_ANY:
    case BEAMC_TRIGGER_AFTER_ALL:
    case BEAMC_TRIGGER_OR_FINALLY:
    case BEAMC_TRIGGER_REPEATEDLY:
        merge_children(m, i);
        break;
    case BEAMC_TRIGGER_DEFAULT:
    case BEAMC_TRIGGER_ALWAYS:
    case BEAMC_TRIGGER_NEVER:
        break;
    }
}

void beamc__trigger_merge(const beamc_trigger_program *p, beamc_trigger_state *s,
                          const beamc_trigger_state *const *others, size_t count,
                          const beamc_trigger_context *c) {
    merge(&(merging){p, s, others, count, c}, 0);
}

beamc_time beamc__trigger_next_clock(const beamc_trigger_program *p, const beamc_trigger_state *s,
                                     beamc_time now) {
    beamc_time least = BEAMC_TIME_MAX;
    for (uint64_t left = p->deadlines; left != 0; left &= left - 1) {
        beamc_time t = s->slots[__builtin_ctzll(left)];
        least = t > now && t < least ? t : least;
    }
    return least;
}
