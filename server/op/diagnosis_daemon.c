/* SPDX-License-Identifier: Apache-2.0 */
/* How this daemon was set up, whether its neighbours live, and whether officers have something left
 * to do. */
#include "policy/decide.h"
#include "proto/canonical.h"
#include "server/op/destroying.h"
#include "server/op/diagnosis.h"
#include "server/op/votes.h"
#include "server/work/worker.h"

#define DAY_US (24LL * 3600 * 1000000)
#define SECOND_US 1000000LL
#define CHECKPOINT_LATE_US (60 * SECOND_US) /* one is due a second after there is news */
#define CHECKPOINT_LOST_US (3600 * SECOND_US)
#define CERTIFICATE "certificate"
#define SHARED "shared-certificates"
#define NODES "daemons"
#define CLOCK "clock"
#define AUDIT "audit-log"
#define STORED "stored-checkpoints"
#define REVIEWS "reviews"
#define QUORUM "quorum"

static ward_status check_setup(struct ward_diagnosis *diagnosis, const struct ward_posture *posture)
{
    if (diagnosis->worker->pipeline->without_proof) {
        WARD_TRY(ward_diagnosis_add(diagnosis, "wrap-proof", WARD_FINDING_GAP,
                                    "set hsm.wrap_proof to true and start the daemon anew",
                                    "a key that the HSM wraps wrongly is given out, and lost"));
    }
    WARD_TRY(ward_diagnosis_well(diagnosis, "wrap-proof",
                                 "every wrapped key is opened again before it is given out"));
    if (posture->development_module) {
        WARD_TRY(ward_diagnosis_add(
            diagnosis, "hsm", WARD_FINDING_WARNING,
            "in production use a hardware module: name it in hsm.module",
            "SoftHSM keeps the keys in files of this host: it is for development"));
    }
    WARD_TRY(ward_diagnosis_well(diagnosis, "hsm", "the module is not one for development"));
    if (!posture->memory_locked) {
        WARD_TRY(ward_diagnosis_add(
            diagnosis, "memory", WARD_FINDING_WARNING,
            "raise the memlock limit to unlimited (LimitMEMLOCK=infinity)",
            "only the pool of keys is locked in memory, and not all of the daemon's"));
    }
    return ward_diagnosis_well(diagnosis, "memory", "all of the daemon's memory is locked");
}

static ward_status check_certificate(struct ward_diagnosis *diagnosis,
                                     const struct ward_posture *posture)
{
    int64_t end_us = posture->certificate_end_us(posture->context);
    int64_t days = (end_us - diagnosis->now_us) / DAY_US;
    if (end_us != 0 && days < 30) {
        WARD_TRY(ward_diagnosis_add(diagnosis, CERTIFICATE,
                                    days < 1 ? WARD_FINDING_GAP : WARD_FINDING_WARNING,
                                    "put a new one in its place and send the daemon SIGHUP",
                                    days < 7 ? "URGENT: the daemon's certificate ends in %lld days"
                                             : "the daemon's certificate ends in %lld days",
                                    (long long)(days < 0 ? 0 : days)));
    }
    return ward_diagnosis_well(diagnosis, CERTIFICATE,
                               "the daemon's certificate is good for 30 days and more");
}

/* Of the last day, by this daemon alone. */
static ward_status check_shared(struct ward_diagnosis *diagnosis,
                                const struct ward_posture *posture)
{
    struct ward_shared *shared =
        WARD_ARENA_ARRAY(diagnosis->arena, struct ward_shared, WARD_SHARED_MAX);
    WARD_ENSURE(shared != NULL, WARD_E_EXHAUSTED);
    size_t n = posture->shared_lately == NULL
                   ? 0
                   : posture->shared_lately(posture->context, shared, WARD_SHARED_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct ward_subject *subject =
            ward_policy_subject(diagnosis->state->policy, ward_bytes_str(shared[i].identity));
        bool grave = subject != NULL && ward_subject_kind(subject) != WARD_ROLE_APPLICATION;
        char hex[2 * sizeof(shared[i].certificate) + 1];
        ward_hex_encode(WARD_BYTES_ARRAY(shared[i].certificate), hex);
        WARD_TRY(ward_diagnosis_add(
            diagnosis, SHARED, grave ? WARD_FINDING_GAP : WARD_FINDING_WARNING,
            "revoke it if its key may be stolen; each instance needs a certificate of its own",
            "the certificate sha256:%s of %s was in use from %s and %s at once", hex,
            shared[i].identity, shared[i].first, shared[i].second));
    }
    return ward_diagnosis_well(diagnosis, SHARED,
                               "no client certificate was in use from two addresses at once since "
                               "yesterday, as far as this daemon saw");
}

