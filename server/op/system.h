/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs of the operations that the daemon asks of itself, by identity "system". */
#ifndef WARD_SERVER_OP_SYSTEM_H
#define WARD_SERVER_OP_SYSTEM_H

#include "backends/kek.h"
#include "backends/store.h"
#include "base/merkle.h"
#include "server/request.h"

struct ward_sign_checkpoint {
    struct ward_merkle tree;
};

/* Makes sure that there is a job for the rows of `key`: a rewrap to its active version, or the last
 * run of a rekey once more. Silent: what it leads to is told. */
struct ward_job_open {
    struct ward_bytes key;
    bool again; /* one that has ended begins anew */
};

/* One page of a job: the next rows of one part of it. */
struct ward_job_page {
    struct ward_bytes key;
    struct ward_store_job job;
    struct ward_job_place place;
    uint32_t limit; /* rows, at most WARD_BATCH_ITEMS_MAX */
    /* out */
    struct ward_job_place next; /* where the part stands now */
    bool finished;
    size_t rows, failed; /* moved, and not */
};

/* The count at the end of a job. */
struct ward_job_end {
    struct ward_bytes key;
    struct ward_store_job job;
    uint8_t state; /* out: enum ward_job_state */
    uint64_t left; /* out */
};

struct ward_start {
    bool without_proof; /* hsm.wrap_proof is off */
    bool adopted;       /* the database had no seal, and was taken for good as it is */
};

struct ward_recover {
    struct ward_store_intent intent;
};

/* What a crash left of a destruction. */
struct ward_recover_destroying {
    struct ward_store_intent intent;
    bool begun; /* the version's row has forgotten the state that it could go back to */
};

/* The version's waiting is over, and all of the key's rows were opened without it. */
struct ward_destroy_due {
    struct ward_kek_ref ref;
    struct ward_id proposal; /* by which officers agreed */
    uint64_t epoch;          /* in which it was pending: daemons that live have it in force */
    uint64_t rows_opened;
};

enum ward_rotation_reason {
    WARD_ROTATION_BUDGET,      /* the version has wrapped as often as it should */
    WARD_ROTATION_PERIOD,      /* it is as old as it should become */
    WARD_ROTATION_COMPROMISED, /* it wraps no more, and what it protects has nowhere to go */
};

/* The version is due to be followed by another. */
struct ward_rotate_due {
    struct ward_id key;
    uint32_t from_version;
    enum ward_rotation_reason reason;
    uint64_t wraps;   /* BUDGET */
    int64_t age_days; /* PERIOD */
};

/* A certificate, or a revocation list, is near its end, or behind it. */
struct ward_ending_alarm {
    enum ward_alarm alarm;
    uint8_t sha256[32];
    int64_t end_us; /* 0: it has no date that can be read */
};

/* A client certificate is in use in two places at once. Borrowed while the request runs. */
struct ward_shared_alarm {
    const uint8_t *sha256; /* 32 bytes */
    const char *identity, *first, *second;
};

struct ward_attestation;
struct ward_attest {
    struct ward_attestation *attestation;
};

/* Of what has no entry of its own: of nobody in particular, or of one identity's requests that were
 * held back within about a second. */
struct ward_summary {
    unsigned handshakes_failed, requests_refused;
    unsigned long long overloaded;
    const char *identity; /* NULL: of nobody in particular */
    uint64_t requests_throttled, items_throttled;
};

#endif
