/* wordcount.c: how often each word occurs in some text files.
 *
 *     ./wordcount --input='texts/<glob>' --output=counts
 *
 * writes counts/words.jsonl, one {"word": ..., "count": ...} for each word. */
#include <beamc/beamc.h>
#include <beamc/io.h>

typedef struct word_count {
    beamc_slice word;
    int64_t count;
} word_count;

static const beamc_field word_count_fields[] = {
    BEAMC_REQUIRED(word_count, word, STRING),
    BEAMC_REQUIRED(word_count, count, I64),
};
static const beamc_row word_count_row = BEAMC_ROW(word_count, word_count_fields);
static const beamc_coder word_count_coder = BEAMC_ROW_CODER(&word_count_row);

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'' ||
           (unsigned char)c >= 0x80;
}

/* A line to (word, 1) pairs. Nothing is copied: the words are slices of the line. */
static beamc_status split_words(beamc_ctx *ctx, const beamc_elem *in) {
    const char *p = in->bytes.ptr;
    const char *end = p + in->bytes.len;
    while (p < end) {
        const char *start = p;
        while (p < end && is_letter(*p)) {
            p++;
        }
        if (p > start) {
            beamc_value word = beamc_value_bytes(beamc_slice_of(start, (size_t)(p - start)));
            BEAMC_TRY(beamc_emit(ctx, 0, beamc_kv_of(ctx, word, beamc_value_i64(1))));
        }
        while (p < end && !is_letter(*p)) {
            p++;
        }
    }
    return BEAMC_OK;
}

static const beamc_dofn split = {
    BEAMC_DOFN_ABI,        .urn = "example:dofn:split_words:v1",       .doc = "Lines to (word, 1).",
    .input = &beamc_bytes, .outputs[0] = {"words", &beamc_kv_str_i64}, .process = split_words,
};

static beamc_status make_row(beamc_ctx *ctx, const beamc_elem *in) {
    word_count row = {in->kv->key.bytes, in->kv->value.i64};
    return beamc_emit(ctx, 0, beamc_value_row(&row));
}

static const beamc_dofn to_row = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:word_count_row:v1",
    .doc = "(word, count) to a row.",
    .input = &beamc_kv_str_i64,
    .outputs[0] = {"rows", &word_count_coder},
    .process = make_row,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_pcoll lines = beamc_read_lines(p, "Read", .pattern = beamc_option_text(o, "input"));
    beamc_pcoll words = beamc_pardo(lines, "Split", &split);
    beamc_pcoll counts = beamc_combine_per_key(words, "Count", &beamc_sum_i64);
    beamc_sink_table table = {beamc_pardo(counts, "ToRow", &to_row), "words"};
    beamc_write_jsonl(p, "Write", &table, 1, .path = beamc_option_text(o, "output"),
                      .overwrite = beamc_option_bool(o, "overwrite"));
}

static const beamc_option options[] = {
    {.name = "input",
     .default_text = "README.md",
     .placeholder = "FILE|GLOB",
     .doc = "Text files to read."},
    {.name = "output",
     .default_text = "counts",
     .placeholder = "DIR",
     .doc = "Folder for words.jsonl."},
    {.name = "overwrite",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "false",
     .doc = "Replace an output that exists."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "wordcount",
    .doc = "Counts the words of text files.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&split, &to_row),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