/* One that is gone for a day was put out of service. */
static ward_status check_nodes(struct ward_diagnosis *diagnosis, const struct ward_read *nodes)
{
    WARD_TRY(nodes->status);
    for (size_t i = 0; i < nodes->nodes.n; i++) {
        const struct ward_store_node *node = &nodes->nodes.nodes[i];
        int64_t silent_us = nodes->nodes.now_us - node->seen_us;
        bool late = silent_us < WARD_NODE_LIVES_US && node->epoch + 1 < diagnosis->state->epoch &&
                    silent_us > WARD_NODE_LIVES_US / 2;
        if ((silent_us >= WARD_NODE_LIVES_US && silent_us < DAY_US) || late) {
            WARD_TRY(ward_diagnosis_add(diagnosis, NODES, WARD_FINDING_WARNING,
                                        "look whether it runs and reaches the database",
                                        "%.*s was last heard of %lld seconds ago",
                                        (int)node->name.size, (const char *)node->name.data,
                                        (long long)(silent_us / 1000000)));
        }
    }
    return ward_diagnosis_well(diagnosis, NODES, "every daemon was heard of within the minute");
}

/* A clock that is wrong makes times in entries wrong, and would end a waiting too early. */
static ward_status check_clock(struct ward_diagnosis *diagnosis, const struct ward_read *nodes)
{
    WARD_TRY(nodes->status);
    int64_t ahead_us = diagnosis->now_us - nodes->nodes.now_us;
    if (!ward_destroying_clocks_agree(diagnosis->now_us, nodes->nodes.now_us)) {
        WARD_TRY(ward_diagnosis_add(
            diagnosis, CLOCK, WARD_FINDING_GAP,
            "set the clock of the host that is wrong, and have NTP keep it",
            "this daemon's clock is %lld seconds %s the database's: it destroys no key version",
            (long long)((ahead_us < 0 ? -ahead_us : ahead_us) / SECOND_US),
            ahead_us < 0 ? "behind" : "ahead of"));
    }
    return ward_diagnosis_well(diagnosis, CLOCK,
                               "this daemon's clock is within a minute of the database's");
}

/* When the entry was written; false where that cannot be read. */
static bool time_of(const struct ward_diagnosis *diagnosis, struct ward_bytes leaf, int64_t *ret_us)
{
    struct ward_json_slice slices[64];
    struct ward_bytes text;
    size_t n = 0;
    if (!ward_ok(ward_json_scan(leaf, slices, sizeof(slices) / sizeof(slices[0]), &n))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, WARD_BYTES_LITERAL("time"))) {
            return ward_canonical_read_text(slices[i].value, diagnosis->arena, &text) &&
                   ward_time_parse((const char *)text.data, text.size, ret_us);
        }
    }
    return false;
}

static ward_status check_age(struct ward_diagnosis *diagnosis,
                             const struct ward_store_checkpoint *newest,
                             const struct ward_read *uncovered)
{
    int64_t now_us = diagnosis->now_us, written_us = now_us;
    int64_t age_us = now_us - newest->created_us;
    bool news = uncovered != NULL && ward_ok(uncovered->status) && uncovered->audit.n > 0;
    if (news && !time_of(diagnosis, uncovered->audit.leaves[0], &written_us)) {
        return WARD_STATUS(WARD_E_INTERNAL);
    }
    long long age = age_us > 0 ? age_us / SECOND_US : 0;
    if (now_us - written_us >= CHECKPOINT_LATE_US) {
        return ward_diagnosis_add(
            diagnosis, AUDIT,
            now_us - written_us < CHECKPOINT_LOST_US ? WARD_FINDING_WARNING : WARD_FINDING_GAP,
            "see the daemon's log for why it cannot sign",
            "the newest checkpoint is %lld seconds old, and entries have waited %lld seconds for "
            "the next one",
            age, (long long)((now_us - written_us) / SECOND_US));
    }
    return ward_diagnosis_add(diagnosis, AUDIT, WARD_FINDING_OK, "",
                              "the audit log is signed: its newest checkpoint, of %llu entries, is "
                              "%lld seconds old",
                              (unsigned long long)newest->size, age);
}

static ward_status check_checkpoint(struct ward_diagnosis *diagnosis,
                                    const struct ward_read *uncovered)
{
    return diagnosis->stored->newest != NULL
               ? check_age(diagnosis, diagnosis->stored->newest, uncovered)
               : ward_diagnosis_add(diagnosis, AUDIT, WARD_FINDING_GAP,
                                    "see the daemon's log for why it cannot sign",
                                    "there is no signed checkpoint of the audit log");
}

