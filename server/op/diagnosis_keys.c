/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that should have been rotated, rewrapped or destroyed by now. All of it is the daemon's own
 * work; what is found here is that it could not do it. */
#include "server/op/diagnosis.h"
#include "server/op/rekeying.h"

#define DAY_US (24LL * 3600 * 1000000)
#define HOUR_US (3600LL * 1000000)
#define ROTATION "rotation"
#define COMPROMISED "compromised"
#define REKEY "rekey"
#define WRAPS "wraps"
#define DESTRUCTION "destruction"
#define UNFINISHED "unfinished"
#define JOBS "jobs"

#define NAME(key) (int)(key)->name.size, (const char *)(key)->name.data

static ward_status check_rotation(struct ward_diagnosis *diagnosis, const struct ward_key *key)
{
    if (!key->enabled || key->purpose == WARD_PURPOSE_SYSTEM || key->rotation_period_days == 0 ||
        key->active == NULL) {
        return WARD_OK;
    }
    int64_t age_days = (diagnosis->now_us - key->active->created_us) / DAY_US;
    if (age_days <= (int64_t)key->rotation_period_days) {
        return WARD_OK;
    }
    return ward_diagnosis_add(diagnosis, ROTATION, WARD_FINDING_WARNING,
                              "see the daemon's log for why it could not rotate it",
                              "%.*s version %u is %lld days old and should be rotated after %u",
                              NAME(key), key->active->version, (long long)age_days,
                              key->rotation_period_days);
}

static ward_status check_wraps(struct ward_diagnosis *diagnosis, const struct ward_key *key)
{
    const struct ward_posture *posture = diagnosis->posture;
    if (posture == NULL || posture->wrap_hard_limit == 0 || key->active == NULL ||
        key->active->wraps < posture->wrap_soft_limit) {
        return WARD_OK;
    }
    return ward_diagnosis_add(
        diagnosis, WRAPS,
        key->active->wraps < posture->wrap_hard_limit ? WARD_FINDING_WARNING : WARD_FINDING_GAP,
        "rotate the key; see the daemon's log for why it could not",
        "%.*s version %u has wrapped %llu times, and may %llu times", NAME(key),
        key->active->version, (unsigned long long)key->active->wraps,
        (unsigned long long)posture->wrap_hard_limit);
}

static ward_status check_destruction(struct ward_diagnosis *diagnosis, const struct ward_key *key)
{
    for (size_t v = 0; v < key->n_versions; v++) {
        const struct ward_key_version *version = &key->versions[v];
        bool late = version->state == WARD_KEY_PENDING_DESTRUCTION && version->due_us != 0 &&
                    version->due_us < diagnosis->now_us - HOUR_US;
        if (late) {
            WARD_TRY(ward_diagnosis_add(
                diagnosis, DESTRUCTION, WARD_FINDING_WARNING,
                "see the daemon's log for what stands against it, or cancel it",
                "%.*s version %u should be destroyed, and is not", NAME(key), version->version));
        }
    }
    return WARD_OK;
}

static ward_status check_rows(struct ward_diagnosis *diagnosis, const struct ward_read *rows)
{
    const struct ward_key *key = ward_state_key_by_id(diagnosis->state, &rows->rows.kek);
    WARD_TRY(rows->status);
    for (size_t i = 0; key != NULL && i < rows->rows.n; i++) {
        const struct ward_key_version *version = ward_key_version_find(key, rows->rows.versions[i]);
        if (version != NULL && version->state == WARD_KEY_COMPROMISED && rows->rows.counts[i] > 0) {
            WARD_TRY(ward_diagnosis_add(
                diagnosis, COMPROMISED, WARD_FINDING_GAP,
                "wait for the rewrap, or see the daemon's log for why it does not end",
                "%.*s version %u is compromised and still wraps %llu subject keys", NAME(key),
                version->version, (unsigned long long)rows->rows.counts[i]));
        }
    }
    return WARD_OK;
}

static ward_status check_rekey(struct ward_diagnosis *diagnosis, const struct ward_read *rows,
                               const struct ward_read *jobs)
{
    const struct ward_key *key = ward_state_key_by_id(diagnosis->state, &rows->rows.kek);
    WARD_TRY(jobs->status);
    uint32_t version = key == NULL ? 0 : ward_rekey_owed(key, jobs, rows);
    if (version == 0) {
        return WARD_OK;
    }
    const char *advice =
        ward_arena_printf(diagnosis->arena, "ward key rekey %.*s --wait", NAME(key));
    WARD_ENSURE(advice != NULL, WARD_E_EXHAUSTED);
    return ward_diagnosis_add(
        diagnosis, REKEY, WARD_FINDING_GAP, advice,
        "%.*s version %u was compromised, and no rekey since has replaced the "
        "subject keys that may be known",
        NAME(key), version);
}

