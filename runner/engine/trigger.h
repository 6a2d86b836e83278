/* trigger.h: trigger trees as programs over a compact state, one state for each key and window.
 *
 * A program is a tree in preorder, made once for a group. A state is a word of finished bits, one for
 * each node, and a slot for each node that counts or waits. All functions are pure: no clocks, no
 * timers, no allocation; whoever calls them brings the time and asks beamc__trigger_next_clock when
 * to look again. Threads: programs are immutable, states belong to their shard.
 *
 * The rules are those of the model (Trigger in beam_runner_api.proto): adding an element never makes
 * a trigger that is ready unready, and a trigger is finished only by firing or by merging. */
#ifndef BEAMC_ENGINE_TRIGGER_H
#define BEAMC_ENGINE_TRIGGER_H

#include <beamc/window.h>

enum { BEAMC_TRIGGER_MAX_NODES = 64 };

typedef struct beamc_trigger_node {
    uint8_t kind; /* beamc_trigger_kind */
    uint8_t end;  /* the node behind its subtree */
    uint8_t slot; /* AFTER_COUNT: elements; the AFTER_..._PROCESSING_TIMEs: the deadline */
    uint32_t count;
    int64_t delay_ms, period_ms, offset_ms;
} beamc_trigger_node;

typedef struct beamc_trigger_program {
    beamc_trigger_node nodes[BEAMC_TRIGGER_MAX_NODES];
    unsigned count;
    unsigned slots;
    bool merging;
    bool on_time; /* something in it fires because the watermark passed the end of the window */
    uint64_t deadlines; /* the slots that hold one */
} beamc_trigger_program;

/* A state has a bit for each node and `slots` numbers behind it. */
typedef struct beamc_trigger_state {
    uint64_t finished;
    int64_t slots[];
} beamc_trigger_state;

typedef struct beamc_trigger_context {
    bool ended;     /* the input watermark has passed the end of the window */
    beamc_time now; /* processing time */
} beamc_trigger_context;

/* NULL is the default trigger. @p merging: windows merge. */
beamc_status beamc__trigger_compile(const beamc_trigger *trigger, bool merging,
                                    beamc_trigger_program *out, beamc_error *err) BEAMC_MUST_USE;

void beamc__trigger_init(const beamc_trigger_program *p, beamc_trigger_state *s);
void beamc__trigger_element(const beamc_trigger_program *p, beamc_trigger_state *s,
                            const beamc_trigger_context *c);
bool beamc__trigger_should_fire(const beamc_trigger_program *p, const beamc_trigger_state *s,
                                const beamc_trigger_context *c);
/* Only when it should. */
void beamc__trigger_fire(const beamc_trigger_program *p, beamc_trigger_state *s,
                         const beamc_trigger_context *c);
/* @p s becomes the state of a window that was merged from its own and those of the others. The context
 * is that of the resulting window, which is another one than before. */
void beamc__trigger_merge(const beamc_trigger_program *p, beamc_trigger_state *s,
                          const beamc_trigger_state *const *others, size_t count,
                          const beamc_trigger_context *c);
/* Nothing will fire any more; elements of the window are dropped. */
static inline bool beamc_trigger_is_closed(const beamc_trigger_state *s) {
    return (s->finished & 1) != 0;
}
/* The next processing time behind @p now at which the trigger may become ready. */
beamc_time beamc__trigger_next_clock(const beamc_trigger_program *p, const beamc_trigger_state *s,
                                     beamc_time now);

#endif
