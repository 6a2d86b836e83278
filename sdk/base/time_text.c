/* time_text.c: RFC 3339 in and out. The proleptic Gregorian calendar; no leap seconds, no locale,
 * no time zone database. Threads: any; the day cache is one per thread. */
#include "base/time_text.h"

enum { MS_PER_DAY = 86400000 };

/* Days since 1970-01-01 of a date, by counting years from March so that the leap day is last. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

static void put_digits(char *to, int64_t value, int count) {
    for (int i = count - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t beamc__time_format_utc(beamc_time ms, char out[BEAMC_TIME_TEXT_MAX]) {
    static _Thread_local int64_t cached_day = INT64_MIN;
    static _Thread_local char cached[11];
    if (ms < BEAMC_TIME_TEXT_FIRST || ms > BEAMC_TIME_TEXT_LAST) {
        return 0;
    }
    int64_t in_day = ms % MS_PER_DAY;
    in_day += in_day < 0 ? MS_PER_DAY : 0;
    int64_t day = (ms - in_day) / MS_PER_DAY;
    if (day != cached_day) {
        int64_t year, month, date;
        civil_from_days(day, &year, &month, &date);
        memcpy(cached, "YYYY-MM-DDT", 11);
        put_digits(cached, year, 4);
        put_digits(cached + 5, month, 2);
        put_digits(cached + 8, date, 2);
        cached_day = day;
    }
    memcpy(out, cached, 11);
    memcpy(out + 11, "HH:MM:SSZ", 9);
    put_digits(out + 11, in_day / 3600000, 2);
    put_digits(out + 14, in_day / 60000 % 60, 2);
    put_digits(out + 17, in_day / 1000 % 60, 2);
    if (in_day % 1000 == 0) {
        return 20;
    }
    out[19] = '.';
    put_digits(out + 20, in_day % 1000, 3);
    out[23] = 'Z';
    return 24;
}

/* ---------------------------------------------------------------------------------- parsing */

typedef struct text {
    const char *p;
    const char *end;
} text;

static bool take_number(text *t, int digits, int64_t low, int64_t high, int64_t *out) {
    if (t->end - t->p < digits) {
        return false;
    }
    int64_t v = 0;
    for (int i = 0; i < digits; i++) {
        if (t->p[i] < '0' || t->p[i] > '9') {
            return false;
        }
        v = v * 10 + (t->p[i] - '0');
    }
    t->p += digits;
    *out = v;
    return v >= low && v <= high;
}

static bool take(text *t, const char *any_of) {
    if (t->p == t->end || *t->p == '\0' || strchr(any_of, *t->p) == NULL) {
        return false;
    }
    t->p++;
    return true;
}

static bool take_date(text *t, int64_t *days) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!take_number(t, 4, 1, 9999, &year) || !take(t, "-") || !take_number(t, 2, 1, 12, &month) ||
        !take(t, "-") || !take_number(t, 2, 1, 31, &day)) {
        return false;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (leap && month == 2)) {
        return false;
    }
    *days = days_from_civil(year, month, day);
    return true;
}

/* One to nine digits; the milliseconds of them. */
static bool take_fraction(text *t, int64_t *ms) {
    int digits = 0;
    *ms = 0;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9') {
        if (digits < 3) {
            *ms = *ms * 10 + (*t->p - '0');
        }
        digits++;
        t->p++;
    }
    for (int i = digits; i < 3; i++) {
        *ms *= 10;
    }
    return digits >= 1 && digits <= 9;
}

static bool take_time(text *t, int64_t *ms) {
    int64_t hour, minute, second = 0, fraction = 0;
    if (!take_number(t, 2, 0, 23, &hour) || !take(t, ":") || !take_number(t, 2, 0, 59, &minute)) {
        return false;
    }
    if (take(t, ":")) {
        if (!take_number(t, 2, 0, 59, &second) || (take(t, ".") && !take_fraction(t, &fraction))) {
            return false;
        }
    }
    *ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return true;
}

static bool take_zone(text *t, int64_t *offset_ms) {
    int64_t hours, minutes;
    *offset_ms = 0;
    if (t->p == t->end || take(t, "Zz")) {
        return true;
    }
    int64_t sign = *t->p == '-' ? -1 : 1;
    if (!take(t, "+-") || !take_number(t, 2, 0, 23, &hours) || !take(t, ":") ||
        !take_number(t, 2, 0, 59, &minutes)) {
        return false;
    }
    *offset_ms = sign * (hours * 60 + minutes) * 60000;
    return true;
}

bool beamc__time_parse_utc(beamc_slice s, beamc_time *out) {
    text t = {s.ptr, s.ptr + s.len};
    int64_t days, ms = 0, offset = 0;
    if (!take_date(&t, &days)) {
        return false;
    }
    if (t.p < t.end && (!take(&t, "Tt ") || !take_time(&t, &ms) || !take_zone(&t, &offset))) {
        return false;
    }
    *out = days * MS_PER_DAY + ms - offset;
    return t.p == t.end && *out >= BEAMC_TIME_TEXT_FIRST && *out <= BEAMC_TIME_TEXT_LAST;
}

bool beamc_parse_time(beamc_slice text, beamc_time *out) {
    return beamc__time_parse_utc(text, out);
}
