/**
 * @file options.h
 * Pipeline options: one table feeds parsing, checking, --help and .env.sample.
 *
 * Precedence: command line, environment, .env file, default. Spelling on the command line:
 * --name=value, --name value, --flag, --no-flag (or --flag=false).
 */
#ifndef BEAMC_OPTIONS_H
#define BEAMC_OPTIONS_H

#include <beamc/buf.h>
#include <beamc/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum beamc_option_type {
    BEAMC_OPTION_TEXT = 0,
    BEAMC_OPTION_INT,
    BEAMC_OPTION_DOUBLE,
    BEAMC_OPTION_BOOL,
    BEAMC_OPTION_CHOICE, /**< one of `choices`, any case */
    BEAMC_OPTION_LIST    /**< may be repeated, and holds comma-separated texts */
} beamc_option_type;

typedef struct beamc_option {
    const char *name; /**< "allowed_lateness_seconds" */
    const char *env;  /**< environment variable, or NULL */
    beamc_option_type type;
    const char *default_text; /**< NULL: not set */
    const char *placeholder;  /**< for --help: FILE, DIR, SECONDS */
    const char *doc;          /**< one sentence */
    const char *choices;      /**< CHOICE: "local|PortableRunner" */
    const char *group;        /**< heading in --help */
    int64_t min, max;         /**< INT: bounds, when min < max */
} beamc_option;

typedef struct beamc_options beamc_options;

/** The text of an option (its default when it was not given), or NULL. Borrowed. */
const char *beamc_option_text(const beamc_options *options, const char *name);
int64_t beamc_option_int(const beamc_options *options, const char *name);
double beamc_option_double(const beamc_options *options, const char *name);
bool beamc_option_bool(const beamc_options *options, const char *name);
/** Whether a value came from command line, environment or .env. */
bool beamc_option_given(const beamc_options *options, const char *name);
/** Item @p index of a LIST, or NULL behind the last. */
const char *beamc_option_item(const beamc_options *options, const char *name, size_t index);

/** A set of options from @p tables (each ended by an entry without a name; the list by NULL). */
beamc_options *beamc_options_new(const beamc_option *const *tables);
void beamc_options_free(beamc_options *options);
/** Reads .env (if @p env_file exists), the environment and argv. Fails with one line that names the
 *  option and the nearest known one. @p lenient: unknown options are kept and reported to stderr. */
beamc_status beamc_options_parse(beamc_options *options, int argc, char *const *argv,
                                 const char *env_file, bool lenient,
                                 beamc_error *err) BEAMC_MUST_USE;
/** Sets one option as the command line would. */
beamc_status beamc_options_set(beamc_options *options, const char *name, const char *value,
                               beamc_error *err) BEAMC_MUST_USE;
void beamc_options_help(const beamc_options *options, const char *usage, beamc_buf *out);
void beamc_options_env_sample(const beamc_options *options, beamc_buf *out);
/** {"beam:option:NAME:v1": value, ...}: what was given, as runners want it. */
void beamc_options_to_json(const beamc_options *options, beamc_buf *out);
/** Reads that shape, and {"options": {...}} (Dataflow, Java). Unknown keys are kept as texts. */
beamc_status beamc_options_from_json(beamc_options *options, beamc_slice json,
                                     beamc_error *err) BEAMC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
