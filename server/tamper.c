/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Whether rows add up is reckoned in integrity.c; this file reads and speaks. */
#include "server/tamper.h"

#include "base/log.h"
#include "base/wipe_alloc.h"

#define LOOK_ARENA (256u << 20)
#define MANY_FACTS 10000u
#define LOOKS_A_MINUTE 12u

ward_status ward_tamper_check(const struct ward_index *index,
                              const struct ward_store_snapshot *snapshot)
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    const struct ward_integrity integrity = {digest, ward_secret_view(index->rows)};
    return ward_integrity_check(&integrity, snapshot);
}

void ward_tamper_tell(struct ward_tamper *tamper, ward_status status)
{
    if (atomic_exchange(&tamper->found, true)) {
        return;
    }
    const char *why = ward_status_refusal(status);
    ward_log_text(WARD_LOG_ERROR, "the database was edited; stopping", "why",
                  why != NULL ? why : "");
    tamper->stop(tamper->context);
}

void ward_tamper_look(struct ward_tamper *tamper, struct ward_store_reader *reader,
                      const struct ward_index *index)
{
    if (tamper->looks > 0) {
        tamper->looks--;
        return;
    }
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    ward_status status = ward_arena_new(LOOK_ARENA, &arena);
    if (ward_ok(status)) {
        status = ward_store_snapshot(reader, arena, &snapshot);
    }
    if (!ward_ok(status)) {
        return; /* the database is away: commits tell of that */
    }
    if (ward_integrity_facts(&snapshot) > MANY_FACTS) {
        tamper->looks = LOOKS_A_MINUTE - 1;
    }
    if (!snapshot.initialised) {
        status = WARD_REFUSAL(WARD_E_STATE, "database: the row of ward.deployment is gone");
    } else {
        status = ward_tamper_check(index, &snapshot);
    }
    if (status.code == WARD_E_STATE) {
        ward_tamper_tell(tamper, status);
    }
}

ward_status ward_tamper_adopt(const struct ward_index *index,
                              const struct ward_store_snapshot *snapshot,
                              struct ward_seal *ret_seal)
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    const struct ward_integrity integrity = {digest, ward_secret_view(index->rows)};
    WARD_TRY(ward_integrity_sum(&integrity, snapshot, 0, ret_seal));
    ward_log_number(WARD_LOG_WARN, "adopting the database as it is: keys", "keys",
                    (long long)snapshot->n_keks);
    ward_log_number(WARD_LOG_WARN, "adopting the database as it is: versions of keys", "versions",
                    (long long)snapshot->n_versions);
    ward_log_number(WARD_LOG_WARN, "adopting the database as it is: the newest policy", "version",
                    (long long)snapshot->policy_version);
    ward_log_number(WARD_LOG_WARN, "adopting the database as it is: revocations", "revocations",
                    (long long)snapshot->n_revocations);
    return WARD_OK;
}
