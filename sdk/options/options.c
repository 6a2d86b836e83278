/* options.c: the set of options: look-up, checking, typed reading.
 *
 * Lifetime: texts live in the set's arena until it is freed. Threads: one writer, then many readers. */
#include "options/options_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/nearest.h"

/* ------------------------------------------------------------------------------- the set */

static beamc_option_entry *add_entry(beamc_options *o, const beamc_option *def) {
    if (o->count == o->cap) {
        o->cap = o->cap != 0 ? o->cap * 2 : 64;
        o->entries = beamc__realloc(o->entries, o->cap * sizeof *o->entries);
    }
    beamc_option_entry *e = &o->entries[o->count++];
    *e = (beamc_option_entry){.def = def};
    return e;
}

/* A LIST: its items are appended; anything else replaces. */
static void store(beamc_options *o, beamc_option_entry *e, beamc_slice value) {
    if (e->def->type != BEAMC_OPTION_LIST) {
        e->text = beamc_arena_cstr(o->arena, value);
        return;
    }
    e->text = e->text == NULL
                  ? beamc_arena_cstr(o->arena, value)
                  : beamc_arena_printf(o->arena, "%s,%.*s", e->text, BEAMC_SLICE_ARG(value));
    size_t max = e->item_count + 1;
    for (size_t i = 0; i < value.len; i++) {
        max += value.ptr[i] == ',';
    }
    const char **items = beamc_arena_alloc(o->arena, max * sizeof *items);
    if (e->item_count > 0) {
        memcpy(items, e->items, e->item_count * sizeof *items);
    }
    e->items = items;
    size_t start = 0;
    for (size_t i = 0; i <= value.len; i++) {
        if (i == value.len || value.ptr[i] == ',') {
            beamc_slice item = {value.ptr + start, i - start};
            start = i + 1;
            while (item.len > 0 && (item.ptr[0] == ' ' || item.ptr[0] == '\t')) {
                item.ptr++;
                item.len--;
            }
            while (item.len > 0 &&
                   (item.ptr[item.len - 1] == ' ' || item.ptr[item.len - 1] == '\t')) {
                item.len--;
            }
            if (item.len > 0) {
                e->items[e->item_count++] = beamc_arena_cstr(o->arena, item);
            }
        }
    }
}

beamc_options *beamc_options_new(const beamc_option *const *tables) {
    beamc_options *o = beamc__calloc(1, sizeof *o);
    o->arena = beamc_arena_new(4096);
    for (size_t t = 0; tables != NULL && tables[t] != NULL; t++) {
        for (const beamc_option *def = tables[t]; def->name != NULL; def++) {
            if (beamc__option_find(o, beamc_str(def->name)) != NULL) {
                continue; /* the first table that has it wins */
            }
            beamc_option_entry *e = add_entry(o, def);
            if (def->default_text != NULL) {
                store(o, e, beamc_str(def->default_text));
            }
        }
    }
    return o;
}

beamc_options *beamc__options_copy(const beamc_options *o) {
    beamc_options *copy = beamc_options_new(NULL);
    for (size_t i = 0; i < o->count; i++) {
        const beamc_option_entry *from = &o->entries[i];
        beamc_option_entry *e = from->unknown ? beamc__option_keep(copy, beamc_str(from->def->name))
                                              : add_entry(copy, from->def);
        e->source = from->source;
        if (from->text != NULL) {
            store(copy, e, beamc_str(from->text));
        }
    }
    return copy;
}

void beamc_options_free(beamc_options *o) {
    if (o != NULL) {
        beamc_arena_free(o->arena);
        free(o->entries);
        free(o);
    }
}

static bool same_name(const char *name, beamc_slice given) {
    size_t i = 0;
    for (; i < given.len && name[i] != '\0'; i++) {
        int c = given.ptr[i] == '-' ? '_' : given.ptr[i];
        if (c != name[i]) {
            return false;
        }
    }
    return i == given.len && name[i] == '\0';
}

beamc_option_entry *beamc__option_find(const beamc_options *o, beamc_slice name) {
    for (size_t i = 0; i < o->count; i++) {
        if (same_name(o->entries[i].def->name, name)) {
            return &o->entries[i];
        }
    }
    return NULL;
}

beamc_option_entry *beamc__option_keep(beamc_options *o, beamc_slice name) {
    beamc_option *def = beamc_arena_zalloc(o->arena, sizeof *def);
    char *text = beamc_arena_cstr(o->arena, name);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '-') {
            *c = '_';
        }
    }
    def->name = text;
    beamc_option_entry *e = add_entry(o, def);
    e->unknown = true;
    return e;
}

beamc_status beamc__option_unknown(const beamc_options *o, beamc_slice name, beamc_error *err) {
    const char *nearest = NULL;
    unsigned best = ~0u;
    for (size_t i = 0; i < o->count; i++) {
        const beamc_option_entry *e = &o->entries[i];
        unsigned d = beamc__edit_distance(name, beamc_str(e->def->name));
        if (!e->unknown && d < best) {
            best = d;
            nearest = e->def->name;
        }
    }
    if (nearest != NULL && beamc_edit_is_near(best, name.len)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "--%.*s: no such option; did you mean --%s? (--help lists all)",
                          BEAMC_SLICE_ARG(name), nearest);
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT,
                      nearest != NULL
                          ? "--%.*s: no such option; the nearest is --%s (--help lists all)"
                          : "--%.*s: no such option%s",
                      BEAMC_SLICE_ARG(name), nearest != NULL ? nearest : "");
}

