/* spool.c: bundle finalization: work that is acknowledged only when its results are safe.
 *
 *     mkdir spool; echo 'one line' >spool/1; echo another >spool/2
 *     ./spool --spool=spool                  until no file came for --idle_ms
 *     ./spool --spool=spool --idle_ms=0      for ever, until Ctrl-C
 *
 * Files are named by ascending numbers; each is printed ("2: another"), and removed once the runner has
 * committed the bundle. A file that cannot be read fails the bundle, and stays. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <beamc/beamc.h>

typedef struct settings {
    int64_t idle_ms;
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, idle_ms, I64, "500", "Ends when no file came for so long; 0: never."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

/* The restriction: the numbers of the files. */
static beamc_status all_numbers(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, INT64_MAX};
    return BEAMC_OK;
}

/* The least number >= from of a file in the folder; -1: there is none. */
static beamc_status next_file(beamc_ctx *ctx, const char *folder, int64_t from, int64_t *found) {
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return beamc_fail(ctx, NOT_FOUND, "cannot read %s: %s", folder, strerror(errno));
    }
    *found = -1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *end;
        int64_t n = strtoll(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && n >= from && (*found < 0 || n < *found)) {
            *found = n;
        }
    }
    closedir(dir);
    return BEAMC_OK;
}

/* Called when the results are safe, on any thread. The argument is a copy of what beamc_finalize was given. */
static void remove_file(void *path) {
    unlink(path);
}

static const beamc_coder file_coder = BEAMC_KV(&beamc_varint, &beamc_bytes);

static beamc_status emit_file(beamc_ctx *ctx, int64_t number, const char *folder) {
    char path[4096], text[4096];
    snprintf(path, sizeof path, "%s/%lld", folder, (long long)number);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return beamc_fail(ctx, NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    }
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    len -= len > 0 && text[len - 1] == '\n';
    BEAMC_TRY(beamc_finalize(ctx, remove_file, path, strlen(path) + 1, 60000));
    beamc_value content = beamc_value_bytes(beamc_slice_of(text, len));
    return beamc_emit_at(ctx, 0, beamc_processing_time(ctx),
                         beamc_pair(beamc_value_i64(number), content));
}

/* Emits what is there, then takes a break, or ends. Results get the time at which they are emitted, so the
 * watermark is the clock. */
static beamc_status take_files(beamc_ctx *ctx, const beamc_elem *in) {
    const settings *s = beamc_config(ctx);
    const beamc_offset_range *range = beamc_restriction(ctx);
    const char *folder = beamc_arena_cstr(beamc_scratch_arena(ctx), in->bytes);
    int64_t number = range->start - 1;
    for (;;) {
        BEAMC_TRY(next_file(ctx, folder, number + 1, &number));
        if (number < 0) {
            break;
        }
        if (!beamc_try_claim(ctx, number)) {
            return BEAMC_OK;
        }
        BEAMC_TRY(emit_file(ctx, number, folder));
    }
    struct stat st = {0};
    stat(folder, &st);
    int64_t touched = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    bool is_idle = s->idle_ms > 0 && beamc_processing_time(ctx) - touched > s->idle_ms;
    if (is_idle && !beamc_try_claim(ctx, range->stop)) { /* nothing more will come */
        return BEAMC_OK;
    }
    return beamc_defer(ctx, 20);
}

static const beamc_dofn spooling = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:spool:v1",
    .doc = "A folder to (number, content) of its files, which are removed.",
    .config = &settings_row,
    .input = &beamc_string,
    .outputs[0] = {"files", &file_coder},
    .splittable = &(const beamc_splittable){.initial = all_numbers,
                                            .watermark = BEAMC_WATERMARK_WALL_TIME,
                                            .unbounded = true},
    .requires_finalization = true,
    .process = take_files,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    settings s = {beamc_option_int(o, "idle_ms")};
    const char *spool = beamc_option_text(o, "spool");
    beamc_pcoll folder = beamc_create_strings(p, "Folder", &spool, 1);
    beamc_pcoll files = beamc_pardo(folder, "Take", &spooling, .config = &s);
    beamc_print(files, "Print");
}

static const beamc_option options[] = {
    {.name = "spool",
     .default_text = "spool",
     .placeholder = "DIR",
     .doc = "The folder; files in it that are named by numbers are taken."},
    {.name = "idle_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "500",
     .min = 0,
     .max = 86400000,
     .placeholder = "MS",
     .doc = "Ends when no file came for so long; 0: never."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "spool",
    .doc = "Prints the files of a spool folder and removes them.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&spooling),
};
BEAMC_EXPORT(program);
