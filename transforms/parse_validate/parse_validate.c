/* parse_validate.c: ParseAndValidate. Bytes in; one valid event, or one dead letter, out.
 *
 * The event contract (docs/event-contract.md) decides. Nothing is dropped, and a run of bad input changes
 * nothing for the good elements behind it: the two counters of such runs are for people who watch. */
#include <time.h>

#include <beamc/ecommerce.h>
#include <beamc/json.h>

#include "dead_letter.h"
#include "fields.h"

enum { MAX_FIELDS = 4, LATENCY_SAMPLE = 256, TRIPPED_AT = 10, SHOWN_TEXT_BYTES = 40 };
enum { EVENT_TIME, PRODUCT_ID, SECOND_ID, AMOUNT };

/* What one stream's events must hold, in the order in which faults are reported. */
typedef struct stream_rules {
    const char *event_type;
    const char *fields[MAX_FIELDS];
    size_t field_count;
} stream_rules;

static const stream_rules rules[] = {
    [BEAMC_STREAM_CLICKS] = {"click", {"event_time", "product_id"}, 2},
    [BEAMC_STREAM_TRANSACTIONS] = {"transaction",
                                   {"event_time", "product_id", "store_id", "qty"},
                                   4},
    [BEAMC_STREAM_STOCK] = {"stock", {"event_time", "product_id", "warehouse_id", "delta"}, 4},
};

typedef struct parser {
    const stream_rules *rules;
    int64_t window_seconds;
    beamc_json_reader *reader;
    beamc_slice event_type;
    beamc_metric *received, *processed, *invalid, *consecutive, *tripped, *latency;
    const char *space;
    uint32_t until_sample;
    uint64_t bad_run; /* invalid events in a row, in this bundle */
} parser;

/* Why an event is invalid: the text for its dead letter, and the short form that is counted. */
typedef struct fault {
    beamc_slice text;
    const char *field;
    const char *kind;
} fault;

static const beamc_field parse_config_fields[] = {
    BEAMC_CONFIG(beamc_parse_config, stream, I64, "0", "0 clicks, 1 transactions, 2 stock"),
    BEAMC_CONFIG(beamc_parse_config, window_seconds, I64, "60", "size of the fixed windows behind"),
    BEAMC_CONFIG(beamc_parse_config, metrics_namespace, STRING, "ecommerce_pipeline",
                 "of the counters"),
};
static const beamc_row parse_config_row = BEAMC_ROW(beamc_parse_config, parse_config_fields);

static beamc_metric *counter(beamc_ctx *ctx, const parser *p, const char *what) {
    return beamc_counter(
        ctx, p->space,
        beamc_arena_printf(beamc_instance_arena(ctx), "%s_%s", p->rules->event_type, what));
}

static beamc_status setup(beamc_ctx *ctx) {
    const beamc_parse_config *config = beamc_config(ctx);
    parser *p = beamc_instance(ctx);
    if (config->stream < 0 || config->stream > BEAMC_STREAM_STOCK) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "stream must be 0, 1 or 2, not %lld",
                          (long long)config->stream);
    }
    if (config->window_seconds < 1) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "window_seconds must be at least 1, not %lld",
                          (long long)config->window_seconds);
    }
    p->rules = &rules[config->stream];
    p->window_seconds = config->window_seconds;
    p->event_type = beamc_str(p->rules->event_type);
    p->reader = beamc_json_reader_new(p->rules->fields, p->rules->field_count);
    p->space = beamc_arena_cstr(beamc_instance_arena(ctx), config->metrics_namespace);
    p->received = counter(ctx, p, "received");
    p->processed = counter(ctx, p, "processed");
    p->invalid = counter(ctx, p, "invalid");
    p->consecutive = counter(ctx, p, "consecutive_failures");
    p->tripped = counter(ctx, p, "circuit_tripped");
    p->latency =
        beamc_distribution(ctx, p->space,
                           beamc_arena_printf(beamc_instance_arena(ctx), "%s_validation_latency_ms",
                                              p->rules->event_type));
    return BEAMC_OK;
}

