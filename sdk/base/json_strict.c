/* json_strict.c: RFC 8259 byte by byte, for what simdjson refuses.
 *
 * One pass over the text validates it and remembers where the wanted members' last values stand;
 * they are converted afterwards. No recursion: open containers are one bit each. Strict means: no
 * byte order mark, well-formed UTF-8, paired surrogate escapes, numbers that are finite as doubles.
 * Threads: everything is in the caller's frame. */
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/json_parts.h"
#include "base/json_scan.h"
#include "base/utf8.h"

enum { MAX_DEPTH = 1024, SURELY_FINITE_DIGITS = 300 };

typedef struct scan {
    const unsigned char *start;
    const unsigned char *p;
    const unsigned char *end;
    beamc_error *err;
    size_t depth;
    uint64_t in_object[MAX_DEPTH / 64];
} scan;

/* One remembered value: its kind, and its bytes in the text where they are needed. */
typedef struct found {
    beamc_json_kind kind;
    bool flag; /* string: has escapes; bool: the value */
    beamc_slice raw;
} found;

static beamc_status fault(const scan *s, const char *what) {
    if (s->p == s->end) {
        return BEAMC_FAIL(s->err, INVALID_ARGUMENT, "JSON ends after %zu bytes: %s",
                          (size_t)(s->p - s->start), what);
    }
    return BEAMC_FAIL(s->err, INVALID_ARGUMENT, "JSON, byte %zu: %s", (size_t)(s->p - s->start),
                      what);
}

static inline void skip_space(scan *s) {
    const unsigned char *p = s->p;
    while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    s->p = p;
}

/* ---------------------------------------------------------------------------------- strings */

/* Moves behind one well-formed UTF-8 sequence. */
static bool skip_utf8(scan *s) {
    bool ok;
    size_t len = beamc_utf8_step(s->p, s->end, &ok);
    s->p += ok ? len : 0;
    return ok;
}

/* The four hex digits at @p p as a number, or -1. */
static int hex4(const unsigned char *p, const unsigned char *end) {
    if (end - p < 4) {
        return -1;
    }
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        v = v * 16 + digit;
    }
    return v;
}

/* Moves behind the escape at s->p (a backslash). */
static beamc_status skip_escape(scan *s) {
    if (s->end - s->p < 2) {
        s->p = s->end;
        return fault(s, "inside a string");
    }
    unsigned c = s->p[1];
    if (c != 'u') {
        if (c == 0 || strchr("\"\\/bfnrt", (int)c) == NULL) {
            return fault(s, "unknown escape in a string");
        }
        s->p += 2;
        return BEAMC_OK;
    }
    int unit = hex4(s->p + 2, s->end);
    if (unit < 0) {
        return fault(s, "\\u needs four hexadecimal digits");
    }
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
        return fault(s, "low surrogate escape without a high one before it");
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        const unsigned char *second = s->p + 6;
        int low = s->end - second >= 6 && second[0] == '\\' && second[1] == 'u'
                      ? hex4(second + 2, s->end)
                      : -1;
        if (low < 0xDC00 || low > 0xDFFF) {
            return fault(s, "high surrogate escape without a low one behind it");
        }
        s->p += 6;
    }
    s->p += 6;
    return BEAMC_OK;
}

/* Goes on where something other than plain ASCII stands in a string that began at @p from. */
static beamc_status scan_string_on(scan *s, const unsigned char *from, beamc_slice *raw,
                                   bool *escaped) {
    for (; s->p < s->end; s->p = beamc_json_plain_end(s->p, s->end)) {
        unsigned c = *s->p;
        if (c == '"') {
            *raw = beamc_slice_of(from, (size_t)(s->p - from));
            s->p++;
            return BEAMC_OK;
        }
        if (c == '\\') {
            *escaped = true;
            BEAMC_TRY(skip_escape(s));
        } else if (c < 0x20) {
            return fault(s, "control character in a string; write it as an escape");
        } else if (!skip_utf8(s)) {
            return fault(s, "ill-formed UTF-8");
        }
    }
    return fault(s, "inside a string");
}

