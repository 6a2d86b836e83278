/* parse.c: options from argv, the environment and a .env file. */
#include "options/options_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

/* --------------------------------------------------------------------------------- .env */

static bool is_key_char(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    return at;
}

/* The value of a line, unquoted, into @p out. NULL if sound, else what is wrong. */
static const char *dotenv_value(const char *at, beamc_buf *out) {
    char quote = '\0';
    if (*at == '\'' || *at == '"') {
        quote = *at++;
    }
    for (; *at != '\0' && *at != quote; at++) {
        if (quote == '\0' && *at == '#' && (out->len == 0 || at[-1] == ' ' || at[-1] == '\t')) {
            break;
        }
        char c = *at;
        if (quote == '"' && c == '\\' && at[1] != '\0') {
            c = *++at;
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
        }
        beamc_buf_put_u8(out, (unsigned char)c);
    }
    if (quote == '\0') {
        while (out->len > 0 && (out->ptr[out->len - 1] == ' ' || out->ptr[out->len - 1] == '\t')) {
            out->len--;
        }
        return NULL;
    }
    if (*at != quote) {
        return "the quote is not closed";
    }
    at = skip_blanks(at + 1);
    return *at == '\0' || *at == '#' ? NULL : "there is text behind the closing quote";
}

static void dotenv_remember(beamc_options *o, const char *key) {
    for (size_t i = 0; i < o->count; i++) {
        beamc_option_entry *e = &o->entries[i];
        if (e->def->env != NULL && strcmp(e->def->env, key) == 0) {
            e->source = BEAMC_FROM_DOTENV; /* the value follows with those of the environment */
        }
    }
}

static beamc_status dotenv_line(beamc_options *o, const char *path, unsigned number,
                                const char *line, beamc_error *err) {
    const char *at = skip_blanks(line);
    if (*at == '\0' || *at == '#') {
        return BEAMC_OK;
    }
    if (strncmp(at, "export ", 7) == 0) {
        at = skip_blanks(at + 7);
    }
    const char *key = at;
    while (is_key_char(*at, at == key)) {
        at++;
    }
    size_t key_len = (size_t)(at - key);
    at = skip_blanks(at);
    if (key_len == 0 || *at != '=') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s:%u: expected KEY=VALUE", path, number);
    }
    beamc_buf value = {0};
    const char *fault = dotenv_value(skip_blanks(at + 1), &value);
    beamc_buf_put_u8(&value, 0);
    char *name = beamc_arena_cstr(o->arena, beamc_slice_of(key, key_len));
    const char *present = getenv(name);
    if (fault == NULL && (present == NULL || present[0] == '\0') && value.len > 1) {
        setenv(name, (const char *)value.ptr, 1);
        dotenv_remember(o, name);
    }
    beamc_buf_free(&value);
    if (fault != NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s:%u: %s", path, number, fault);
    }
    return BEAMC_OK;
}

beamc_status beamc__dotenv_read(beamc_options *o, const char *path, beamc_error *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return BEAMC_OK;
        }
        return BEAMC_FAIL(err, NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    char *line = NULL;
    size_t cap = 0;
    beamc_status st = BEAMC_OK;
    ssize_t len;
    for (unsigned number = 1; st == BEAMC_OK && (len = getline(&line, &cap, file)) >= 0; number++) {
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
            line[--len] = '\0';
        }
        st = dotenv_line(o, path, number, line, err);
    }
    free(line);
    fclose(file);
    return st;
}

/* --------------------------------------------------------------------------- environment */

/* An empty variable counts as unset: that is what compose files pass for "nothing". */
static beamc_status read_environment(beamc_options *o, beamc_error *err) {
    for (size_t i = 0; i < o->count; i++) {
        beamc_option_entry *e = &o->entries[i];
        const char *value = e->def->env != NULL ? getenv(e->def->env) : NULL;
        if (value == NULL || value[0] == '\0') {
            continue;
        }
        beamc_option_source source =
            e->source == BEAMC_FROM_DOTENV ? BEAMC_FROM_DOTENV : BEAMC_FROM_ENV;
        if (e->def->type == BEAMC_OPTION_LIST) {
            e->source = BEAMC_FROM_DEFAULT; /* the default's items give way */
        }
        BEAMC_TRY(beamc__option_assign(o, e, source, e->def->env, beamc_str(value), err));
    }
    return BEAMC_OK;
}

/* -------------------------------------------------------------------------- command line */

static bool is_bool_word(const char *text) {
    return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
}

/* One argument, and its value, which may be the next one. */
static beamc_status parse_argument(beamc_options *o, int argc, char *const *argv, int *at,
                                   bool lenient, beamc_error *err) {
    const char *arg = argv[*at];
    if (strcmp(arg, "-h") == 0) {
        arg = "--help";
    }
    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "%s: unexpected argument; options are written --name=value (--help lists "
                          "them)",
                          arg);
    }
    const char *equals = strchr(arg, '=');
    beamc_slice name =
        equals != NULL ? beamc_slice_of(arg + 2, (size_t)(equals - arg - 2)) : beamc_str(arg + 2);
    beamc_option_entry *e = beamc__option_find(o, name);
    bool negated = false;
    if (e == NULL && equals == NULL && name.len > 3 && strncmp(name.ptr, "no", 2) == 0 &&
        (name.ptr[2] == '-' || name.ptr[2] == '_')) {
        beamc_option_entry *positive =
            beamc__option_find(o, beamc_slice_of(name.ptr + 3, name.len - 3));
        if (positive != NULL && positive->def->type == BEAMC_OPTION_BOOL) {
            e = positive;
            negated = true;
        }
    }
    if (e == NULL && !lenient) {
        return beamc__option_unknown(o, name, err);
    }
    const char *shown = beamc_arena_printf(o->arena, "--%.*s", BEAMC_SLICE_ARG(name));
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    const char *value;
    if (equals != NULL) {
        value = equals + 1;
    } else if (negated) {
        value = "false";
    } else if (e != NULL && e->def->type == BEAMC_OPTION_BOOL) {
        value = next != NULL && is_bool_word(next) ? argv[++*at] : "true";
    } else if (next != NULL && strncmp(next, "--", 2) != 0) {
        value = argv[++*at];
    } else if (e != NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s needs a value: %s=%s", shown, shown,
                          e->def->placeholder != NULL ? e->def->placeholder : "VALUE");
    } else {
        value = "true";
    }
    if (e == NULL) {
        fprintf(stderr, "warning: %s: no such option here; it is passed on\n", shown);
        e = beamc__option_keep(o, name);
    }
    return beamc__option_assign(o, e, BEAMC_FROM_COMMAND_LINE, shown, beamc_str(value), err);
}

beamc_status beamc_options_parse(beamc_options *o, int argc, char *const *argv,
                                 const char *env_file, bool lenient, beamc_error *err) {
    if (env_file != NULL) {
        BEAMC_TRY(beamc__dotenv_read(o, env_file, err));
    }
    BEAMC_TRY(read_environment(o, err));
    for (int i = 1; i < argc; i++) {
        BEAMC_TRY(parse_argument(o, argc, argv, &i, lenient, err));
    }
    return BEAMC_OK;
}