/* -------------------------------------------------------------------------------- checking */

static beamc_status check_int(const beamc_option *def, const char *shown, const char *text,
                              beamc_error *err) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    bool digits = (text[0] >= '0' && text[0] <= '9') || text[0] == '-' || text[0] == '+';
    if (!digits || end == text || *end != '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s=%s: not a whole number", shown, text);
    }
    if (errno == ERANGE || (def->min < def->max && (n < def->min || n > def->max))) {
        if (def->min < def->max) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s=%s: must be from %lld to %lld", shown,
                              text, (long long)def->min, (long long)def->max);
        }
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s=%s: too large", shown, text);
    }
    return BEAMC_OK;
}

static beamc_status check_double(const char *shown, const char *text, beamc_error *err) {
    char *end;
    double d = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(d)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s=%s: not a number", shown, text);
    }
    return BEAMC_OK;
}

static int bool_of(const char *text) {
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcasecmp(text, yes[i]) == 0) {
            return 1;
        }
        if (strcasecmp(text, no[i]) == 0) {
            return 0;
        }
    }
    return -1;
}

/* The choice as the table spells it. */
static beamc_status check_choice(const beamc_option *def, const char *shown, beamc_slice value,
                                 beamc_slice *out, beamc_error *err) {
    const char *nearest = NULL;
    size_t nearest_len = 0;
    unsigned best = ~0u;
    for (const char *at = def->choices; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "|");
        unsigned d = beamc__edit_distance(beamc_slice_of(at, len), value);
        if (value.len == len && strncasecmp(at, value.ptr, len) == 0) {
            *out = beamc_slice_of(at, len);
            return BEAMC_OK;
        }
        if (d < best) {
            best = d;
            nearest = at;
            nearest_len = len;
        }
        at += len + (at[len] == '|');
    }
    bool near = nearest != NULL && beamc_edit_is_near(best, value.len);
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s=%.*s: %s%.*s%smust be one of %s", shown,
                      BEAMC_SLICE_ARG(value), near ? "did you mean " : "",
                      near ? (int)nearest_len : 0, near ? nearest : "", near ? "? It " : "",
                      def->choices != NULL ? def->choices : "(nothing)");
}

static beamc_status check(const beamc_option *def, const char *shown, beamc_slice *value,
                          beamc_arena *arena, beamc_error *err) {
    const char *text = beamc_arena_cstr(arena, *value);
    switch (def->type) {
    case BEAMC_OPTION_INT:
        return check_int(def, shown, text, err);
    case BEAMC_OPTION_DOUBLE:
        return check_double(shown, text, err);
    case BEAMC_OPTION_BOOL: {
        int b = bool_of(text);
        if (b < 0) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s=%s: must be true or false", shown, text);
        }
        *value = beamc_str(b ? "true" : "false");
        return BEAMC_OK;
    }
    case BEAMC_OPTION_CHOICE:
        return check_choice(def, shown, *value, value, err);
    default:
        return BEAMC_OK;
    }
}

beamc_status beamc__option_assign(beamc_options *o, beamc_option_entry *e,
                                  beamc_option_source source, const char *shown, beamc_slice value,
                                  beamc_error *err) {
    if (memchr(value.ptr != NULL ? value.ptr : "", '\0', value.len) != NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s: the value holds a zero byte", shown);
    }
    BEAMC_TRY(check(e->def, shown, &value, o->arena, err));
    if (source < e->source) {
        return BEAMC_OK;
    }
    if (source > e->source && e->def->type == BEAMC_OPTION_LIST) {
        e->text = NULL;
        e->item_count = 0;
    }
    e->source = source;
    store(o, e, value);
    return BEAMC_OK;
}

beamc_status beamc_options_set(beamc_options *o, const char *name, const char *value,
                               beamc_error *err) {
    beamc_option_entry *e = beamc__option_find(o, beamc_str(name));
    if (e == NULL) {
        return beamc__option_unknown(o, beamc_str(name), err);
    }
    const char *shown = beamc_arena_printf(o->arena, "--%s", e->def->name);
    return beamc__option_assign(o, e, BEAMC_FROM_COMMAND_LINE, shown, beamc_str(value), err);
}

/* --------------------------------------------------------------------------------- reading */

const char *beamc_option_text(const beamc_options *o, const char *name) {
    const beamc_option_entry *e = beamc__option_find(o, beamc_str(name));
    return e != NULL ? e->text : NULL;
}

int64_t beamc_option_int(const beamc_options *o, const char *name) {
    const char *text = beamc_option_text(o, name);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

double beamc_option_double(const beamc_options *o, const char *name) {
    const char *text = beamc_option_text(o, name);
    return text != NULL ? strtod(text, NULL) : 0.0;
}

bool beamc_option_bool(const beamc_options *o, const char *name) {
    const char *text = beamc_option_text(o, name);
    return text != NULL && bool_of(text) == 1;
}

bool beamc_option_given(const beamc_options *o, const char *name) {
    const beamc_option_entry *e = beamc__option_find(o, beamc_str(name));
    return e != NULL && e->source != BEAMC_FROM_DEFAULT;
}

const char *beamc_option_item(const beamc_options *o, const char *name, size_t index) {
    const beamc_option_entry *e = beamc__option_find(o, beamc_str(name));
    return e != NULL && index < e->item_count ? e->items[index] : NULL;
}
