/* mandelbrot.c: a restriction and a tracker of one's own: a picture is cut in tiles, and a tile in two where
 * the runner wants to share the rest of it.
 *
 *     ./mandelbrot --width=72 --height=24
 *
 * prints the picture, the same whoever drew which part. */
#include <beamc/beamc.h>

/* Columns [left, right) of rows [top, bottom): the element, which is the whole picture, and the restriction,
 * which is a part of it. */
typedef struct tile {
    int32_t left, right, top, bottom;
} tile;
static const beamc_field tile_fields[] = {
    BEAMC_REQUIRED(tile, left, I32),
    BEAMC_REQUIRED(tile, right, I32),
    BEAMC_REQUIRED(tile, top, I32),
    BEAMC_REQUIRED(tile, bottom, I32),
};
static const beamc_row tile_row = BEAMC_ROW(tile, tile_fields);
static const beamc_coder tile_coder = BEAMC_ROW_CODER(&tile_row);

/* The tracker: what is left of the tile, and the next row to claim. Rows are claimed in order; the library
 * calls these functions under a lock. */
typedef struct tracker {
    tile tile;
    int32_t next;
} tracker;

static beamc_status start(beamc_ctx *ctx, void *state, const void *restriction) {
    (void)ctx;
    tracker *t = state;
    t->tile = *(const tile *)restriction;
    t->next = t->tile.top;
    return BEAMC_OK;
}

static bool try_claim(void *state, const void *position) {
    tracker *t = state;
    t->next = *(const int32_t *)position + 1;
    return t->next <= t->tile.bottom;
}

static bool split(void *state, double fraction, void *primary, void *residual) {
    tracker *t = state;
    int32_t cut = t->next + (int32_t)(fraction * (t->tile.bottom - t->next));
    if (cut >= t->tile.bottom) {
        return false;
    }
    tile *mine = primary, *theirs = residual;
    *mine = *theirs = t->tile;
    mine->bottom = theirs->top = t->tile.bottom = cut;
    return true;
}

static void progress(const void *state, double *done, double *remaining) {
    const tracker *t = state;
    *done = t->next - t->tile.top;
    *remaining = t->next < t->tile.bottom ? t->tile.bottom - t->next : 0;
}

static beamc_status check_done(const void *state, beamc_error *err) {
    const tracker *t = state;
    return t->next >= t->tile.bottom ? BEAMC_OK
                                     : BEAMC_FAIL(err, INTERNAL, "row %d was not drawn", t->next);
}

static const beamc_tracker_fn by_row = {
    .state_size = sizeof(tracker),
    .start = start,
    .try_claim = try_claim,
    .split = split,
    .progress = progress,
    .check_done = check_done,
};

static beamc_status whole(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    *(tile *)restriction = *(const tile *)in->row;
    return BEAMC_OK;
}

/* Two halves to begin with. */
static beamc_status halves(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)in;
    tile left = *(const tile *)restriction, right = left;
    left.right = right.left = (left.left + left.right) / 2;
    BEAMC_TRY(beamc_emit_restriction(ctx, &left));
    return beamc_emit_restriction(ctx, &right);
}

static char shade(double cx, double cy) {
    double x = 0, y = 0;
    int steps = 0;
    for (; steps < 2000 && x * x + y * y <= 4; steps++) {
        double next = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = next;
    }
    static const char shades[] = " .:-=+*%@";
    if (steps == 2000) {
        return '#';
    }
    return shades[steps < 27 ? steps / 3 : 8];
}

/* A line of the tile, under its place in the picture's text (whose lines are width + 1 long). */
static beamc_status draw(beamc_ctx *ctx, const beamc_elem *in) {
    const tile *all = in->row, *t = beamc_restriction(ctx);
    for (int32_t y = t->top; beamc_try_claim_position(ctx, &y); y++) {
        char *line = beamc_alloc(ctx, (size_t)(t->right - t->left) + 1);
        size_t n = 0;
        for (int32_t x = t->left; x < t->right; x++) {
            line[n++] = shade(3.2 * x / all->right - 2.2, 2.4 * y / all->bottom - 1.2);
        }
        if (t->right == all->right) {
            line[n++] = '\n';
        }
        beamc_value place = beamc_value_i64((int64_t)y * (all->right + 1) + t->left);
        beamc_value text = beamc_value_bytes(beamc_slice_of(line, n));
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_pair(place, text)));
    }
    return BEAMC_OK;
}

static const beamc_coder piece_coder = BEAMC_KV(&beamc_varint, &beamc_string);
static const beamc_coder pieces_coder = BEAMC_ITERABLE(&piece_coder);
static const beamc_coder gathered_coder = BEAMC_KV(&beamc_varint, &pieces_coder);

static const beamc_dofn drawing = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:mandelbrot_draw:v1",
    .doc = "A picture to pieces of its text.",
    .input = &tile_coder,
    .outputs[0] = {"pieces", &piece_coder},
    .splittable =
        &(const beamc_splittable){
            .restriction = &tile_row, .tracker = &by_row, .initial = whole, .split = halves},
    .process = draw,
};

/* All pieces to one text. */
static beamc_status hang(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *pieces = in->kv->value.iterable;
    beamc_iter it;
    beamc_value piece;
    size_t size = 0;
    for (beamc_iterate(pieces, &it); beamc_iter_next(&it, &piece);) {
        size += piece.kv->value.bytes.len;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    char *text = beamc_alloc(ctx, size);
    for (beamc_iterate(pieces, &it); beamc_iter_next(&it, &piece);) {
        beamc_slice s = piece.kv->value.bytes;
        memcpy(text + piece.kv->key.i64, s.ptr, s.len);
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_value_bytes(beamc_slice_of(text, size - 1)));
}

static const beamc_dofn hanging = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:mandelbrot_hang:v1",
    .doc = "Pieces to the whole text.",
    .input = &gathered_coder,
    .outputs[0] = {"picture", &beamc_string},
    .process = hang,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    tile all = {0, (int32_t)beamc_option_int(o, "width"), 0,
                (int32_t)beamc_option_int(o, "height")};
    beamc_value size = beamc_value_row(&all);
    beamc_pcoll picture = beamc_create(p, "Size", &tile_coder, &size, 1);
    beamc_pcoll pieces = beamc_pardo(picture, "Draw", &drawing);
    beamc_pcoll keyed = beamc_with_key(pieces, "Together", &beamc_varint, beamc_value_i64(0));
    beamc_pcoll text = beamc_pardo(beamc_group_by_key(keyed, "Gather"), "Hang", &hanging);
    beamc_print(text, "Print");
}

static const beamc_option options[] = {
    {.name = "width", .type = BEAMC_OPTION_INT, .default_text = "72", .min = 2, .max = 1000},
    {.name = "height", .type = BEAMC_OPTION_INT, .default_text = "24", .min = 1, .max = 1000},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI, .name = "mandelbrot", .doc = "Draws the Mandelbrot set with characters.",
    .build = build,    .options = options,   .fns = BEAMC_FNS(&drawing, &hanging),
};
BEAMC_EXPORT(program);
