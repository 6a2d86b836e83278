/* beamc_run.c: beamc-run, the e-commerce job on any runner.
 *
 * What is not the job itself: the bundled sample when no input is named, and the summary at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <beamc/ecommerce.h>

static bool has_input(const beamc_options *o) {
    return beamc_option_text(o, "input_clicks") != NULL ||
           beamc_option_text(o, "input_transactions") != NULL ||
           beamc_option_text(o, "input_stock") != NULL;
}

static const char *output_sqlite(const beamc_options *o) {
    const char *file = beamc_option_text(o, "output_sqlite");
    bool sample = file == NULL && beamc_option_text(o, "output_jsonl") == NULL && !has_input(o);
    return sample ? BEAMC_ECOMMERCE_SAMPLE_SQLITE : file;
}

static void print_count(const char *name, int64_t value) {
    printf("  %12" PRId64 "  %s\n", value, name);
}

/* The faults that occur most, largest first. */
enum { SHOWN_FAULTS = 8 };

typedef struct faults {
    struct fault {
        const char *name;
        int64_t count;
    } top[SHOWN_FAULTS];
    size_t kinds;
    int64_t sum;
} faults;

static void take_fault(void *arg, const char *space, const char *name, int64_t value) {
    faults *f = arg;
    (void)space;
    f->kinds++;
    f->sum += value;
    struct fault next = {name, value};
    for (size_t i = 0; i < SHOWN_FAULTS; i++) {
        if (next.count > f->top[i].count) {
            struct fault smaller = f->top[i];
            f->top[i] = next;
            next = smaller;
        }
    }
}

static void print_faults(const beamc_run_report *r) {
    faults f = {0};
    beamc_report_each_counter(r, BEAMC_DEAD_LETTER_NAMESPACE, take_fault, &f);
    int64_t rest = f.sum;
    for (size_t i = 0; i < SHOWN_FAULTS && f.top[i].count > 0; i++) {
        print_count(f.top[i].name, f.top[i].count);
        rest -= f.top[i].count;
    }
    if (f.kinds > SHOWN_FAULTS) {
        printf("  %12" PRId64 "  of %zu other kinds\n", rest, f.kinds - SHOWN_FAULTS);
    }
}

static void print_outputs(const beamc_options *o) {
    const char *dir = beamc_option_text(o, "output_jsonl");
    const char *file = output_sqlite(o);
    if (dir != NULL) {
        printf("Tables: %s/<table>.jsonl and %s/dead_letter.jsonl\n", dir, dir);
        printf("Try:    head -3 %s/product_views_summary.jsonl\n", dir);
    }
    if (file != NULL) {
        printf("Tables: %s\n", file);
        printf("Try:    sqlite3 %s 'SELECT product_id, SUM(view_count) AS views FROM "
               "product_views_summary "
               "GROUP BY 1 ORDER BY 2 DESC LIMIT 5'\n",
               file);
    }
}

/* A job that was continued counted some of its events in runs before this one: there is no rate to tell. */
static void print_events(const beamc_run_report *r, const beamc_options *o, int64_t events) {
    const char *what = has_input(o) ? "" : ", the bundled sample";
    double seconds = beamc_report_seconds(r);
    if (beamc_option_text(o, "state_dir") != NULL) {
        printf("%" PRId64 " events%s; this run took %.2f s\n", events, what, seconds);
    } else {
        printf("%" PRId64 " events in %.2f s (%.0f events/s)%s\n", events, seconds,
               seconds > 0 ? (double)events / seconds : 0.0, what);
    }
}

static void report(const beamc_run_report *r, const beamc_options *o) {
    static const char *const kinds[] = {"click", "transaction", "stock"};
    static const char *const tables[][2] = {{"product_views_summary", "views_rows_emitted"},
                                            {"sales_summary", "sales_quantity_rows_emitted"},
                                            {"inventory_summary", "stock_delta_rows_emitted"}};
    const char *space = beamc_option_text(o, "metrics_namespace");
    char name[64];
    int64_t events = 0, invalid = 0;
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s_received", kinds[i]);
        events += beamc_report_counter(r, space, name);
        snprintf(name, sizeof name, "%s_invalid", kinds[i]);
        invalid += beamc_report_counter(r, space, name);
    }
    print_events(r, o, events);
    printf("Rows\n");
    for (size_t i = 0; i < 3; i++) {
        print_count(tables[i][0], beamc_report_counter(r, space, tables[i][1]));
    }
    print_count("dead_letter", invalid);
    int64_t late = beamc_report_counter(r, "beamc", "late_dropped");
    if (late > 0) {
        print_count("values came late and were left out: raise --allowed_lateness_seconds", late);
    }
    if (invalid > 0) {
        printf("Dead letters by error\n");
        print_faults(r);
    }
    print_outputs(o);
}

int main(int argc, char **argv) {
    beamc_program program = beamc_ecommerce_program;
    program.name = "beamc-run";
    program.report = report;
    return beamc_main(&program, argc, argv);
}
