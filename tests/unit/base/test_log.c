/* The log's front: levels, context, one record one line. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "base/log.h"

typedef struct kept {
    int count;
    beamc_severity severity;
    char message[64];
    char transform[32];
    char instruction[32];
    int64_t number;
} kept;

static void keep(void *arg, const beamc_log_record *r) {
    kept *k = arg;
    k->count++;
    k->severity = r->severity;
    snprintf(k->message, sizeof k->message, "%s", r->message);
    snprintf(k->transform, sizeof k->transform, "%s", r->transform_id);
    snprintf(k->instruction, sizeof k->instruction, "%s", r->instruction_id);
    k->number = r->field_count > 0 ? r->fields[0].number : 0;
}

static void context(const struct beamc_ctx *ctx, const char **transform, const char **instruction) {
    (void)ctx;
    *transform = "Parse";
    *instruction = "bundle-7";
}

Test(log, level_sink_and_context) {
    kept k = {0};
    beamc_log_set_sink(keep, &k);
    BEAMC_LOG_DEBUG(NULL, "not kept");
    cr_assert_eq(k.count, 0);
    BEAMC_LOG_WARN(NULL, "%d apples", 3);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.severity, BEAMC_WARN);
    cr_assert_str_eq(k.message, "3 apples");
    cr_assert_str_eq(k.transform, "");
    beamc__log_set_context(context);
    beamc_log_field field = {.name = "n", .number = 42, .is_number = true};
    struct beamc_ctx *some = (struct beamc_ctx *)&k; /* only passed through */
    beamc_log_write_fields(some, BEAMC_INFO, "f", 1, "row", &field, 1);
    cr_assert_str_eq(k.transform, "Parse");
    cr_assert_str_eq(k.instruction, "bundle-7");
    cr_assert_eq(k.number, 42);
    beamc_log_set_level(BEAMC_ERROR);
    BEAMC_LOG_WARN(NULL, "dropped");
    cr_assert_eq(k.count, 2);
    cr_assert(beamc_log_enabled(BEAMC_CRITICAL));
    beamc_log_set_level(BEAMC_INFO);
    beamc__log_set_context(NULL);
    beamc_log_set_sink(NULL, NULL);
}

Test(log, one_record_is_one_line) {
    beamc_log_field fields[] = {{.name = "key", .text = BEAMC_STR("v\nw")},
                                {.name = "n", .number = -5, .is_number = true}};
    beamc_log_record r = {.severity = BEAMC_ERROR,
                          .time = 1004,
                          .transform_id = "Step",
                          .instruction_id = "",
                          .message = "two\nlines",
                          .fields = fields,
                          .field_count = 2};
    beamc_buf out = {0};
    beamc__log_format(&r, &out);
    beamc_buf_put_u8(&out, 0);
    cr_assert_str_eq((const char *)out.ptr, "00:00:01.004 ERROR two lines key=v w n=-5 [Step]");
    char huge[8192];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    r.message = huge;
    beamc_buf_clear(&out);
    beamc__log_format(&r, &out);
    cr_assert_leq(out.len, 4096, "a line must fit in one write to a pipe");
    beamc_buf_free(&out);
}

Test(log, level_names) {
    beamc_severity level;
    cr_assert(beamc__log_level_of("Warning", &level));
    cr_assert_eq(level, BEAMC_WARN);
    cr_assert(beamc__log_level_of("critical", &level));
    cr_assert_eq(level, BEAMC_CRITICAL);
    cr_assert(!beamc__log_level_of("loud", &level));
    cr_assert_str_eq(beamc__log_level_name(BEAMC_NOTICE), "NOTICE");
    cr_assert_str_eq(beamc__log_level_name((beamc_severity)99), "LOG");
}
