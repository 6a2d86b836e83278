/* instructions.c: see instructions.h. */
#include "worker/harness/instructions.h"

#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"
#include "worker/harness/thread.h"

struct beamc_instruction {
    beamc_idmap_entry entry; /* its key is id */
    beamc_instructions *all;
    char *id;
    int64_t since_ms;
    beamc_plan *plan; /* NULL while it waits */
    beamc_inbox *inbox;
    unsigned borrowers;
};

typedef struct ended {
    beamc_idmap_entry entry;
    bool failed;
    struct ended *newer;
    char id[];
} ended;

struct beamc_instructions {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* one was returned, or has ended */
    beamc_idmap open;
    beamc_idmap ended_ids;
    ended *oldest, **newest;
    size_t ended_max;
};

beamc_instructions *beamc__instructions_new(size_t ended_max) {
    beamc_instructions *all = beamc__calloc(1, sizeof *all);
    all->ended_max = ended_max;
    all->newest = &all->oldest;
    pthread_mutex_init(&all->mu, NULL);
    beamc__cond_init(&all->changed);
    return all;
}

static void drop_oldest(beamc_instructions *all) {
    ended *e = all->oldest;
    all->oldest = e->newer;
    if (all->oldest == NULL) {
        all->newest = &all->oldest;
    }
    beamc__idmap_remove(&all->ended_ids, &e->entry);
    free(e);
}

void beamc__instructions_free(beamc_instructions *all) {
    if (all == NULL) {
        return;
    }
    while (all->oldest != NULL) {
        drop_oldest(all);
    }
    beamc__idmap_deinit(&all->open);
    beamc__idmap_deinit(&all->ended_ids);
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->mu);
    free(all);
}

bool beamc__instructions_wait(beamc_instructions *all, int64_t until_ms) {
    pthread_mutex_lock(&all->mu);
    bool in_time = true;
    while (all->open.count > 0 && in_time) {
        if (until_ms == INT64_MAX) {
            pthread_cond_wait(&all->changed, &all->mu);
        } else {
            in_time = beamc__cond_wait_until(&all->changed, &all->mu, until_ms);
        }
    }
    bool none = all->open.count == 0;
    pthread_mutex_unlock(&all->mu);
    return none;
}

size_t beamc__instructions_open_count(beamc_instructions *all) {
    pthread_mutex_lock(&all->mu);
    size_t count = all->open.count;
    pthread_mutex_unlock(&all->mu);
    return count;
}

static void describe(void *arg, beamc_idmap_entry *entry) {
    const beamc_instruction *i = BEAMC_IDMAP_OWNER(entry, beamc_instruction, entry);
    beamc_buf_printf(arg, "  %s: %.1f s, ", i->id,
                     (double)(beamc__clock_ms() - i->since_ms) / 1000);
    if (i->plan == NULL) {
        beamc_buf_put_str(arg, "waits for its plan\n");
        return;
    }
    const char *at = beamc_plan_current_transform(i->plan);
    beamc_buf_printf(arg, "descriptor %s, %s%s\n", beamc_plan_id(i->plan),
                     beamc__inbox_is_busy(i->inbox) ? "in " : "waits for input",
                     !beamc__inbox_is_busy(i->inbox) ? ""
                     : at[0] != '\0'                 ? at
                                                     : "(no transform)");
}

void beamc__instructions_describe(beamc_instructions *all, beamc_buf *out) {
    pthread_mutex_lock(&all->mu);
    beamc__idmap_each(&all->open, describe, out);
    pthread_mutex_unlock(&all->mu);
}

beamc_instruction *beamc__instruction_open(beamc_instructions *all, const char *id) {
    beamc_instruction *i = NULL;
    pthread_mutex_lock(&all->mu);
    if (beamc__idmap_find(&all->open, beamc_str(id)) == NULL) {
        i = beamc__calloc(1, sizeof *i);
        i->all = all;
        i->id = beamc__strdup(id);
        i->since_ms = beamc__clock_ms();
        beamc__idmap_add(&all->open, &i->entry, beamc_str(i->id));
    }
    pthread_mutex_unlock(&all->mu);
    return i;
}

const char *beamc__instruction_id(const beamc_instruction *i) {
    return i->id;
}

void beamc__instruction_run(beamc_instruction *i, beamc_plan *plan, beamc_inbox *inbox) {
    pthread_mutex_lock(&i->all->mu);
    i->plan = plan;
    i->inbox = inbox;
    pthread_mutex_unlock(&i->all->mu);
}

/* The lock is held. The newest end of an id counts. */
static void remember(beamc_instructions *all, const char *id, bool failed) {
    size_t len = strlen(id);
    ended *e = BEAMC_IDMAP_OWNER(beamc__idmap_find(&all->ended_ids, beamc_slice_of(id, len)), ended,
                                 entry);
    if (e != NULL) {
        e->failed = failed;
        return;
    }
    e = beamc__calloc(1, sizeof *e + len + 1);
    memcpy(e->id, id, len);
    e->failed = failed;
    beamc__idmap_add(&all->ended_ids, &e->entry, beamc_slice_of(e->id, len));
    *all->newest = e;
    all->newest = &e->newer;
    if (all->ended_ids.count > all->ended_max) {
        drop_oldest(all);
    }
}

void beamc__instruction_end(beamc_instruction *i, bool failed) {
    beamc_instructions *all = i->all;
    pthread_mutex_lock(&all->mu);
    beamc__idmap_remove(&all->open, &i->entry);
    remember(all, i->id, failed);
    while (i->borrowers > 0) {
        pthread_cond_wait(&all->changed, &all->mu);
    }
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->mu);
    free(i->id);
    free(i);
}

beamc_instruction_state beamc__instructions_borrow(beamc_instructions *all, const char *id,
                                                   beamc_instruction **out, beamc_plan **plan,
                                                   beamc_inbox **inbox) {
    beamc_instruction_state state = BEAMC_INSTRUCTION_UNKNOWN;
    *out = NULL;
    pthread_mutex_lock(&all->mu);
    beamc_instruction *i =
        BEAMC_IDMAP_OWNER(beamc__idmap_find(&all->open, beamc_str(id)), beamc_instruction, entry);
    const ended *e =
        BEAMC_IDMAP_OWNER(beamc__idmap_find(&all->ended_ids, beamc_str(id)), ended, entry);
    if (i != NULL && i->plan == NULL) {
        state = BEAMC_INSTRUCTION_WAITING;
    } else if (i != NULL) {
        state = BEAMC_INSTRUCTION_RUNNING;
        i->borrowers++;
        *out = i;
        *plan = i->plan;
        if (inbox != NULL) {
            *inbox = i->inbox;
        }
    } else if (e != NULL) {
        state = e->failed ? BEAMC_INSTRUCTION_FAILED : BEAMC_INSTRUCTION_FINISHED;
    }
    pthread_mutex_unlock(&all->mu);
    return state;
}

void beamc__instructions_return(beamc_instruction *i) {
    beamc_instructions *all = i->all;
    pthread_mutex_lock(&all->mu);
    i->borrowers--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->mu);
}
