/* library.h: the functions that a worker can run, by URN.
 *
 * A library is filled before anything runs (built-in DoFns and the standard combiners, then programs
 * with their imports, then plugins) and is read-only afterwards: lookups need no lock. The first
 * definition of a URN wins; the same URN with another definition is an error, never a silent choice. */
#ifndef BEAMC_PROGRAM_LIBRARY_H
#define BEAMC_PROGRAM_LIBRARY_H

#include <beamc/program.h>

typedef struct beamc_library beamc_library;

/* With the built-in DoFns and the standard combiners. */
beamc_library *beamc__library_new(void);
void beamc__library_free(beamc_library *lib);

/* Adds a program's fns, combiners and imports (each program once). Checks ABI version and struct sizes
 * first. @p program must outlive the library. */
beamc_status beamc__library_add_program(beamc_library *lib, const beamc_program *program,
                                        beamc_error *err) BEAMC_MUST_USE;
/* Opens a shared object built with -DBEAMC_PLUGIN (a missing symbol fails here) and adds its program.
 * It is never unloaded. @p program, if not NULL, gets it. */
beamc_status beamc__library_add_plugin(beamc_library *lib, const char *path,
                                       const beamc_program **program,
                                       beamc_error *err) BEAMC_MUST_USE;

/* NULL when it is not there. */
const beamc_dofn *beamc__library_dofn(const beamc_library *lib, beamc_slice urn);
const beamc_combiner *beamc__library_combiner(const beamc_library *lib, beamc_slice urn);
/* "no function X in this worker; nearest: Y. List it in program.fns, or load ...": for the errors of
 * those who look up. Always returns NOT_FOUND. */
beamc_status beamc__library_missing(const beamc_library *lib, beamc_slice urn, beamc_error *err);

/* Why a pipeline may not use @p fn (a DoFn or combiner of @p urn), or NULL when it may. */
const char *beamc__library_fault(const beamc_library *lib, const char *urn, const void *fn);

/* Every row table that the functions use for elements, keys, accumulators, state and restrictions
 * (nested ones too): a row coder from the wire is matched with them by fingerprint. */
const beamc_row *const *beamc__library_rows(const beamc_library *lib, size_t *count);
/* One of them, or NULL. As beamc_coder_source.find_row: @p library is a beamc_library *. */
const beamc_row *beamc__library_find_row(void *library, uint64_t fingerprint);

#endif
