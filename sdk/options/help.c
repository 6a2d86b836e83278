/* help.c: --help and .env.sample, from the same tables that parse and check. */
#include "options/options_impl.h"

enum { WIDTH = 96, DOC_COLUMN = 32 };

/* Words of @p text from column @p at on, wrapped behind @p indent columns. Returns the column. */
static size_t put_wrapped(beamc_buf *out, const char *text, size_t at, size_t indent,
                          const char *line_start) {
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (at + word + 1 > WIDTH && at > indent) {
            beamc_buf_put_u8(out, '\n');
            beamc_buf_printf(out, "%s%*s", line_start, (int)(indent - strlen(line_start)), "");
            at = indent;
        } else if (at > indent) {
            beamc_buf_put_u8(out, ' ');
            at++;
        }
        beamc_buf_put(out, text, word);
        at += word;
        text += word;
        text += strspn(text, " \n");
    }
    return at;
}

static const char *group_of(const beamc_option *def) {
    return def->group != NULL ? def->group : "Options";
}

static void put_name(beamc_buf *out, const beamc_option *def) {
    if (def->type == BEAMC_OPTION_BOOL) {
        bool on = def->default_text != NULL && strcmp(def->default_text, "true") == 0;
        beamc_buf_printf(out, on ? "  --[no-]%s" : "  --%s", def->name);
        return;
    }
    const char *value = def->placeholder;
    if (value == NULL) {
        value = def->type == BEAMC_OPTION_INT      ? "N"
                : def->type == BEAMC_OPTION_DOUBLE ? "X"
                : def->type == BEAMC_OPTION_CHOICE ? "NAME"
                : def->type == BEAMC_OPTION_LIST   ? "A,B,..."
                                                   : "TEXT";
    }
    beamc_buf_printf(out, "  --%s=%s", def->name, value);
}

static void put_option(beamc_buf *out, const beamc_option *def) {
    size_t start = out->len;
    put_name(out, def);
    size_t at = out->len - start;
    if (at + 2 > DOC_COLUMN) {
        beamc_buf_put_u8(out, '\n');
        at = 0;
    }
    beamc_buf_printf(out, "%*s", (int)(DOC_COLUMN - at), "");
    at = put_wrapped(out, def->doc, DOC_COLUMN, DOC_COLUMN, "");
    beamc_buf notes = {0};
    if (def->type == BEAMC_OPTION_CHOICE && def->choices != NULL) {
        beamc_buf_put_str(&notes, "One of ");
        for (const char *c = def->choices; *c != '\0'; c++) {
            if (*c == '|') {
                beamc_buf_put_str(&notes, ", ");
            } else {
                beamc_buf_put_u8(&notes, (unsigned char)*c);
            }
        }
        beamc_buf_put_str(&notes, ". ");
    }
    bool shown_default =
        def->default_text != NULL && def->default_text[0] != '\0' &&
        !(def->type == BEAMC_OPTION_BOOL && strcmp(def->default_text, "false") == 0);
    if (shown_default || def->env != NULL) {
        beamc_buf_printf(&notes, "[%s%s%s%s%s]", shown_default ? "default: " : "",
                         shown_default ? def->default_text : "",
                         shown_default && def->env != NULL ? "; " : "",
                         def->env != NULL ? "env: " : "", def->env != NULL ? def->env : "");
    }
    beamc_buf_put_u8(&notes, 0);
    put_wrapped(out, (const char *)notes.ptr, at, DOC_COLUMN, "");
    beamc_buf_free(&notes);
    beamc_buf_put_u8(out, '\n');
}

/* Whether an entry before @p at has the same group, which therefore is out already. */
static bool group_is_done(const beamc_options *o, size_t at) {
    for (size_t i = 0; i < at; i++) {
        const beamc_option *def = o->entries[i].def;
        if (def->doc != NULL && strcmp(group_of(def), group_of(o->entries[at].def)) == 0) {
            return true;
        }
    }
    return false;
}

void beamc_options_help(const beamc_options *o, const char *usage, beamc_buf *out) {
    if (usage != NULL) {
        beamc_buf_printf(out, "%s\n", usage);
    }
    for (size_t i = 0; i < o->count; i++) {
        const beamc_option *first = o->entries[i].def;
        if (first->doc == NULL || group_is_done(o, i)) {
            continue; /* without a doc: for the machinery, not for people */
        }
        beamc_buf_printf(out, "\n%s:\n", group_of(first));
        for (size_t k = i; k < o->count; k++) {
            const beamc_option *def = o->entries[k].def;
            if (def->doc != NULL && strcmp(group_of(def), group_of(first)) == 0) {
                put_option(out, def);
            }
        }
    }
}

/* Whether an option before @p at uses the same variable. */
static bool variable_is_done(const beamc_options *o, size_t at) {
    for (size_t i = 0; i < at; i++) {
        const beamc_option *def = o->entries[i].def;
        if (def->env != NULL && strcmp(def->env, o->entries[at].def->env) == 0) {
            return true;
        }
    }
    return false;
}

void beamc_options_env_sample(const beamc_options *o, beamc_buf *out) {
    const char *group = NULL;
    for (size_t i = 0; i < o->count; i++) {
        const beamc_option *def = o->entries[i].def;
        if (def->env == NULL || def->doc == NULL || variable_is_done(o, i)) {
            continue;
        }
        if (group == NULL || strcmp(group, group_of(def)) != 0) {
            group = group_of(def);
            beamc_buf_printf(out, "%s# --- %s\n", i > 0 && out->len > 0 ? "\n" : "", group);
        }
        beamc_buf_put_str(out, "# ");
        put_wrapped(out, def->doc, 2, 2, "# ");
        beamc_buf_printf(out, "\n#%s=%s\n", def->env,
                         def->default_text != NULL ? def->default_text : "");
    }
}
