/** @file version.h The release: also in the environment's version URN and in the shared library. */
#ifndef BEAMC_VERSION_H
#define BEAMC_VERSION_H

#define BEAMC_VERSION "0.1.0"

#endif
