/* publish_samples.c: writes made-up e-commerce events into a folder: clicks.jsonl, transactions.jsonl and
 * stock.jsonl, the input of beamc-run --input_clicks=... Equal options give equal files. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <beamc/generator.h>
#include <beamc/options.h>

static const beamc_option table[] = {
    {.name = "output",
     .placeholder = "DIR",
     .doc = "The folder to write to; it is made if it is not there.",
     .group = "Output"},
    {.name = "overwrite",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "false",
     .doc = "Replace files that exist.",
     .group = "Output"},
    {.name = "events",
     .type = BEAMC_OPTION_INT,
     .default_text = "300000",
     .doc = "Events in all: 70 % clicks, 20 % transactions, 10 % stock.",
     .group = "Events",
     .min = 0,
     .max = INT64_C(1000000000000)},
    {.name = "seed",
     .type = BEAMC_OPTION_INT,
     .default_text = "1",
     .doc = "Equal seeds give equal events.",
     .group = "Events",
     .min = 0,
     .max = INT64_MAX},
    {.name = "products",
     .type = BEAMC_OPTION_INT,
     .default_text = "2000",
     .doc = "Number of products; the n-th is sold 1/n times as often as the first.",
     .group = "Events",
     .min = 1,
     .max = 10000000},
    {.name = "seconds",
     .type = BEAMC_OPTION_INT,
     .default_text = "3600",
     .placeholder = "SECONDS",
     .doc = "Event time that the events span, from 2026-01-01T00:00:00Z on.",
     .group = "Events",
     .min = 1,
     .max = 315360000},
    {.name = "out_of_order_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "30000",
     .placeholder = "MS",
     .doc = "How late an event may stand in its file.",
     .group = "Events",
     .min = 0,
     .max = 86400000},
    {.name = "invalid_per_million",
     .type = BEAMC_OPTION_INT,
     .default_text = "20000",
     .doc = "Invalid events, of many kinds, in a million.",
     .group = "Events",
     .min = 0,
     .max = 1000000},
    {.name = "help", .type = BEAMC_OPTION_BOOL, .default_text = "false", .doc = "This text."},
    {0},
};

static const char *const names[] = {"clicks", "transactions", "stock"};

static int fail(int code, const char *what, const char *path, const char *why) {
    fprintf(stderr, "publish-samples: %s %s: %s\n", what, path, why);
    return code;
}

/* All events of a stream, a buffer at a time. */
static bool write_events(FILE *f, const beamc_generate_options *options) {
    int64_t count = beamc_generate_count(options->stream, options->events);
    beamc_buf text = {0};
    bool ok = true;
    for (int64_t i = 0; i < count && ok; i++) {
        beamc_generate_event(options, i, &text);
        beamc_buf_put_u8(&text, '\n');
        if (text.len >= 256 << 10 || i + 1 == count) {
            ok = fwrite(text.ptr, 1, text.len, f) == text.len;
            beamc_buf_clear(&text);
        }
    }
    int errnum = errno;
    beamc_buf_free(&text);
    errno = errnum;
    return ok;
}

/* One file, written beside and renamed, so that there is a whole one or none. */
static int write_file(const char *dir, const beamc_generate_options *options, bool overwrite) {
    char path[4096];
    char partial[4096 + 16];
    int n = snprintf(path, sizeof path, "%s/%s.jsonl", dir, names[options->stream]);
    if (n < 0 || (size_t)n >= sizeof path) {
        return fail(BEAMC_EXIT_OUTPUT, "cannot write to", dir, strerror(ENAMETOOLONG));
    }
    if (!overwrite && access(path, F_OK) == 0) {
        return fail(BEAMC_EXIT_OUTPUT, "cannot write", path,
                    "it exists; add --overwrite to replace it");
    }
    snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    FILE *f = fopen(partial, "wx");
    if (f == NULL) {
        return fail(BEAMC_EXIT_OUTPUT, "cannot make", path, strerror(errno));
    }
    bool ok = write_events(f, options);
    int errnum = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        errnum = errno;
    }
    if (ok && rename(partial, path) != 0) {
        ok = false;
        errnum = errno;
    }
    if (!ok) {
        unlink(partial);
        return fail(BEAMC_EXIT_OUTPUT, "cannot write", path, strerror(errnum));
    }
    printf("%s: %lld events\n", path,
           (long long)beamc_generate_count(options->stream, options->events));
    return BEAMC_EXIT_OK;
}

static int write_files(const beamc_options *o) {
    const char *dir = beamc_option_text(o, "output");
    if (dir == NULL || dir[0] == '\0') {
        fprintf(stderr,
                "publish-samples: no output: add --output=DIR (--help lists the options)\n");
        return BEAMC_EXIT_USAGE;
    }
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        return fail(BEAMC_EXIT_OUTPUT, "cannot make the folder", dir, strerror(errno));
    }
    int64_t invalid = beamc_option_int(o, "invalid_per_million");
    int64_t out_of_order = beamc_option_int(o, "out_of_order_ms");
    beamc_generate_options options = {
        .struct_size = sizeof options,
        .events = beamc_option_int(o, "events"),
        .seed = (uint64_t)beamc_option_int(o, "seed"),
        .products = beamc_option_int(o, "products"),
        .seconds = beamc_option_int(o, "seconds"),
        .out_of_order_ms = out_of_order == 0 ? -1 : out_of_order,
        .invalid_per_million = invalid == 0 ? -1 : invalid,
    };
    int code = BEAMC_EXIT_OK;
    for (options.stream = 0; options.stream < 3 && code == BEAMC_EXIT_OK; options.stream++) {
        code = write_file(dir, &options, beamc_option_bool(o, "overwrite"));
    }
    return code;
}

static void print_help(const beamc_options *o) {
    beamc_buf out = {0};
    beamc_options_help(o,
                       "usage: publish-samples --output=DIR [--option=value ...]\n"
                       "Writes made-up e-commerce events as JSON lines.",
                       &out);
    fwrite(out.ptr, 1, out.len, stdout);
    beamc_buf_free(&out);
}

int main(int argc, char **argv) {
    const beamc_option *const tables[] = {table, NULL};
    beamc_options *o = beamc_options_new(tables);
    beamc_error err = {0};
    int code;
    signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of the write */
    if (beamc_options_parse(o, argc, argv, NULL, false, &err) != BEAMC_OK) {
        fprintf(stderr, "publish-samples: %s\n", err.message);
        code = BEAMC_EXIT_USAGE;
    } else if (beamc_option_bool(o, "help")) {
        print_help(o);
        code = BEAMC_EXIT_OK;
    } else {
        code = write_files(o);
    }
    beamc_options_free(o);
    return code;
}
