/* fields.c: see fields.h. */
#include "fields.h"

#include <math.h>

/* Reads exactly @p count ASCII digits. */
static bool digits(const char *p, size_t count, int *out) {
    int v = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned d = (unsigned)(unsigned char)p[i] - '0';
        if (d > 9) {
            return false;
        }
        v = v * 10 + (int)d;
    }
    *out = v;
    return true;
}

static int days_in_month(int year, int month) {
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 of a proleptic Gregorian date, by counting from March so that the leap day
 * comes last in its year. */
static int64_t days_from_civil(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static const char *parse_date(const char *p, size_t len, int64_t *days) {
    int year, month, day;
    if (len < 10 || p[4] != '-' || p[7] != '-' || !digits(p, 4, &year) ||
        !digits(p + 5, 2, &month) || !digits(p + 8, 2, &day)) {
        return "does not start with a date YYYY-MM-DD";
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        return "is no date of the calendar";
    }
    *days = days_from_civil(year, month, day);
    return NULL;
}

/* "HH:MM", "HH:MM:SS" or "HH:MM:SS.f"; *at moves behind it. */
static const char *parse_clock(const char *p, size_t len, size_t *at, event_instant *out) {
    int hour, minute, second = 0;
    size_t i = *at;
    if (len - i < 5 || p[i + 2] != ':' || !digits(p + i, 2, &hour) ||
        !digits(p + i + 3, 2, &minute)) {
        return "has no time HH:MM behind its date";
    }
    i += 5;
    if (i < len && p[i] == ':') {
        if (len - i < 3 || !digits(p + i + 1, 2, &second)) {
            return "has no two digits of seconds";
        }
        i += 3;
        if (i < len && p[i] == '.') {
            size_t start = ++i;
            int32_t micros = 0;
            for (; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
                if (i - start < 6) {
                    micros = micros * 10 + (p[i] - '0');
                }
            }
            size_t count = i - start;
            if (count < 1 || count > 9) {
                return "has a fraction of a second that is not 1 to 9 digits";
            }
            for (; count < 6; count++) {
                micros *= 10;
            }
            out->micros = micros;
        }
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return "has a time outside 00:00:00 to 23:59:59";
    }
    out->seconds += hour * 3600 + minute * 60 + second;
    *at = i;
    return NULL;
}

/* Nothing, "Z", "z", "+HH:MM" or "-HH:MM", to the end of the text. */
static const char *parse_zone(const char *p, size_t len, size_t at, event_instant *out) {
    if (at == len) {
        return NULL;
    }
    if ((p[at] == 'Z' || p[at] == 'z') && at + 1 == len) {
        return NULL;
    }
    int hours, minutes;
    if ((p[at] == '+' || p[at] == '-') && len - at == 6 && p[at + 3] == ':' &&
        digits(p + at + 1, 2, &hours) && digits(p + at + 4, 2, &minutes) && hours <= 23 &&
        minutes <= 59) {
        int64_t offset = hours * 3600 + minutes * 60;
        out->seconds -= p[at] == '+' ? offset : -offset;
        return NULL;
    }
    return "has something other than Z or +HH:MM behind its time";
}

const char *beamc__event_time_parse(beamc_slice text, event_instant *out) {
    const char *p = text.ptr;
    int64_t days;
    const char *fault = parse_date(p, text.len, &days);
    if (fault != NULL) {
        return fault;
    }
    *out = (event_instant){days * 86400, 0};
    if (text.len > 10) {
        if (p[10] != 'T' && p[10] != 't' && p[10] != ' ') {
            return "has no T or space between date and time";
        }
        size_t at = 11;
        fault = parse_clock(p, text.len, &at, out);
        if (fault == NULL) {
            fault = parse_zone(p, text.len, at, out);
        }
        if (fault != NULL) {
            return fault;
        }
    }
    if (out->seconds < EVENT_FIRST_SECOND || out->seconds >= EVENT_END_SECOND) {
        return "lies outside the years 0001 to 9999 in UTC";
    }
    return NULL;
}

beamc_time beamc__event_instant_to_ms(event_instant t) {
    return t.seconds * 1000 + t.micros / 1000;
}

bool beamc__event_window_in_range(event_instant t, int64_t size_seconds) {
    int64_t into = t.seconds % size_seconds;
    int64_t start = t.seconds - (into < 0 ? into + size_seconds : into);
    return start >= EVENT_FIRST_SECOND && start + size_seconds < EVENT_END_SECOND;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool beamc__event_int_from_text(beamc_slice text, int64_t *out) {
    const char *p = text.ptr;
    const char *end = p + text.len;
    while (p < end && is_space(*p)) {
        p++;
    }
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) {
        p++;
    }
    const char *first = p;
    int64_t v = 0; /* counted down: -2^63 has no positive twin */
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        int d = *p - '0';
        if (v < (INT64_MIN + d) / 10) {
            return false;
        }
        v = v * 10 - d;
    }
    if (p == first || (!negative && v == INT64_MIN)) {
        return false;
    }
    while (p < end && is_space(*p)) {
        p++;
    }
    *out = negative ? v : -v;
    return p == end;
}

bool beamc__event_int_from_double(double number, int64_t *out) {
    const double limit = 9007199254740992.0; /* 2^53: all whole numbers up to here are exact */
    if (!(number >= -limit && number <= limit) || number != floor(number)) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}
