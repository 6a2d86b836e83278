/* options_impl.h: a set of options, for the files of sdk/options. */
#ifndef BEAMC_OPTIONS_OPTIONS_IMPL_H
#define BEAMC_OPTIONS_OPTIONS_IMPL_H

#include <beamc/arena.h>
#include <beamc/options.h>

/* Where a value came from; a higher one wins. */
typedef enum beamc_option_source {
    BEAMC_FROM_DEFAULT = 0,
    BEAMC_FROM_DOTENV,
    BEAMC_FROM_ENV,
    BEAMC_FROM_JOB, /* the job's options, as a runner hands them to a worker */
    BEAMC_FROM_COMMAND_LINE
} beamc_option_source;

typedef struct beamc_option_entry {
    const beamc_option *def; /* of an unknown option that was kept: one made for it */
    beamc_option_source source;
    const char *text;   /* NULL: not set */
    const char **items; /* LIST */
    size_t item_count;
    bool unknown;
} beamc_option_entry;

struct beamc_options {
    beamc_arena *arena;
    beamc_option_entry *entries;
    size_t count, cap;
};

/* NULL when there is none. Any case of '-' and '_'. */
beamc_option_entry *beamc__option_find(const beamc_options *o, beamc_slice name);
/* "--nmae: no such option; did you mean --name? ..." */
beamc_status beamc__option_unknown(const beamc_options *o, beamc_slice name, beamc_error *err);
/* Keeps an option that no table has, as text. */
beamc_option_entry *beamc__option_keep(beamc_options *o, beamc_slice name);
/* Checks @p value and stores it, unless the present one comes from a better source. @p shown is how
 * the user wrote it, for messages: "--port", "PORT". */
beamc_status beamc__option_assign(beamc_options *o, beamc_option_entry *e,
                                  beamc_option_source source, const char *shown, beamc_slice value,
                                  beamc_error *err) BEAMC_MUST_USE;
/* Reads @p path, if it exists: variables that the environment lacks are put there, and remembered as
 * coming from the file. */
beamc_status beamc__dotenv_read(beamc_options *o, const char *path,
                                beamc_error *err) BEAMC_MUST_USE;

/* A set with the same options and values, for who adds to it. Tables are shared; they outlive both. */
beamc_options *beamc__options_copy(const beamc_options *o);

#endif