static beamc_status start_bundle(beamc_ctx *ctx) {
    parser *p = beamc_instance(ctx);
    p->bad_run = 0;
    return BEAMC_OK;
}

static void teardown(beamc_ctx *ctx) {
    parser *p = beamc_instance(ctx);
    beamc_json_reader_free(p->reader);
}

static bool refuse(beamc_ctx *ctx, fault *why, const char *field, const char *kind) {
    why->text = beamc_format(ctx, "%s %s", field, kind);
    why->field = field;
    why->kind = kind;
    return false;
}

/* Present, not null, not "". */
static bool required(beamc_ctx *ctx, const char *name, const beamc_json_field *f, fault *why) {
    if (f->kind == BEAMC_JSON_ABSENT) {
        return refuse(ctx, why, name, "is missing");
    }
    if (f->kind == BEAMC_JSON_NULL) {
        return refuse(ctx, why, name, "is null");
    }
    if (f->kind == BEAMC_JSON_STRING && f->text.len == 0) {
        return refuse(ctx, why, name, "is empty");
    }
    return true;
}

/* Refuses with what was found, cut short and made printable. */
static bool refuse_found(beamc_ctx *ctx, fault *why, const char *field, const char *kind,
                         const beamc_json_field *f) {
    why->field = field;
    why->kind = kind;
    if (f->kind != BEAMC_JSON_STRING) {
        why->text =
            beamc_format(ctx, "%s %s (found %s)", field, kind, beamc_json_kind_name(f->kind));
        return false;
    }
    char shown[SHOWN_TEXT_BYTES + 1];
    size_t n = f->text.len < SHOWN_TEXT_BYTES ? f->text.len : SHOWN_TEXT_BYTES;
    for (size_t i = 0; i < n; i++) {
        char c = f->text.ptr[i];
        shown[i] = c >= ' ' && c < 127 ? c : '?';
    }
    shown[n] = '\0';
    why->text = beamc_format(ctx, "%s %s (found \"%s\"%s)", field, kind, shown,
                             n < f->text.len ? "..." : "");
    return false;
}

static bool read_time(beamc_ctx *ctx, const parser *p, const beamc_json_field *f, beamc_time *out,
                      fault *why) {
    event_instant t;
    if (f->kind != BEAMC_JSON_STRING) {
        return refuse_found(ctx, why, "event_time", "is not a string with an ISO 8601 time", f);
    }
    const char *wrong = beamc__event_time_parse(f->text, &t);
    if (wrong == NULL && !beamc__event_window_in_range(t, p->window_seconds)) {
        wrong = "falls in a window outside the years 0001 to 9999";
    }
    if (wrong != NULL) {
        return refuse_found(ctx, why, "event_time", wrong, f);
    }
    *out = beamc__event_instant_to_ms(t);
    return true;
}

static bool read_id(beamc_ctx *ctx, const char *name, const beamc_json_field *f, beamc_slice *out,
                    fault *why) {
    if (f->kind == BEAMC_JSON_STRING) {
        *out = f->text;
        return true;
    }
    if (f->kind == BEAMC_JSON_INT) {
        *out = beamc_format(ctx, "%lld", (long long)f->i64);
        return true;
    }
    return refuse_found(ctx, why, name, "is neither a string nor an integer within 64 bits", f);
}

static bool read_amount(beamc_ctx *ctx, const char *name, const beamc_json_field *f, int64_t *out,
                        fault *why) {
    switch (f->kind) {
    case BEAMC_JSON_INT:
        *out = f->i64;
        return true;
    case BEAMC_JSON_REAL:
        if (beamc__event_int_from_double(f->f64, out)) {
            return true;
        }
        break;
    case BEAMC_JSON_STRING:
        if (beamc__event_int_from_text(f->text, out)) {
            return true;
        }
        break;
    default:
        break;
    }
    return refuse_found(ctx, why, name, "is not a whole number within 64 bits", f);
}