/* Moves behind the string that starts at s->p (a quote). @p raw: what stands between the quotes. */
static inline beamc_status scan_string(scan *s, beamc_slice *raw, bool *escaped) {
    const unsigned char *from = s->p + 1;
    const unsigned char *p = beamc_json_plain_end(from, s->end);
    *escaped = false;
    if (__builtin_expect(p < s->end && *p == '"', 1)) {
        *raw = beamc_slice_of(from, (size_t)(p - from));
        s->p = p + 1;
        return BEAMC_OK;
    }
    s->p = p;
    return scan_string_on(s, from, raw, escaped);
}

static unsigned char *put_utf8(unsigned char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (unsigned char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (unsigned char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        *to++ = (unsigned char)(0xE0 | c >> 12);
        *to++ = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    } else {
        *to++ = (unsigned char)(0xF0 | c >> 18);
        *to++ = (unsigned char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    }
    *to++ = (unsigned char)(0x80 | (c & 0x3F));
    return to;
}

static const char escape_from[] = "\"\\/bfnrt";
static const char escape_to[] = "\"\\/\b\f\n\r\t";

/* Writes the meaning of a string that scan_string accepted; it is never longer than @p raw. */
static size_t unescape(beamc_slice raw, unsigned char *out) {
    const unsigned char *p = (const unsigned char *)raw.ptr;
    const unsigned char *end = p + raw.len;
    unsigned char *to = out;
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
        } else if (p[1] != 'u') {
            *to++ = (unsigned char)escape_to[strchr(escape_from, p[1]) - escape_from];
            p += 2;
        } else {
            uint32_t c = (uint32_t)hex4(p + 2, end);
            p += 6;
            if (c >= 0xD800 && c <= 0xDBFF) {
                c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 2, end) - 0xDC00);
                p += 6;
            }
            to = put_utf8(to, c);
        }
    }
    return (size_t)(to - out);
}

/* ---------------------------------------------------------------------------------- numbers */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The double at @p raw, whose grammar is checked and behind which stands a byte of the text. */
static double to_double(beamc_slice raw) {
    pthread_once(&c_locale_once, make_c_locale);
    return strtod_l(raw.ptr, NULL, c_locale);
}

static size_t skip_digits(scan *s) {
    const unsigned char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
    }
    return (size_t)(s->p - from);
}

/* Moves behind the number at s->p (a minus or a digit). */
static beamc_status scan_number(scan *s, found *out) {
    const unsigned char *from = s->p;
    s->p += *s->p == '-';
    bool zero = s->p < s->end && *s->p == '0';
    size_t digits = skip_digits(s);
    if (digits == 0) {
        return fault(s, "a digit is missing in a number");
    }
    if (zero && digits > 1) {
        s->p -= digits;
        return fault(s, "a number must not start with 0 and a further digit");
    }
    bool exponent = false;
    out->kind = BEAMC_JSON_INT;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        out->kind = BEAMC_JSON_REAL;
        if (skip_digits(s) == 0) {
            return fault(s, "a digit is missing behind the point of a number");
        }
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        out->kind = BEAMC_JSON_REAL;
        exponent = true;
        s->p += s->p < s->end && (*s->p == '+' || *s->p == '-');
        if (skip_digits(s) == 0) {
            return fault(s, "a digit is missing in the exponent of a number");
        }
    }
    if (s->p == s->end) { /* to_double needs a byte that ends the number */
        return fault(s, "inside an object");
    }
    out->raw = beamc_slice_of(from, (size_t)(s->p - from));
    if (exponent || digits > SURELY_FINITE_DIGITS) {
        double v = to_double(out->raw);
        if (!(v <= 0x1.fffffffffffffp1023 && v >= -0x1.fffffffffffffp1023)) {
            s->p = from;
            return fault(s, "a number is too large for a double");
        }
    }
    return BEAMC_OK;
}

static void integer_field(beamc_slice raw, beamc_json_field *out) {
    bool negative = raw.ptr[0] == '-';
    uint64_t limit = negative ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t v = 0;
    out->kind = BEAMC_JSON_BIG_INT;
    for (size_t i = negative; i < raw.len; i++) {
        uint64_t digit = (uint64_t)(raw.ptr[i] - '0');
        if (v > (limit - digit) / 10) {
            return;
        }
        v = v * 10 + digit;
    }
    out->kind = BEAMC_JSON_INT;
    out->i64 = (int64_t)(negative ? 0 - v : v);
}

/* ----------------------------------------------------------------------------------- values */

