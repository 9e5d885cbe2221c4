/* SPDX-License-Identifier: Apache-2.0 */
/* Long work that daemons share: every stored row of a KEK is moved, page by page. A job is cut into
 * parts by the first byte of the rows' ids, over which they are spread evenly. A part is held by
 * one daemon for as long as its lease says, and where it stands moves in the same transaction as
 * the rows, by compare and swap: a daemon that dies, or one that lost its lease without noticing,
 * loses and repeats nothing.
 *
 *   open --> RUNNING --every part finished, the count finds nothing--> DONE
 *              |  \----the count finds rows: all parts once more, or, the last time--> STUCK
 *              \-------a job of a later version, or run, is opened--> SUPERSEDED
 *   DONE, STUCK --opened again--> RUNNING */
#ifndef WARD_BACKENDS_STORE_JOBS_H
#define WARD_BACKENDS_STORE_JOBS_H

#include <string.h>

#include "base/bytes.h"
#include "base/id.h"

#define WARD_JOB_PARTS_MAX 64u

enum ward_job_kind {
    WARD_JOB_REWRAP = 1, /* subject keys under the version */
    WARD_JOB_REKEY = 2,  /* records under new subject keys */
};

enum ward_job_state {
    WARD_JOB_RUNNING = 1,
    WARD_JOB_DONE = 2,
    WARD_JOB_STUCK = 3,
    WARD_JOB_SUPERSEDED = 4,
};

struct ward_store_job {
    struct ward_id id, kek;
    uint8_t kind, state;
    uint32_t version; /* of the KEK, that all rows shall have; of a rekey the number of the run:
                         from 1, and subject keys know the last run before them */
    uint32_t parts;   /* 1 to WARD_JOB_PARTS_MAX, a power of two */
    uint32_t urgent;  /* so many versions are compromised: their rows go first */
    uint32_t round;   /* how often it has gone over all rows, this time included */
    uint64_t total;   /* rows that it had to move when it was opened */
    uint64_t left;    /* rows that the last count found */
    int64_t created_us, ended_us; /* ended: 0 while it runs */
    uint64_t done, failed;        /* written by reads only: moved since it was opened; not moved
                                     in this round */
};

/* Where a part stands. Pass 0 goes over the rows of compromised versions alone, pass 1 over all.
 * Part number `parts`, the last one, is the count at the end. */
struct ward_job_place {
    struct ward_id job;
    uint32_t part, pass;
    struct ward_id cursor; /* the last id that was dealt with */
};

/* The ids of a part: those behind `after`, up to and with `until`. */
static inline void ward_job_range(uint32_t part, uint32_t parts, struct ward_id *ret_after,
                                  struct ward_id *ret_until)
{
    unsigned width = 256 / parts;
    memset(ret_until->bytes, 0xff, sizeof(ret_until->bytes));
    ret_until->bytes[0] = (uint8_t)((part + 1) * width - 1);
    memset(ret_after->bytes, part == 0 ? 0 : 0xff, sizeof(ret_after->bytes));
    ret_after->bytes[0] = (uint8_t)(part == 0 ? 0 : part * width - 1);
}

#endif
