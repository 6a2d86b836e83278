/* version.c: the release that this library was built as. It uses private names of the core, so the
 * core opens it only if the two are of one release (sdk/program/fnapi_load.c). */
#include <beamc/version.h>

#include "program/entry.h"

const char beamc__fnapi_version[] = BEAMC_VERSION;