/* Rows that no key of the log signed hide no checkpoint, as long as they are few. */
static ward_status check_stored(struct ward_diagnosis *diagnosis)
{
    const struct ward_stored_checkpoints *stored = diagnosis->stored;
    size_t told = stored->n_passed_over < WARD_FINDINGS_CHECK_MAX ? stored->n_passed_over
                                                                  : WARD_FINDINGS_CHECK_MAX;
    for (size_t i = 0; i < told; i++) {
        WARD_TRY(ward_diagnosis_add(
            diagnosis, STORED, WARD_FINDING_GAP,
            "find out who writes to the database; as its owner, delete the row",
            "the row of size %llu in ward.checkpoint is no checkpoint of this log, and is passed "
            "over",
            (unsigned long long)stored->passed_over[i]));
    }
    if (told < stored->n_passed_over) {
        WARD_TRY(ward_diagnosis_add(diagnosis, STORED, WARD_FINDING_GAP, "as of the others",
                                    "%zu more of them", stored->n_passed_over - told));
    }
    if (stored->missing != 0) {
        WARD_TRY(ward_diagnosis_add(
            diagnosis, STORED, WARD_FINDING_GAP,
            "delete rows of ward.checkpoint that are no checkpoints; restore those that were",
            "the checkpoint by which version %u of the log's key was handed over to is not among "
            "the first %u behind the change, or more than %u changes have such rows: the log "
            "cannot be exported whole",
            stored->missing, WARD_CHECKPOINTS_PAGE_MAX, WARD_HANDOVERS_SOUGHT_MAX));
    }
    return ward_diagnosis_well(diagnosis, STORED,
                               "the newest checkpoints and the handovers of the log's key are "
                               "signed by it");
}

ward_status ward_diagnose_daemon(struct ward_diagnosis *diagnosis, const struct ward_read *nodes,
                                 const struct ward_read *uncovered)
{
    if (diagnosis->posture != NULL) {
        WARD_TRY(check_setup(diagnosis, diagnosis->posture));
        WARD_TRY(check_certificate(diagnosis, diagnosis->posture));
        WARD_TRY(check_shared(diagnosis, diagnosis->posture));
    }
    /* The committer refuses a database that may forget what it said was written. */
    WARD_TRY(ward_diagnosis_well(diagnosis, "database",
                                 "fsync, synchronous_commit and full_page_writes are on: what is "
                                 "said to be written stays written"));
    WARD_TRY(check_clock(diagnosis, nodes));
    WARD_TRY(check_nodes(diagnosis, nodes));
    WARD_TRY(check_stored(diagnosis));
    return check_checkpoint(diagnosis, uncovered);
}

/* ---- officers ---- */

static bool was_reviewed(const struct ward_store_proposal *row)
{
    for (size_t i = 0; i < row->n_votes; i++) {
        if (row->votes[i].decision == WARD_DECISION_REVIEW) {
            return true;
        }
    }
    return false;
}

static bool waits_for_review(struct ward_diagnosis *diagnosis,
                             const struct ward_store_proposal *row)
{
    struct ward_proposal proposal;
    return !was_reviewed(row) &&
           ward_ok(ward_proposal_parse(row->payload, diagnosis->arena, &proposal)) &&
           ward_votes_need_review(row, &proposal);
}

static bool is_gone(void *context, struct ward_bytes identity)
{
    return ward_state_revocation(context, WARD_REVOKED_IDENTITY, identity) != NULL;
}

ward_status ward_diagnose_officers(struct ward_diagnosis *diagnosis,
                                   const struct ward_read *proposals)
{
    WARD_TRY(proposals->status);
    size_t waiting = 0;
    for (size_t i = 0; i < proposals->proposals.n; i++) {
        waiting += waits_for_review(diagnosis, &proposals->proposals.proposals[i]);
    }
    if (waiting > 0) {
        WARD_TRY(ward_diagnosis_add(diagnosis, REVIEWS, WARD_FINDING_WARNING,
                                    "another officer reviews each: ward approval list --unreviewed",
                                    "%zu acts or emergencies ran at once on one signature, and "
                                    "nobody has reviewed them",
                                    waiting));
    }
    WARD_TRY(ward_diagnosis_well(diagnosis, REVIEWS,
                                 "no act of one officer waits for a review, and no emergency"));
    const struct ward_policy *policy = diagnosis->state->policy;
    size_t officers = ward_policy_approvers(policy, is_gone, (void *)diagnosis->state);
    uint32_t largest = ward_policy_largest_quorum(policy);
    if (officers < (size_t)largest + 1) {
        WARD_TRY(ward_diagnosis_add(diagnosis, QUORUM, WARD_FINDING_GAP,
                                    "certify another officer, or change the policy while you can",
                                    "%zu officers may approve, and a guard asks for %u besides the "
                                    "proposer",
                                    officers, largest));
    }
    return ward_diagnosis_well(diagnosis, QUORUM, "there are officers enough for every guard");
}
