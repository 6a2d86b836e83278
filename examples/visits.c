/* visits.c: an ordered list as state, and a timer that holds the watermark: the pages that somebody looked at
 * become visits, which end with "bye" or after --gap seconds of silence. What comes out of order is put in its
 * place.
 *
 *     ./visits --gap=60
 *
 * prints "ann: home > cart > pay at TIME", with the time at which the visit began. */
#include <beamc/beamc.h>

typedef struct settings {
    int64_t gap_ms;
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, gap_ms, I64, "60000", "Silence that ends a visit."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

enum { PAGES };
enum { SILENCE };

/* The first visit among the pages that wait: [first, last], and its pages as a text. */
typedef struct visit {
    beamc_time first;
    beamc_time last;
    beamc_slice pages; /* empty: there is none */
} visit;

static beamc_status first_visit(beamc_ctx *ctx, visit *v) {
    const settings *s = beamc_config(ctx);
    const beamc_iterable *pages;
    beamc_iter it;
    beamc_value page; /* (time, name) */
    *v = (visit){0};
    BEAMC_TRY(beamc_state_range(ctx, PAGES, BEAMC_TIME_MIN, BEAMC_TIME_MAX, &pages));
    for (beamc_iterate(pages, &it); beamc_iter_next(&it, &page);) {
        beamc_time at = page.kv->key.i64;
        bool starts = v->pages.len == 0;
        if (!starts && at - v->last > s->gap_ms) {
            break;
        }
        v->first = starts ? at : v->first;
        v->last = at;
        v->pages = beamc_format(ctx, "%.*s%s%.*s", BEAMC_SLICE_ARG(v->pages), starts ? "" : " > ",
                                BEAMC_SLICE_ARG(page.kv->value.bytes));
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

/* The timer fires when the visit is over. Until then it holds the watermark at the visit's beginning, so that
 * what on_timer emits then, at that time, is not late for those behind. */
static beamc_status wait_for_silence(beamc_ctx *ctx) {
    const settings *s = beamc_config(ctx);
    visit v;
    BEAMC_TRY(first_visit(ctx, &v));
    if (v.pages.len == 0) {
        return BEAMC_OK;
    }
    return beamc_timer_set(ctx, SILENCE, v.last + s->gap_ms, .has_output_time = true,
                           .output_time = v.first);
}

/* The visit goes out, at the time of its beginning. */
static beamc_status leave(beamc_ctx *ctx) {
    visit v;
    BEAMC_TRY(first_visit(ctx, &v));
    BEAMC_TRY(beamc_state_clear_range(ctx, PAGES, BEAMC_TIME_MIN, v.last + 1));
    BEAMC_TRY(
        beamc_emit_at(ctx, 0, v.first, beamc_pair(beamc_key(ctx), beamc_value_bytes(v.pages))));
    return wait_for_silence(ctx); /* for the next one, if its pages are there */
}

static beamc_status look(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_add_at(ctx, PAGES, beamc_timestamp(ctx), in->kv->value));
    if (beamc_slice_eq(in->kv->value.bytes, beamc_str("bye"))) {
        BEAMC_TRY(beamc_timer_clear(ctx, SILENCE, beamc_str("")));
        return leave(ctx);
    }
    return wait_for_silence(ctx);
}

static beamc_status silence(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer; /* there is one only */
    return leave(ctx);
}

static const beamc_coder page_coder = BEAMC_KV(&beamc_string, &beamc_string);

static const beamc_dofn visiting = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:visits:v1",
    .doc = "(who, page) to (who, the pages of a visit).",
    .config = &settings_row,
    .input = &page_coder,
    .outputs[0] = {"visits", &page_coder},
    .states[PAGES] = {.name = "pages", .kind = BEAMC_STATE_ORDERED_LIST, .coder = &beamc_string},
    .timers[SILENCE] = {"silence", BEAMC_EVENT_TIME},
    .process = look,
    .on_timer = silence,
};

/* In place of a real stream, so that it is over soon and always the same. */
static beamc_pcoll pages(beamc_pipeline *p) {
    const beamc_time s = 1000;
    beamc_value ann = beamc_value_text("ann"), bob = beamc_value_text("bob");
    beamc_test_event steps[] = {
        beamc_test_at(10 * s, beamc_pair(ann, beamc_value_text("home"))),
        beamc_test_at(50 * s, beamc_pair(ann, beamc_value_text("pay"))),
        beamc_test_at(15 * s, beamc_pair(bob, beamc_value_text("home"))),
        beamc_test_at(30 * s, beamc_pair(ann, beamc_value_text("cart"))), /* out of order */
        beamc_test_watermark(70 * s),
        beamc_test_at(200 * s, beamc_pair(ann, beamc_value_text("again"))),
        beamc_test_watermark(120 * s),
        beamc_test_at(130 * s, beamc_pair(bob, beamc_value_text("news"))),
        beamc_test_watermark(300 * s),
        beamc_test_at(310 * s, beamc_pair(bob, beamc_value_text("home"))),
        beamc_test_at(320 * s, beamc_pair(bob, beamc_value_text("bye"))),
        beamc_test_watermark(330 * s),
        beamc_test_at(340 * s, beamc_pair(bob, beamc_value_text("home"))),
    };
    return beamc_test_stream(p, "Pages", &page_coder, steps, sizeof steps / sizeof *steps);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    settings s = {1000 * beamc_option_int(o, "gap")};
    beamc_pcoll visits = beamc_pardo(pages(p), "Visits", &visiting, .config = &s);
    beamc_print(visits, "Print", .timestamp = true);
}

static const beamc_option options[] = {
    {.name = "gap",
     .type = BEAMC_OPTION_INT,
     .default_text = "60",
     .min = 1,
     .max = 86400,
     .placeholder = "SECONDS",
     .doc = "Silence that ends a visit."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "visits",
    .doc = "Gathers the pages that people look at into visits.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&visiting),
};
BEAMC_EXPORT(program);
