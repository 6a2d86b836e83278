/* report.c: see report.h. */
#include "program/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <beamc/arena.h>
#include <beamc/row.h>

#include "base/mem.h"

struct beamc_run_report {
    double seconds;
    beamc_arena *texts;
    beamc_report_metric *metrics; /* in the order of namespace, name, step */
    size_t count, cap;
};

beamc_run_report *beamc__report_new(double seconds) {
    beamc_run_report *report = beamc__calloc(1, sizeof *report);
    report->seconds = seconds;
    report->texts = beamc_arena_new(4096);
    return report;
}

void beamc__report_free(beamc_run_report *report) {
    if (report != NULL) {
        beamc_arena_free(report->texts);
        free(report->metrics);
        free(report);
    }
}

static int compare(const beamc_report_metric *a, const beamc_report_metric *b) {
    int c = strcmp(a->space, b->space);
    c = c != 0 ? c : strcmp(a->name, b->name);
    return c != 0 ? c : strcmp(a->step, b->step);
}

static void add_up(beamc_report_metric *into, const beamc_report_metric *more) {
    into->value += more->value;
    if (more->count > 0) {
        into->min = into->count == 0 || more->min < into->min ? more->min : into->min;
        into->max = into->count == 0 || more->max > into->max ? more->max : into->max;
        into->count += more->count;
        into->sum += more->sum;
    }
}

void beamc__report_add(beamc_run_report *report, const beamc_report_metric *metric) {
    size_t low = 0, high = report->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(&report->metrics[middle], metric);
        if (c == 0) {
            add_up(&report->metrics[middle], metric);
            return;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (report->count == report->cap) {
        report->cap = report->cap == 0 ? 32 : report->cap * 2;
        report->metrics = beamc__realloc(report->metrics, report->cap * sizeof *report->metrics);
    }
    memmove(&report->metrics[low + 1], &report->metrics[low],
            (report->count - low) * sizeof *report->metrics);
    report->count++;
    beamc_report_metric *m = &report->metrics[low];
    *m = *metric;
    m->space = beamc_arena_cstr(report->texts, beamc_str(metric->space));
    m->name = beamc_arena_cstr(report->texts, beamc_str(metric->name));
    m->step = beamc_arena_cstr(report->texts, beamc_str(metric->step));
}

double beamc_report_seconds(const beamc_run_report *report) {
    return report->seconds;
}

int64_t beamc_report_counter(const beamc_run_report *report, const char *space, const char *name) {
    int64_t sum = 0;
    for (size_t i = 0; i < report->count; i++) {
        const beamc_report_metric *m = &report->metrics[i];
        if (!m->is_distribution && strcmp(m->space, space) == 0 && strcmp(m->name, name) == 0) {
            sum += m->value;
        }
    }
    return sum;
}

void beamc_report_each_counter(const beamc_run_report *report, const char *space,
                               void (*fn)(void *arg, const char *space, const char *name,
                                          int64_t value),
                               void *arg) {
    for (size_t i = 0; i < report->count;) {
        const beamc_report_metric *m = &report->metrics[i];
        int64_t sum = 0;
        for (; i < report->count && strcmp(report->metrics[i].space, m->space) == 0 &&
               strcmp(report->metrics[i].name, m->name) == 0;
             i++) {
            sum += report->metrics[i].is_distribution ? 0 : report->metrics[i].value;
        }
        if (!m->is_distribution && (space == NULL || strcmp(m->space, space) == 0)) {
            fn(arg, m->space, m->name, sum);
        }
    }
}

static void put_metric(const beamc_report_metric *m, bool first, beamc_buf *out) {
    beamc_buf_put_str(out, first ? "\n  {\"namespace\": " : ",\n  {\"namespace\": ");
    beamc_json_put_string(out, beamc_str(m->space));
    beamc_buf_put_str(out, ", \"name\": ");
    beamc_json_put_string(out, beamc_str(m->name));
    beamc_buf_put_str(out, ", \"step\": ");
    beamc_json_put_string(out, beamc_str(m->step));
    if (m->is_distribution) {
        beamc_buf_printf(out, ", \"count\": %lld, \"sum\": %lld, \"min\": %lld, \"max\": %lld}",
                         (long long)m->count, (long long)m->sum, (long long)m->min,
                         (long long)m->max);
    } else {
        beamc_buf_printf(out, ", \"value\": %lld}", (long long)m->value);
    }
}

static void put_list(const beamc_run_report *report, bool distributions, beamc_buf *out) {
    bool first = true;
    for (size_t i = 0; i < report->count; i++) {
        if (report->metrics[i].is_distribution == distributions) {
            put_metric(&report->metrics[i], first, out);
            first = false;
        }
    }
}

void beamc__report_to_json(const beamc_run_report *report, beamc_buf *out) {
    beamc_buf_put_str(out, "{\"counters\": [");
    put_list(report, false, out);
    beamc_buf_put_str(out, "],\n\"distributions\": [");
    put_list(report, true, out);
    beamc_buf_put_str(out, "]}\n");
}

beamc_status beamc__report_write(const beamc_run_report *report, const char *path,
                                 beamc_error *err) {
    beamc_buf json = {0};
    beamc__report_to_json(report, &json);
    char *beside = beamc__malloc(strlen(path) + 5);
    sprintf(beside, "%s.tmp", path);
    FILE *file = fopen(beside, "wb");
    bool ok = file != NULL && fwrite(json.ptr, 1, json.len, file) == json.len;
    ok = file != NULL && fclose(file) == 0 && ok && rename(beside, path) == 0;
    beamc_status status = BEAMC_OK;
    if (!ok) {
        status =
            BEAMC_FAIL(err, DATA_LOSS, "cannot write --metrics_json=%s: %s", path, strerror(errno));
        unlink(beside);
    }
    free(beside);
    beamc_buf_free(&json);
    return status;
}
