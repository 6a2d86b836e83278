/* script.h: a trigger transcript in the lines of transcripts.py, read from standard input or a file. For the programs of
 * this folder and interop/programs/transcript_pipeline.c; public headers only. */
#ifndef BEAMC_TESTS_TRIGGERS_SCRIPT_H
#define BEAMC_TESTS_TRIGGERS_SCRIPT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <beamc/window.h>

enum { MAX_NODES = 64, MAX_VALUES = 256, MAX_STEPS = 256 };

static char input[1 << 16];
static const char *run_name = "";

static _Noreturn void die(const char *what) {
    printf("%s: %s\n", run_name, what);
    exit(1);
}

/* --------------------------------------------------------------------------------- transcripts */

typedef struct pane {
    bool has_window, has_values, has_timestamp, has_index, has_nonspeculative;
    bool has_early, has_late, has_final;
    int64_t start, end, timestamp, index, nonspeculative, early, late, final;
    size_t count;
    int64_t values[MAX_VALUES];
} pane;

typedef struct step {
    enum { INPUT, WATERMARK, CLOCK, EXPECT } kind;
    int64_t time;
    size_t count; /* of values or panes */
    int64_t values[MAX_VALUES];
    pane *panes;
} step;

static struct {
    char name[128], error[128];
    beamc_windowing windowing;
    beamc_trigger triggers[MAX_NODES];
    size_t trigger_count;
    step steps[MAX_STEPS];
    size_t count;
} script;

static char *cursor;

static const char *word(void) {
    char *w = strtok_r(NULL, " ", &cursor);
    if (w == NULL) {
        die("a line ends too early");
    }
    return w;
}

static int64_t number(void) {
    return strtoll(word(), NULL, 10);
}

static const beamc_trigger *read_trigger(void) {
    const char *w = word();
    if (strcmp(w, "none") == 0) {
        return NULL;
    }
    if (script.trigger_count == MAX_NODES) {
        die("too many triggers");
    }
    beamc_trigger *t = &script.triggers[script.trigger_count++];
    static const struct {
        const char *word;
        beamc_trigger_kind kind;
        int children; /* -1: the next word says how many */
    } kinds[] = {{"default", BEAMC_TRIGGER_DEFAULT, 0},
                 {"always", BEAMC_TRIGGER_ALWAYS, 0},
                 {"never", BEAMC_TRIGGER_NEVER, 0},
                 {"synchronized", BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME, 0},
                 {"count", BEAMC_TRIGGER_AFTER_COUNT, 0},
                 {"time", BEAMC_TRIGGER_AFTER_PROCESSING_TIME, 0},
                 {"watermark", BEAMC_TRIGGER_AFTER_WATERMARK, 0},
                 {"repeatedly", BEAMC_TRIGGER_REPEATEDLY, 1},
                 {"finally", BEAMC_TRIGGER_OR_FINALLY, 2},
                 {"each", BEAMC_TRIGGER_AFTER_EACH, -1},
                 {"any", BEAMC_TRIGGER_AFTER_ANY, -1},
                 {"all", BEAMC_TRIGGER_AFTER_ALL, -1}};
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].word, w) != 0) {
        k++;
    }
    if (k == sizeof kinds / sizeof *kinds) {
        die(w);
    }
    t->kind = kinds[k].kind;
    if (t->kind == BEAMC_TRIGGER_AFTER_COUNT) {
        t->count = (int32_t)number();
    } else if (t->kind == BEAMC_TRIGGER_AFTER_PROCESSING_TIME) {
        t->delay_ms = number();
    } else if (t->kind == BEAMC_TRIGGER_AFTER_WATERMARK) {
        t->early = read_trigger();
        t->late = read_trigger();
    }
    int64_t children = kinds[k].children >= 0 ? kinds[k].children : number();
    for (int64_t i = 0; i < children && i < BEAMC_TRIGGER_MAX_CHILDREN; i++) {
        t->children[i] = read_trigger();
    }
    return t;
}

static void read_windows(void) {
    const char *w = word();
    if (strcmp(w, "fixed") == 0) {
        script.windowing.fn = beamc_fixed(.size_ms = number());
        script.windowing.fn.offset_ms = number();
    } else if (strcmp(w, "sliding") == 0) {
        script.windowing.fn = beamc_sliding(.size_ms = number());
        script.windowing.fn.period_ms = number();
        script.windowing.fn.offset_ms = number();
    } else if (strcmp(w, "sessions") == 0) {
        script.windowing.fn = beamc_sessions(.gap_ms = number());
    } else {
        script.windowing.fn = beamc_global();
    }
}