static beamc_status scan_word(scan *s, const char *word, found *out, beamc_json_kind kind) {
    size_t len = strlen(word);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0) {
        return fault(s, "a value is expected here: a string, a number, an object, an array, true, "
                        "false or null");
    }
    out->kind = kind;
    out->flag = kind == BEAMC_JSON_BOOL && word[0] == 't';
    s->p += len;
    return BEAMC_OK;
}

static beamc_status open_container(scan *s, bool object) {
    if (s->depth == MAX_DEPTH) {
        return fault(s, "more than 1024 levels of nesting");
    }
    uint64_t bit = UINT64_C(1) << (s->depth % 64);
    if (object) {
        s->in_object[s->depth / 64] |= bit;
    } else {
        s->in_object[s->depth / 64] &= ~bit;
    }
    s->depth++;
    s->p++;
    return BEAMC_OK;
}

static bool inside_object(const scan *s) {
    size_t level = s->depth - 1;
    return (s->in_object[level / 64] >> (level % 64) & 1) != 0;
}

/* A scalar, or the opening of a container (then *opened). */
static beamc_status scan_value(scan *s, found *out, bool *opened) {
    *opened = false;
    if (s->p == s->end) {
        return fault(s, "a value is missing");
    }
    switch (*s->p) {
    case '"':
        out->kind = BEAMC_JSON_STRING;
        return scan_string(s, &out->raw, &out->flag);
    case '{':
    case '[':
        *opened = true;
        out->kind = *s->p == '{' ? BEAMC_JSON_OBJECT : BEAMC_JSON_ARRAY;
        return open_container(s, *s->p == '{');
    case 't':
        return scan_word(s, "true", out, BEAMC_JSON_BOOL);
    case 'f':
        return scan_word(s, "false", out, BEAMC_JSON_BOOL);
    case 'n':
        return scan_word(s, "null", out, BEAMC_JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(s, out);
    default:
        return scan_word(s, "null", out, BEAMC_JSON_NULL);
    }
}

/* The first eight bytes of a name, zeros behind a shorter one; they are read as one word where the
 * text goes on far enough. */
static inline uint64_t head_of(const char *text, size_t len, const char *end) {
    uint64_t head = 0;
    if (__builtin_expect(end - text >= 8, 1)) {
        memcpy(&head, text, 8);
        return len >= 8 ? head : head & ((UINT64_C(1) << (8 * len)) - 1);
    }
    memcpy(&head, text, len < 8 ? len : 8);
    return head;
}

static size_t find_name(const beamc_json_names *wanted, beamc_slice raw, const char *end) {
    uint64_t head = head_of(raw.ptr, raw.len, end);
    for (size_t i = 0; i < wanted->count; i++) {
        beamc_slice name = wanted->names[i].text;
        if (raw.len == name.len && head == wanted->names[i].head &&
            (name.len <= 8 || memcmp(raw.ptr + 8, name.ptr + 8, name.len - 8) == 0)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t find_escaped_name(const beamc_json_names *wanted, beamc_slice raw,
                                beamc_buf *strings) {
    size_t len = unescape(raw, beamc_buf_room(strings, raw.len));
    const char *text = (const char *)strings->ptr + strings->len;
    return find_name(wanted, beamc_slice_of(text, len), text + len);
}

/* A member's name and its colon. @p member: which wanted one, at the top level only. */
static beamc_status scan_name(scan *s, const beamc_json_names *wanted, beamc_buf *strings,
                              size_t *member) {
    skip_space(s);
    if (s->p == s->end || *s->p != '"') {
        return fault(s, "a member's name in double quotes is expected here");
    }
    beamc_slice raw;
    bool escaped;
    BEAMC_TRY(scan_string(s, &raw, &escaped));
    if (s->depth == 1) {
        *member = escaped ? find_escaped_name(wanted, raw, strings)
                          : find_name(wanted, raw, (const char *)s->end);
    }
    skip_space(s);
    if (s->p == s->end || *s->p != ':') {
        return fault(s, "':' is expected behind a member's name");
    }
    s->p++;
    return BEAMC_OK;
}

/* Behind a value: closes what ends here and moves behind the comma of what goes on. */
static beamc_status scan_after(scan *s) {
    while (s->depth > 0) {
        skip_space(s);
        bool object = inside_object(s);
        if (s->p == s->end) {
            return fault(s, object ? "inside an object" : "inside an array");
        }
        if (*s->p == ',') {
            s->p++;
            return BEAMC_OK;
        }
        if (*s->p != (object ? '}' : ']')) {
            return fault(s, object ? "',' or '}' is expected here" : "',' or ']' is expected here");
        }
        s->p++;
        s->depth--;
    }
    return BEAMC_OK;
}

/* Whether the container that was just opened ends at once. */
static bool empty_container(scan *s) {
    skip_space(s);
    return s->p < s->end && *s->p == (inside_object(s) ? '}' : ']');
}

static beamc_status scan_object(scan *s, const beamc_json_names *wanted, found *values,
                                beamc_buf *strings) {
    size_t member = SIZE_MAX;
    found value = {BEAMC_JSON_OBJECT, false, {NULL, 0}};
    bool opened;
    BEAMC_TRY(scan_value(s, &value, &opened));
    while (s->depth > 0) {
        if (opened && empty_container(s)) {
            opened = false;
            BEAMC_TRY(scan_after(s));
            continue;
        }
        bool top = s->depth == 1;
        if (inside_object(s)) {
            BEAMC_TRY(scan_name(s, wanted, strings, &member));
        }
        skip_space(s);
        BEAMC_TRY(scan_value(s, &value, &opened));
        if (top && member != SIZE_MAX) {
            values[member] = value;
        }
        if (!opened) {
            BEAMC_TRY(scan_after(s));
        }
    }
    return BEAMC_OK;
}

static void field_of(const found *value, beamc_json_field *out, beamc_buf *strings) {
    out->kind = value->kind;
    if (value->kind == BEAMC_JSON_BOOL) {
        out->i64 = value->flag;
    } else if (value->kind == BEAMC_JSON_INT) {
        integer_field(value->raw, out);
    } else if (value->kind == BEAMC_JSON_REAL) {
        out->f64 = to_double(value->raw);
    } else if (value->kind == BEAMC_JSON_STRING && !value->flag) {
        out->text = value->raw;
    } else if (value->kind == BEAMC_JSON_STRING) {
        unsigned char *to = beamc_buf_room(strings, value->raw.len);
        size_t len = unescape(value->raw, to);
        out->text = beamc_slice_of(to, len);
        strings->len += len;
    }
}

static beamc_status read_into(scan *s, const beamc_json_names *wanted, found *values,
                              beamc_json_field *fields, beamc_buf *strings) {
    for (size_t i = 0; i < wanted->count; i++) {
        values[i] = (found){BEAMC_JSON_ABSENT, false, {NULL, 0}};
    }
    skip_space(s);
    if (s->p == s->end) {
        return fault(s, "there is no value");
    }
    if (*s->p != '{') {
        static const unsigned char bom[3] = {0xEF, 0xBB, 0xBF};
        bool has_bom = s->end - s->p >= 3 && memcmp(s->p, bom, 3) == 0;
        return fault(s, has_bom ? "a byte order mark is not allowed" : "this is not a JSON object");
    }
    BEAMC_TRY(scan_object(s, wanted, values, strings));
    skip_space(s);
    if (s->p < s->end) {
        return fault(s, "something follows the object");
    }
    size_t room = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        room += values[i].raw.len;
    }
    beamc_buf_clear(strings);
    beamc_buf_room(strings, room); /* once, so that the texts do not move */
    for (size_t i = 0; i < wanted->count; i++) {
        field_of(&values[i], &fields[i], strings);
    }
    return BEAMC_OK;
}

beamc_status beamc__json_strict_read(beamc_slice text, const beamc_json_names *wanted,
                                     beamc_json_field *fields, beamc_buf *strings,
                                     beamc_error *err) {
    const unsigned char *p = (const unsigned char *)text.ptr;
    scan s; /* in_object is written before it is read */
    s.start = s.p = p;
    s.end = p + text.len;
    s.err = err;
    s.depth = 0;
    found few[16];
    if (wanted->count <= sizeof few / sizeof few[0]) {
        return read_into(&s, wanted, few, fields, strings);
    }
    found *many = calloc(wanted->count, sizeof *many);
    if (many == NULL) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "no memory for %zu fields", wanted->count);
    }
    beamc_status status = read_into(&s, wanted, many, fields, strings);
    free(many);
    return status;
}
