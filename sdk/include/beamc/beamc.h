/**
 * @file beamc.h
 * The umbrella: what a pipeline's author needs. Tests add <beamc/test.h>.
 */
#ifndef BEAMC_BEAMC_H
#define BEAMC_BEAMC_H

#include <beamc/arena.h>
#include <beamc/buf.h>
#include <beamc/coder.h>
#include <beamc/combine.h>
#include <beamc/dofn.h>
#include <beamc/error.h>
#include <beamc/json.h>
#include <beamc/log.h>
#include <beamc/metrics.h>
#include <beamc/options.h>
#include <beamc/pipeline.h>
#include <beamc/program.h>
#include <beamc/row.h>
#include <beamc/slice.h>
#include <beamc/value.h>
#include <beamc/version.h>
#include <beamc/window.h>

#endif
