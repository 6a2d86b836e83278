/* fnapi_load.c: finds the Fn API parts (worker, job submission) when they are first needed.
 *
 * They live in libbeamc-fnapi, which brings gRPC: loading that takes longer than a small local job. A
 * program that links libbeamc-fnapi.a has them already (the weak references below); any other opens
 * libbeamc-fnapi.so. That library holds no copy of the core: its references to beamc_* and beamc__*
 * are bound to the one of this process, so these must be visible to it. They are where the core is
 * libbeamc.so, and where a program that holds the core exports them (pkg-config beamc-static).
 *
 * Lifetime: never unloaded, since function pointers into it stay. Threads: any. */
#include <dlfcn.h>
#include <string.h>

#include <beamc/version.h>

#include "program/entry.h"

#define FNAPI_FILE "libbeamc-fnapi.so.0"

#pragma weak beamc__fnapi_worker_main
#pragma weak beamc__fnapi_submit_main

/* Where libbeamc.so itself was opened with RTLD_LOCAL (by Python, say, or as part of a plugin), its
 * symbols are invisible to other libraries until it is opened again as global. */
static void make_core_visible(void) {
    Dl_info self;
    if (dladdr((const void *)(uintptr_t)beamc__fnapi_load, &self) && self.dli_fname) {
        void *again = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
        if (again) {
            dlclose(again); /* the global flag stays */
        }
    }
}

static beamc_status open_library(void **library, beamc_error *err) {
    make_core_visible();
    *library = dlopen(FNAPI_FILE, RTLD_NOW | RTLD_LOCAL);
    if (*library) {
        return BEAMC_OK;
    }
    const char *why = dlerror();
    why = why ? why : "no reason given";
    if (strstr(why, "undefined symbol: beamc_")) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "%s cannot see the core of this program (%s): link the program with "
                          "`pkg-config --libs beamc` or, statically, with "
                          "`pkg-config --libs beamc-static`",
                          FNAPI_FILE, why);
    }
    return BEAMC_FAIL(err, FAILED_PRECONDITION,
                      "remote runners and workers need %s, which is looked for in the program's "
                      "run path, LD_LIBRARY_PATH and the system's library folders: %s",
                      FNAPI_FILE, why);
}

beamc_status beamc__fnapi_load(beamc_worker_main_fn *worker, beamc_submit_main_fn *submit,
                               beamc_error *err) {
    if (beamc__fnapi_worker_main && beamc__fnapi_submit_main) {
        *worker = beamc__fnapi_worker_main;
        *submit = beamc__fnapi_submit_main;
        return BEAMC_OK;
    }
    void *library;
    BEAMC_TRY(open_library(&library, err));
    const char *version = dlsym(library, "beamc__fnapi_version");
    if (!version || strcmp(version, BEAMC_VERSION) != 0) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION, "%s is of version %s, this program of %s",
                          FNAPI_FILE, version ? version : "unknown", BEAMC_VERSION);
    }
    /* ISO C knows no cast from void * to a function, POSIX promises that it works. */
    *(void **)worker = dlsym(library, "beamc__fnapi_worker_main");
    *(void **)submit = dlsym(library, "beamc__fnapi_submit_main");
    if (!*worker || !*submit) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION, "%s has no worker or no job client in it",
                          FNAPI_FILE);
    }
    return BEAMC_OK;
}