static size_t read_values(int64_t *to) {
    size_t count = (size_t)number();
    if (count > MAX_VALUES) {
        die("too many values");
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = number();
    }
    return count;
}

static void read_pane(pane *p) {
    for (char *w; (w = strtok_r(NULL, " ", &cursor)) != NULL;) {
        if (strcmp(w, "window") == 0) {
            p->has_window = true;
            p->start = number();
            p->end = number();
        } else if (strcmp(w, "values") == 0) {
            p->has_values = true;
            p->count = read_values(p->values);
        } else {
            int64_t n = number();
            const struct {
                const char *word;
                bool *has;
                int64_t *value;
            } flags[] = {{"timestamp", &p->has_timestamp, &p->timestamp},
                         {"index", &p->has_index, &p->index},
                         {"nonspeculative", &p->has_nonspeculative, &p->nonspeculative},
                         {"early", &p->has_early, &p->early},
                         {"late", &p->has_late, &p->late},
                         {"final", &p->has_final, &p->final}};
            for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
                if (strcmp(w, flags[i].word) == 0) {
                    *flags[i].has = true;
                    *flags[i].value = n;
                }
            }
        }
    }
}

static void read_step(const char *w, char **lines) {
    if (script.count == MAX_STEPS) {
        die("too many steps");
    }
    step *s = &script.steps[script.count++];
    if (strcmp(w, "input") == 0) {
        s->kind = INPUT;
        s->count = read_values(s->values);
        return;
    }
    s->kind = strcmp(w, "watermark") == 0 ? WATERMARK : strcmp(w, "clock") == 0 ? CLOCK : EXPECT;
    s->time = number();
    if (s->kind == EXPECT) {
        s->count = (size_t)s->time;
        s->panes = calloc(s->count + 1, sizeof *s->panes);
        for (size_t i = 0; i < s->count; i++) {
            strtok_r(strtok_r(NULL, "\n", lines), " ", &cursor);
            read_pane(&s->panes[i]);
        }
    }
}

static void read_script(FILE *from) {
    size_t len = fread(input, 1, sizeof input - 1, from);
    input[len] = 0;
    char *lines = NULL;
    for (char *line = strtok_r(input, "\n", &lines); line != NULL;
         line = strtok_r(NULL, "\n", &lines)) {
        const char *w = strtok_r(line, " ", &cursor);
        if (strcmp(w, "transcript") == 0) {
            snprintf(script.name, sizeof script.name, "%s", cursor);
        } else if (strcmp(w, "error") == 0) {
            snprintf(script.error, sizeof script.error, "%s", cursor);
        } else if (strcmp(w, "windows") == 0) {
            read_windows();
        } else if (strcmp(w, "trigger") == 0) {
            script.windowing.trigger = read_trigger();
        } else if (strcmp(w, "mode") == 0) {
            script.windowing.accumulation =
                strcmp(word(), "discarding") == 0 ? BEAMC_DISCARDING : BEAMC_ACCUMULATING;
        } else if (strcmp(w, "combiner") == 0) {
            w = word();
            script.windowing.output_time = strcmp(w, "earliest") == 0
                                               ? BEAMC_OUTPUT_EARLIEST_IN_PANE
                                           : strcmp(w, "latest") == 0 ? BEAMC_OUTPUT_LATEST_IN_PANE
                                                                      : BEAMC_OUTPUT_END_OF_WINDOW;
        } else if (strcmp(w, "lateness") == 0) {
            script.windowing.allowed_lateness_ms = number();
        } else if (strcmp(w, "closing") == 0) {
            script.windowing.closing = strcmp(word(), "always") == 0
                                           ? BEAMC_CLOSING_EMIT_ALWAYS
                                           : BEAMC_CLOSING_EMIT_IF_NONEMPTY;
        } else if (strcmp(w, "on_time") == 0) {
            script.windowing.on_time = strcmp(word(), "always") == 0
                                           ? BEAMC_ON_TIME_FIRE_ALWAYS
                                           : BEAMC_ON_TIME_FIRE_IF_NONEMPTY;
        } else if (strcmp(w, "end") != 0) {
            read_step(w, &lines);
        }
    }
}

#endif
