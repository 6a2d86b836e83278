/* tail.c: a growing log file as an unbounded source: which levels were logged how often, minute by minute.
 *
 *     ./tail --input=app.log                 until nothing was written for --idle_ms
 *     ./tail --input=app.log --idle_ms=0     for ever, until Ctrl-C
 *
 * A line is "2026-01-01T00:00:00Z LEVEL text"; what is no such line, or out of order by more than
 * --slack_ms, is left out. Prints
 * "ERROR: 2 in [START, END)" as soon as the lines' times say that the minute is over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <beamc/beamc.h>

typedef struct settings {
    int64_t idle_ms;  /* 0: for ever */
    int64_t slack_ms; /* how far a line may be behind an earlier one */
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, idle_ms, I64, "500", "Ends when nothing was written for so long."),
    BEAMC_CONFIG(settings, slack_ms, I64, "1000", "How far lines may be out of order."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

/* The restriction is the bytes of the file, with no end. A line belongs to who owns its first byte. */
static beamc_status all_bytes(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, INT64_MAX};
    return BEAMC_OK;
}

/* When the job is drained: up to what is there now. */
static beamc_status bytes_so_far(beamc_ctx *ctx, const beamc_elem *in, void *restriction,
                                 bool *keep) {
    beamc_offset_range *range = restriction;
    struct stat st;
    const char *path = beamc_arena_cstr(beamc_scratch_arena(ctx), in->bytes);
    *keep = stat(path, &st) == 0 && st.st_size > range->start;
    range->stop = *keep ? st.st_size : range->start;
    return BEAMC_OK;
}

static beamc_status emit_line(beamc_ctx *ctx, beamc_slice line) {
    const settings *s = beamc_config(ctx);
    const char *space = memchr(line.ptr, ' ', line.len);
    size_t time_len = space != NULL ? (size_t)(space - line.ptr) : 0;
    beamc_time time;
    if (!beamc_parse_time(beamc_slice_of(line.ptr, time_len), &time)) {
        return BEAMC_OK;
    }
    if (time < beamc_watermark(ctx)) { /* further behind than was promised */
        BEAMC_LOG_WARN(NULL, "left out, more than %lld ms late: %.*s", (long long)s->slack_ms,
                       BEAMC_SLICE_ARG(line));
        return BEAMC_OK;
    }
    beamc_watermark_set(ctx, time - s->slack_ms); /* it never moves back */
    beamc_slice level = beamc_slice_of(space + 1, strcspn(space + 1, " \n"));
    beamc_value pair = beamc_pair(beamc_value_bytes(level), beamc_value_i64(1));
    return beamc_emit_at(ctx, 0, time, pair);
}

/* All complete lines of [at, ...). *done: there is nothing more to do, now and later. */
static beamc_status emit_lines(beamc_ctx *ctx, FILE *file, int64_t at, char **line, bool *done) {
    const beamc_offset_range *range = beamc_restriction(ctx);
    size_t room = 0;
    ssize_t len;
    if (at > 0 && fseeko(file, --at, SEEK_SET) == 0) { /* the rest of a line that is not ours */
        len = getline(line, &room, file);
        at += len > 0 ? len : 1;
    }
    *done = false;
    while ((len = getline(line, &room, file)) > 0 && (*line)[len - 1] == '\n') {
        *done = !beamc_try_claim(ctx, at);
        if (*done) {
            return BEAMC_OK;
        }
        BEAMC_TRY(emit_line(ctx, beamc_slice_of(*line, (size_t)len)));
        at += len;
    }
    *done = at >= range->stop && !beamc_try_claim(ctx, at);
    return BEAMC_OK;
}

/* What is there now; then a break, or the end. */
static beamc_status tail(beamc_ctx *ctx, const beamc_elem *in) {
    const settings *s = beamc_config(ctx);
    const beamc_offset_range *range = beamc_restriction(ctx);
    const char *path = beamc_arena_cstr(beamc_scratch_arena(ctx), in->bytes);
    FILE *file = fopen(path, "re");
    struct stat st;
    if (file == NULL || fstat(fileno(file), &st) != 0) {
        return beamc_fail(ctx, NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    }
    char *line = NULL;
    bool done;
    beamc_status status = emit_lines(ctx, file, range->start, &line, &done);
    free(line);
    fclose(file);
    int64_t written = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    int64_t idle_ms = beamc_processing_time(ctx) - written;
    if (status == BEAMC_OK && !done && s->idle_ms > 0 && idle_ms > s->idle_ms) {
        done = !beamc_try_claim(ctx, range->stop); /* nothing more will come */
    }
    return status != BEAMC_OK || done ? status : beamc_defer(ctx, 20);
}

static const beamc_dofn tailing = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:tail:v1",
    .doc = "A log file to (level, 1), for each line that is or will be in it.",
    .config = &settings_row,
    .input = &beamc_string,
    .outputs[0] = {"levels", &beamc_kv_str_i64},
    .splittable = &(const beamc_splittable){.initial = all_bytes,
                                            .truncate = bytes_so_far,
                                            .watermark = BEAMC_WATERMARK_MANUAL,
                                            .unbounded = true},
    .process = tail,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    settings s = {beamc_option_int(o, "idle_ms"), beamc_option_int(o, "slack_ms")};
    const char *input = beamc_option_text(o, "input");
    beamc_pcoll file = beamc_create_strings(p, "File", &input, 1);
    beamc_pcoll levels = beamc_pardo(file, "Tail", &tailing, .config = &s);
    levels = beamc_window_into(levels, "Minutes", .fn = beamc_fixed(.size_ms = 60000));
    beamc_pcoll counts = beamc_combine_per_key(levels, "Count", &beamc_sum_i64);
    beamc_print(counts, "Print", .window = true);
}

static const beamc_option options[] = {
    {.name = "input", .default_text = "app.log", .placeholder = "FILE", .doc = "The log file."},
    {.name = "idle_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "500",
     .min = 0,
     .max = 86400000,
     .placeholder = "MS",
     .doc = "Ends when nothing was written for so long; 0: never."},
    {.name = "slack_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "1000",
     .min = 0,
     .max = 86400000,
     .placeholder = "MS",
     .doc = "How far a line may be behind an earlier one; it is late behind that."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "tail",
    .doc = "Counts the levels of a growing log file for each minute.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&tailing),
};
BEAMC_EXPORT(program);
