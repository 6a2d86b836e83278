/* instructions.h: which bundles are open, and which have ended of late.
 *
 * An id is recorded before the next control message is read, so that a progress or split request that
 * follows at once finds it. The control thread borrows the plan of a running bundle for such a request;
 * the bundle ends only after that. Threads: any. */
#ifndef BEAMC_HARNESS_INSTRUCTIONS_H
#define BEAMC_HARNESS_INSTRUCTIONS_H

#include "worker/exec/bundle.h"
#include "worker/harness/inbox.h"

typedef struct beamc_instructions beamc_instructions;
typedef struct beamc_instruction beamc_instruction;

typedef enum beamc_instruction_state {
    BEAMC_INSTRUCTION_UNKNOWN,
    BEAMC_INSTRUCTION_WAITING, /* known, its plan is not there yet */
    BEAMC_INSTRUCTION_RUNNING,
    BEAMC_INSTRUCTION_FINISHED,
    BEAMC_INSTRUCTION_FAILED
} beamc_instruction_state;

/* Remembers @p ended_max ended ids. */
beamc_instructions *beamc__instructions_new(size_t ended_max);
/* None may be open. */
void beamc__instructions_free(beamc_instructions *all);
/* Blocks until none is open; false at the time @p until_ms of beamc__clock_ms. */
bool beamc__instructions_wait(beamc_instructions *all, int64_t until_ms);
size_t beamc__instructions_open_count(beamc_instructions *all);
/* Lines about the open ones, for a person. */
void beamc__instructions_describe(beamc_instructions *all, beamc_buf *out);

/* Records an id. NULL when a bundle of that id is open. */
beamc_instruction *beamc__instruction_open(beamc_instructions *all, const char *id);
const char *beamc__instruction_id(const beamc_instruction *instruction);
/* The bundle has its plan and runs. */
void beamc__instruction_run(beamc_instruction *instruction, beamc_plan *plan, beamc_inbox *inbox);
/* It has ended: waits until nobody uses the plan, and frees the instruction. */
void beamc__instruction_end(beamc_instruction *instruction, bool failed);

/* The state of @p id. If it is RUNNING, *plan and *inbox (may be NULL) are lent until
 * beamc__instructions_return; else *out is NULL. */
beamc_instruction_state beamc__instructions_borrow(beamc_instructions *all, const char *id,
                                                   beamc_instruction **out, beamc_plan **plan,
                                                   beamc_inbox **inbox);
void beamc__instructions_return(beamc_instruction *instruction);

#endif
