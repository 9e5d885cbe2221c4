/* SPDX-License-Identifier: Apache-2.0 */
/* A list that is nearly always empty, behind one atomic count: the common case takes no lock. */
#include "server/work/attestation.h"

#include <stdlib.h>

#include "base/log.h"
#include "server/state.h"

struct ward_attestation {
    pthread_mutex_t lock;
    struct ward_kek_ref *bad;
    size_t n;
    atomic_size_t count;
};

ward_status ward_attestation_new(struct ward_attestation **ret)
{
    struct ward_attestation *attestation = calloc(1, sizeof(*attestation));
    WARD_ENSURE(attestation != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&attestation->lock,
                             NULL); /* cannot fail with default attributes on Linux */
    *ret = attestation;
    return WARD_OK;
}

void ward_attestation_free(struct ward_attestation *attestation)
{
    if (attestation != NULL) {
        (void)pthread_mutex_destroy(&attestation->lock);
        free(attestation->bad);
        free(attestation);
    }
}

static bool as_made(const struct ward_kek_attest *attest)
{
    return attest->present && attest->sensitive && attest->non_extractable &&
           attest->never_wrap_with_decrypt;
}

static ward_status check_all(struct ward_kek_session *session, const struct ward_state *state,
                             struct ward_kek_ref *bad, size_t *ret_n)
{
    for (size_t k = 0; k < state->n_keys; k++) {
        const struct ward_key *key = &state->keys[k];
        for (size_t v = 0; v < key->n_versions; v++) {
            if (key->versions[v].state == WARD_KEY_DESTROYED) {
                continue;
            }
            const struct ward_kek_ref ref = {key->id, key->versions[v].version};
            struct ward_kek_attest attest = {0};
            ward_status status = ward_kek_attest(session, &ref, &attest);
            if (!ward_ok(status) && status.code != WARD_E_NOT_FOUND) {
                return status;
            }
            if (!as_made(&attest)) {
                bad[(*ret_n)++] = ref;
            }
        }
    }
    return WARD_OK;
}

ward_status ward_attestation_check(struct ward_attestation *attestation,
                                   struct ward_kek_session *session, const struct ward_state *state,
                                   size_t *ret_bad)
{
    size_t versions = 1;
    for (size_t k = 0; k < state->n_keys; k++) {
        versions += state->keys[k].n_versions;
    }
    struct ward_kek_ref *bad = calloc(versions, sizeof(*bad));
    WARD_ENSURE(bad != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    ward_status status = check_all(session, state, bad, &n);
    if (!ward_ok(status)) {
        free(bad);
        return status;
    }
    (void)pthread_mutex_lock(&attestation->lock);
    struct ward_kek_ref *old = attestation->bad;
    attestation->bad = bad;
    attestation->n = n;
    atomic_store(&attestation->count, n);
    (void)pthread_mutex_unlock(&attestation->lock);
    free(old);
    if (n > 0) {
        ward_log_number(
            WARD_LOG_ERROR,
            "KEK versions are missing from the token or their attributes are not those that "
            "Ward gave them; they are not used: look at the token",
            "versions", (long long)n);
    }
    *ret_bad = n;
    return WARD_OK;
}

ward_status ward_attestation_allows(struct ward_attestation *attestation,
                                    const struct ward_kek_ref *ref)
{
    if (atomic_load_explicit(&attestation->count, memory_order_relaxed) == 0) {
        return WARD_OK;
    }
    bool found = false;
    (void)pthread_mutex_lock(&attestation->lock);
    for (size_t i = 0; i < attestation->n && !found; i++) {
        found = ward_id_eq(&attestation->bad[i].id, &ref->id) &&
                attestation->bad[i].version == ref->version;
    }
    (void)pthread_mutex_unlock(&attestation->lock);
    return found ? WARD_REFUSAL(
                       WARD_E_STATE,
                       "key: the HSM's attributes of it are not those that Ward gave it; not used")
                 : WARD_OK;
}
