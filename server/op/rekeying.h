/* SPDX-License-Identifier: Apache-2.0 */
/* A rekey as a whole: a run replaces every subject key of a KEK that was made before the run was
 * opened, by a new generation under the active version, and every record goes with it. Unlike a
 * rewrap, which changes the wrapping alone, it makes worthless what a KEK that leaked had wrapped.
 * Who may ask for it is decided elsewhere. */
#ifndef WARD_SERVER_OP_REKEYING_H
#define WARD_SERVER_OP_REKEYING_H

#include "server/op/execution.h"
#include "server/op/jobs.h"

struct ward_rekeying {
    const struct ward_key *key;
    uint32_t version;          /* under which the new generations will be */
    struct ward_store_job job; /* its version is the number of the run */
    bool runs;                 /* a run is under way, and is left to it: this one */
    uint64_t keys, records;    /* that it replaces and moves */
};

/* The newest version whose compromise no run has healed: one that was opened after it, and is done.
 * jobs, rows: those of the key, read. 0: none is owed, or the key has no rows. Of a version that
 * waits for its destruction when it was compromised is not known any more: any run since it was
 * made counts. */
uint32_t ward_rekey_owed(const struct ward_key *key, const struct ward_read *jobs,
                         const struct ward_read *rows);

/* Once for a request. NOT_FOUND, STATE. */
ward_status ward_rekeying_make(const struct ward_request *request, struct ward_bytes name,
                               struct ward_rekeying *ret);
/* Its reads, in two parts: which run it is comes out of the first one. */
ward_status ward_rekeying_read(struct ward_request *request, const struct ward_rekeying *rekeying);
ward_status ward_rekeying_read_more(struct ward_request *request, struct ward_rekeying *rekeying);
ward_status ward_rekeying_count(struct ward_request *request, struct ward_rekeying *rekeying);

#endif
