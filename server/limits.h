/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own bounds: queues, batches and times. Those of the wire are in proto/wire_limits.h.
 */
#ifndef WARD_SERVER_LIMITS_H
#define WARD_SERVER_LIMITS_H

#define WARD_QUEUE_MAX 8192u /* requests that may wait for a stage; more are refused at once */
#define WARD_THROTTLE_MAX \
    66304u /* identities and roles whose rates are kept: all that fit a policy */
#define WARD_THROTTLED_TOLD_MAX 256u /* identities told of in a second; others in the next */
#define WARD_OVERLOAD_RETRY_MS 200u  /* when those who were refused for it may come again */
#define WARD_SPARE_AFTER_US 4000     /* of work waits: another ward-hsm joins */
#define WARD_PACE_ITEMS_MIN 8        /* a crossing of fewer says nothing about the device's pace */
#define WARD_WORK_BATCH_MAX 64u      /* requests that one crossing to the HSM serves */
#define WARD_READ_BATCH_MAX 128u
#define WARD_COMMIT_BATCH_MAX 1024u      /* requests in one transaction */
#define WARD_COMMIT_BYTES_MAX (4u << 20) /* and their bytes */
#define WARD_ATTEMPTS_MAX \
    16u /* preparing again after a conflict; 3 were too few for 8 writers of one record */
#define WARD_REDECIDE_MAX 256u   /* deciding again after a moved epoch */
#define WARD_LEAF_ITEMS_MAX 100u /* items in one leaf; more are told in parts */
#define WARD_RESOLVE_MS 1000     /* how long an unknown commit is asked after before we say so */
#define WARD_CONTENDED_MS 5000   /* after another daemon appended: take the head's lock first */
#define WARD_CHECKPOINT_MS 1000
#define WARD_REWRAP_PAGE 500u
#define WARD_REWRAP_PAGE_BESIDE 50u /* while applications call: they wait behind a page */
#define WARD_REKEY_PAGE 500u        /* records: their bytes are bounded too, so many for each */
#define WARD_REKEY_PAGE_BESIDE 50u
#define WARD_REKEY_ROW_BYTES 4096u
#define WARD_JOB_PAGES_AT_ONCE 8u /* under way, so that database and HSM overlap */
#define WARD_JOB_ROUNDS 3u        /* over rows that do not move, before the job is stuck */
#define WARD_JOB_PART_ROWS 1024u  /* jobs are cut into parts of about so many rows, or larger */
#define WARD_JOB_LEASE_US (10LL * 1000000)
#define WARD_JOB_RETRY_US (600LL * 1000000) /* a job that is stuck is tried again */
/* Who wrote an intent begins no call of the HSM after so long; one that it has begun ends by the
 * HSM's deadline, within a minute more. */
#define WARD_INTENT_HELD_US (30LL * 1000000)
#define WARD_INTENT_OWN_AGE_US (120LL * 1000000) /* an own one is left alone for so long */
#define WARD_INTENT_AGE_US (300LL * 1000000)     /* another node's, whose clock may be another */
/* Between this daemon's clock and the database's, before it destroys nothing: synchronised hosts
 * are within a second, and a daemon that was not heard of for as long counts as dead. */
#define WARD_CLOCKS_APART_US (60LL * 1000000)
#define WARD_REPLAY_KEPT_US (24LL * 3600 * 1000000) /* answers of changes that were named */

#endif
