/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon with one key, whose making of another stops half-way, and what recovery is seen to do.
 */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_RECOVERY_H
#define WARD_TESTS_UNIT_SERVER_CORE_RECOVERY_H

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

extern struct core_recovery {
    struct core_world world;
    struct core_node node;
} recovery;

int recovery_start(void **state);
int recovery_stop(void **state);

/* The last entry; closes with core_log_close. */
const json_t *recovery_newest(struct core_log *log);
/* Takes up n intents; the last one's entry says this. */
void recovery_tells(size_t n, const char *outcome, const char *how);
void recovery_has_intents(size_t n);
/* One look of the job. */
void recovery_look(struct core_node *by);
void recovery_create_fails(enum fake_kek_fault fault, enum ward_code code, const char *name);

/* The one that runs a rotation that was proposed and submitted. */
struct ward_request *recovery_last_approval(struct core_proposal *proposal);
void recovery_shows(const struct core_proposal *proposal, const char *state);

/* What the store does to the commit that ends an intent, so many times. */
struct recovery_fault {
    enum ward_commit_outcome outcome;
    bool happens;
    unsigned times;
};

enum ward_commit_outcome recovery_on_outcome(void *arg, const struct ward_commit *commit,
                                             bool *ret_happens);

#endif