/* The fields in the table's order: the first faulty one is reported. */
static bool validate(beamc_ctx *ctx, const parser *p, const beamc_json_field *f, beamc_event *event,
                     beamc_time *at, fault *why) {
    const char *const *names = p->rules->fields;
    if (!required(ctx, names[EVENT_TIME], &f[EVENT_TIME], why) ||
        !read_time(ctx, p, &f[EVENT_TIME], at, why) ||
        !required(ctx, names[PRODUCT_ID], &f[PRODUCT_ID], why) ||
        !read_id(ctx, names[PRODUCT_ID], &f[PRODUCT_ID], &event->product_id, why)) {
        return false;
    }
    if (p->rules->field_count == 2) {
        event->value = 1;
        return true;
    }
    return required(ctx, names[SECOND_ID], &f[SECOND_ID], why) &&
           read_id(ctx, names[SECOND_ID], &f[SECOND_ID], &event->second_id, why) &&
           required(ctx, names[AMOUNT], &f[AMOUNT], why) &&
           read_amount(ctx, names[AMOUNT], &f[AMOUNT], &event->value, why);
}

static beamc_status emit_invalid(beamc_ctx *ctx, parser *p, beamc_slice payload, const fault *why) {
    beamc_counter_add(p->invalid, 1);
    p->bad_run++;
    if (p->bad_run > 1) {
        beamc_counter_add(p->consecutive, 1);
    }
    if (p->bad_run == TRIPPED_AT) {
        beamc_counter_add(p->tripped, 1);
    }
    /* Few kinds of fault exist, so these are few counters; bad events may pay for the look-up. */
    beamc_slice name =
        beamc_format(ctx, "%s: %s %s%c", p->rules->event_type, why->field, why->kind, '\0');
    beamc_counter_add(beamc_counter(ctx, BEAMC_DEAD_LETTER_NAMESPACE, name.ptr), 1);
    beamc_dead_letter *letter = beamc_new(ctx, beamc_dead_letter);
    beamc__dead_letter_fill(ctx, p->event_type, why->text, payload, payload.len, letter);
    return beamc_emit(ctx, BEAMC_INVALID, beamc_value_row(letter));
}

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool parse(beamc_ctx *ctx, parser *p, beamc_slice payload, beamc_event *event,
                  beamc_time *at, fault *why) {
    beamc_json_field fields[MAX_FIELDS];
    beamc_error err;
    if (beamc_json_read(p->reader, payload, fields, &err) != BEAMC_OK) {
        why->text = beamc_copy(ctx, beamc_str(err.message));
        why->field = "payload";
        why->kind = "is not one JSON object";
        return false;
    }
    return validate(ctx, p, fields, event, at, why);
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    parser *p = beamc_instance(ctx);
    beamc_event event = {0};
    beamc_time at = 0;
    fault why = {0};
    beamc_counter_add(p->received, 1);
    bool sampled = p->until_sample-- == 0;
    int64_t started_us = 0;
    if (sampled) {
        p->until_sample = LATENCY_SAMPLE - 1;
        started_us = now_us();
    }
    bool valid = parse(ctx, p, in->bytes, &event, &at, &why);
    if (sampled) {
        beamc_distribution_update(p->latency, (now_us() - started_us) / 1000);
    }
    if (!valid) {
        return emit_invalid(ctx, p, in->bytes, &why);
    }
    p->bad_run = 0;
    beamc_counter_add(p->processed, 1);
    return beamc_emit_at(ctx, BEAMC_PARSED, at, beamc_value_row(&event));
}

static const beamc_coder event_coder = BEAMC_ROW_CODER(&beamc_event_row);
static const beamc_coder dead_letter_coder = BEAMC_ROW_CODER(&beamc_dead_letter_row);

const beamc_dofn beamc_parse_and_validate = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:parse_and_validate:v1",
    .doc = "Bytes in; valid events at their event time to `valid`, the rest to `invalid`.",
    .config = &parse_config_row,
    .instance_size = sizeof(parser),
    .input = &beamc_bytes,
    .outputs[BEAMC_PARSED] = {"valid", &event_coder},
    .outputs[BEAMC_INVALID] = {"invalid", &dead_letter_coder},
    .setup = setup,
    .start_bundle = start_bundle,
    .process = process,
    .teardown = teardown,
};