static ward_status check_intents(struct ward_diagnosis *diagnosis)
{
    for (size_t i = 0; diagnosis->snapshot != NULL && i < diagnosis->snapshot->n_intents; i++) {
        const struct ward_store_intent *intent = &diagnosis->snapshot->intents[i];
        if (intent->created_us > diagnosis->now_us - HOUR_US) {
            continue; /* under way, or soon taken up */
        }
        char id[WARD_ID_TEXT_SIZE];
        ward_id_print(&intent->kek, id);
        WARD_TRY(ward_diagnosis_add(diagnosis, UNFINISHED, WARD_FINDING_GAP,
                                    "see the daemon's log for why recovery cannot end it",
                                    "a change of key %s version %u was begun by %.*s and not ended",
                                    id, intent->version, (int)intent->node.size,
                                    (const char *)intent->node.data));
    }
    return ward_diagnosis_well(diagnosis, UNFINISHED, "no change of a key was left half-made");
}

ward_status ward_diagnose_keys(struct ward_diagnosis *diagnosis, struct ward_read *const *rows,
                               size_t n)
{
    for (size_t k = 0; k < diagnosis->state->n_keys; k++) {
        const struct ward_key *key = &diagnosis->state->keys[k];
        WARD_TRY(check_rotation(diagnosis, key));
        WARD_TRY(check_wraps(diagnosis, key));
        WARD_TRY(check_destruction(diagnosis, key));
    }
    for (size_t i = 0; i + 1 < n; i += 2) {
        WARD_TRY(check_rows(diagnosis, rows[i]));
        WARD_TRY(check_rekey(diagnosis, rows[i], rows[i + 1]));
    }
    WARD_TRY(ward_diagnosis_well(diagnosis, ROTATION, "no key is older than its period"));
    WARD_TRY(ward_diagnosis_well(diagnosis, WRAPS, "no version is near its limit of wraps"));
    WARD_TRY(ward_diagnosis_well(diagnosis, DESTRUCTION, "no destruction is overdue"));
    WARD_TRY(ward_diagnosis_well(diagnosis, COMPROMISED, "no row is under a compromised version"));
    WARD_TRY(ward_diagnosis_well(diagnosis, REKEY, "no key that leaked is owed a rekey"));
    return check_intents(diagnosis);
}

/* ---- long work ---- */

/* Why nobody takes a part of it; NULL: somebody should. */
static const char *why_not(const struct ward_key *key)
{
    if (key == NULL) {
        return "its key is not in force";
    }
    if (!key->enabled) {
        return "its key is disabled";
    }
    return key->active == NULL ? "no version of its key wraps" : NULL;
}

/* At the pace that it had so far it would not end within a day, and it has had an hour. */
static bool is_slow(const struct ward_store_job *job, int64_t now_us)
{
    int64_t age_us = now_us - job->created_us;
    uint64_t left = job->total > job->done ? job->total - job->done : 0;
    return age_us > HOUR_US && left > 0 &&
           (job->done == 0 || (double)left / (double)job->done * (double)age_us > (double)DAY_US);
}

static ward_status tell_job(struct ward_diagnosis *diagnosis, const struct ward_store_job *job,
                            const char *why)
{
    const struct ward_key *key = ward_state_key_by_id(diagnosis->state, &job->kek);
    const bool rekey = job->kind == WARD_JOB_REKEY;
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&job->kek, id);
    const struct ward_bytes name = key == NULL ? ward_bytes_str(id) : key->name;
    const char *advice = ward_arena_printf(
        diagnosis->arena, "see the daemon's log for the rows; then ward key %s %.*s --wait",
        rekey ? "rekey" : "rewrap", (int)name.size, (const char *)name.data);
    WARD_ENSURE(advice != NULL, WARD_E_EXHAUSTED);
    return ward_diagnosis_add(
        diagnosis, JOBS, job->state == WARD_JOB_STUCK ? WARD_FINDING_GAP : WARD_FINDING_WARNING,
        advice, "the %s of %.*s has done %llu of %llu in %lld hours: %s",
        rekey ? "rekey" : "rewrap", (int)name.size, (const char *)name.data,
        (unsigned long long)job->done, (unsigned long long)job->total,
        (long long)((diagnosis->now_us - job->created_us) / HOUR_US), why);
}

static ward_status check_job(struct ward_diagnosis *diagnosis, const struct ward_store_job *job)
{
    const char *why = why_not(ward_state_key_by_id(diagnosis->state, &job->kek));
    if (job->state == WARD_JOB_STUCK) {
        const char *rows = ward_arena_printf(
            diagnosis->arena, "it is stuck over %llu %s that cannot be moved",
            (unsigned long long)job->left, job->kind == WARD_JOB_REKEY ? "records" : "rows");
        WARD_ENSURE(rows != NULL, WARD_E_EXHAUSTED);
        return tell_job(diagnosis, job, rows);
    }
    bool waits = why != NULL && diagnosis->now_us - job->created_us > HOUR_US;
    if (!waits && !is_slow(job, diagnosis->now_us)) {
        return WARD_OK;
    }
    return tell_job(diagnosis, job,
                    why != NULL       ? why
                    : job->failed > 0 ? "some of its rows fail"
                                      : "it will not end within a day");
}

ward_status ward_diagnose_jobs(struct ward_diagnosis *diagnosis, const struct ward_read *jobs)
{
    WARD_TRY(jobs->status);
    for (size_t i = 0; i < jobs->jobs.n; i++) {
        WARD_TRY(check_job(diagnosis, &jobs->jobs.jobs[i]));
    }
    return ward_diagnosis_well(diagnosis, JOBS, "no rewrap and no rekey is stuck");
}
