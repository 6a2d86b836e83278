/* row_info.c: what can be said of a row table without a value of it. Pure; safe from any thread. */
#include "coder/row_field.h"

static uint64_t mix(uint64_t hash, const void *data, size_t len) {
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    }
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text) {
    return text != NULL ? mix(hash, text, strlen(text) + 1) : mix(hash, "\xff", 1);
}

static uint64_t mix_row(uint64_t hash, const beamc_row *row, unsigned depth);

static uint64_t mix_field(uint64_t hash, const beamc_field *f, unsigned depth) {
    const unsigned char head[2] = {(unsigned char)f->type, f->nullable};
    hash = mix(hash, head, sizeof head);
    hash = mix_text(hash, f->logical_urn);
    if (f->type == BEAMC_FIELD_MAP) {
        hash = mix_field(hash, f->key, depth);
    }
    if (f->type == BEAMC_FIELD_ARRAY || f->type == BEAMC_FIELD_ITERABLE ||
        f->type == BEAMC_FIELD_MAP) {
        hash = mix_field(hash, f->element, depth);
    }
    return f->type == BEAMC_FIELD_ROW ? mix_row(hash, f->row, depth + 1) : hash;
}

static uint64_t mix_row(uint64_t hash, const beamc_row *row, unsigned depth) {
    if (depth > BEAMC_CODER_MAX_DEPTH / 4) {
        return mix(hash, "deep", 4); /* a recursive table: its first levels tell enough */
    }
    hash = mix(hash, &(unsigned char){'{'}, 1);
    for (uint32_t i = 0; i < row->field_count; i++) {
        hash = mix_text(hash, row->fields[i].name);
        hash = mix_field(hash, &row->fields[i], depth);
    }
    return mix(hash, &(unsigned char){'}'}, 1);
}

uint64_t beamc_row_fingerprint(const beamc_row *row) {
    return mix_row(UINT64_C(0xcbf29ce484222325), row, 0);
}
