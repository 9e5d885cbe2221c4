/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of a diagnosis. Each adds what it found: one finding that all is well, or one for each
 * thing that is not. What is told is names, ids and numbers, never a secret. */
#ifndef WARD_SERVER_OP_DIAGNOSIS_H
#define WARD_SERVER_OP_DIAGNOSIS_H

#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/op/stored_checkpoints.h"
#include "server/state.h"
#include "server/work/posture.h"

#define WARD_FINDINGS_MAX 256u      /* more are counted in the last one */
#define WARD_FINDINGS_CHECK_MAX 20u /* of one check */

struct ward_diagnosis {
    struct ward_arena *arena;
    const struct ward_state *state;
    const struct ward_posture *posture; /* NULL: nothing is known of it */
    struct ward_worker *worker;
    const struct ward_store_snapshot *snapshot; /* NULL: there is none */
    const struct ward_stored_checkpoints *stored;
    int64_t now_us;
    struct ward_finding *findings; /* WARD_FINDINGS_MAX */
    size_t n, left_out;
};

/* The check and what to do are constant; text is printf's. */
ward_status ward_diagnosis_add(struct ward_diagnosis *diagnosis, const char *check,
                               enum ward_finding_level level, const char *advice,
                               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* How many of this check are not well; `ok` is what is said when none is. */
ward_status ward_diagnosis_well(struct ward_diagnosis *diagnosis, const char *check,
                                const char *ok);

/* diagnosis_token.c: objects that nobody remembers, and versions without one. */
ward_status ward_diagnose_token(struct ward_diagnosis *diagnosis);
/* diagnosis_keys.c. rows: a WARD_READ_ROWS and a WARD_READ_JOBS for each of the first keys with a
 * compromised version. */
ward_status ward_diagnose_keys(struct ward_diagnosis *diagnosis, struct ward_read *const *rows,
                               size_t n);
/* jobs: those that run or are stuck. */
ward_status ward_diagnose_jobs(struct ward_diagnosis *diagnosis, const struct ward_read *jobs);
/* diagnosis_daemon.c. uncovered: the first entry behind the checkpoint; NULL: not asked for. */
ward_status ward_diagnose_daemon(struct ward_diagnosis *diagnosis, const struct ward_read *nodes,
                                 const struct ward_read *uncovered);
ward_status ward_diagnose_officers(struct ward_diagnosis *diagnosis,
                                   const struct ward_read *proposals);

#endif
