/* SPDX-License-Identifier: Apache-2.0 */
/* The token against the keyring. A key object that no row explains is either what a crash left, or
 * somebody else's; a version without its object opens nothing any more. */
#include "server/op/diagnosis.h"

#include <stdlib.h>
#include <string.h>

#include "server/work/attestation.h"
#include "server/work/worker.h"

#define OBJECTS_MAX 200000u
#define ORPHAN "token-orphans"
#define MISSING "token-missing"
#define ATTRIBUTES "key-attributes"

struct listing {
    struct ward_kek_ref *refs; /* sorted, of ours */
    size_t n, max;
};

static int compare(const void *a, const void *b)
{
    const struct ward_kek_ref *x = a, *y = b;
    int order = memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
    return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

static ward_status keep(struct listing *listing, const struct ward_kek_ref *ref)
{
    if (listing->n == listing->max) {
        size_t more = listing->max == 0 ? 256 : listing->max * 2;
        struct ward_kek_ref *larger = reallocarray(listing->refs, more, sizeof(*larger));
        WARD_ENSURE(larger != NULL && more <= OBJECTS_MAX * 2, WARD_E_EXHAUSTED);
        listing->refs = larger;
        listing->max = more;
    }
    listing->refs[listing->n++] = *ref;
    return WARD_OK;
}

/* Being made or destroyed, or left so by a crash: recovery's. */
static bool intended(const struct ward_diagnosis *diagnosis, const struct ward_kek_ref *ref)
{
    for (size_t i = 0; diagnosis->snapshot != NULL && i < diagnosis->snapshot->n_intents; i++) {
        const struct ward_store_intent *intent = &diagnosis->snapshot->intents[i];
        if (intent->version == ref->version && ward_id_eq(&intent->kek, &ref->id)) {
            return true;
        }
    }
    return false;
}

/* As the database is now; those of before stay in the token. */
static bool is_new_log_key(const struct ward_diagnosis *diagnosis, const struct ward_kek_ref *ref)
{
    return diagnosis->snapshot != NULL && ref->version > 1 &&
           ward_id_eq(&diagnosis->snapshot->deployment.log_key, &ref->id) &&
           ref->version <= diagnosis->snapshot->n_log_keys + 1;
}

/* By the state, or by a newer one: the database as it is now. */
static bool known(const struct ward_diagnosis *diagnosis, const struct ward_kek_ref *ref)
{
    const struct ward_key *key = ward_state_key_by_id(diagnosis->state, &ref->id);
    const struct ward_key_version *version =
        key == NULL ? NULL : ward_key_version_find(key, ref->version);
    if ((version != NULL && version->state != WARD_KEY_DESTROYED) ||
        ward_state_is_log_key(diagnosis->state, ref) || intended(diagnosis, ref) ||
        is_new_log_key(diagnosis, ref)) {
        return true;
    }
    for (size_t i = 0; diagnosis->snapshot != NULL && i < diagnosis->snapshot->n_versions; i++) {
        const struct ward_store_kek_version *row = &diagnosis->snapshot->versions[i];
        if (row->version == ref->version && ward_id_eq(&row->kek, &ref->id)) {
            return row->state != WARD_KEY_DESTROYED;
        }
    }
    return false;
}

static ward_status look_at(struct ward_diagnosis *diagnosis, const struct ward_kek_object *object,
                           struct listing *listing, size_t *orphans)
{
    if (object->ours && known(diagnosis, &object->ref)) {
        return keep(listing, &object->ref);
    }
    if (++*orphans > WARD_FINDINGS_CHECK_MAX) {
        return WARD_OK;
    }
    char hex[2 * WARD_KEK_OBJECT_ID_MAX + 1];
    ward_hex_encode(WARD_BYTES(object->id, object->id_size), hex);
    return ward_diagnosis_add(
        diagnosis, ORPHAN, WARD_FINDING_GAP,
        "find out who made it; if nobody needs it, destroy it with the vendor's tool",
        "a %s key that Ward does not know: CKA_ID %s, label \"%s\"",
        object->signer ? "private" : "secret", object->id_size == 0 ? "(none)" : hex,
        object->label);
}

static ward_status list_all(struct ward_diagnosis *diagnosis, struct listing *listing)
{
    struct ward_kek_object *objects = calloc(WARD_KEK_LIST_MAX, sizeof(*objects));
    WARD_ENSURE(objects != NULL, WARD_E_EXHAUSTED);
    ward_status status;
    size_t n = 0, at = 0, orphans = 0;
    do {
        status = ward_kek_list(diagnosis->worker->session, (uint32_t)at, objects, &n);
        for (size_t i = 0; i < n && ward_ok(status); i++) {
            status = look_at(diagnosis, &objects[i], listing, &orphans);
        }
        at += n;
    } while (ward_ok(status) && n > 0 && at < OBJECTS_MAX);
    free(objects);
    if (ward_ok(status) && orphans > WARD_FINDINGS_CHECK_MAX) {
        status = ward_diagnosis_add(diagnosis, ORPHAN, WARD_FINDING_GAP, "as of the others",
                                    "%zu more of them", orphans - WARD_FINDINGS_CHECK_MAX);
    }
    return status;
}

static bool has(const struct listing *listing, const struct ward_kek_ref *ref)
{
    return bsearch(ref, listing->refs, listing->n, sizeof(*ref), compare) != NULL;
}

static ward_status check_version(struct ward_diagnosis *diagnosis, const struct listing *listing,
                                 const struct ward_key *key, uint32_t version)
{
    const struct ward_kek_ref ref = {key->id, version};
    if (!has(listing, &ref)) {
        return intended(diagnosis, &ref)
                   ? WARD_OK
                   : ward_diagnosis_add(diagnosis, MISSING, WARD_FINDING_GAP,
                                        "restore the token from its backup; nothing under this "
                                        "version opens without it",
                                        "%.*s version %u has no key in the token",
                                        (int)key->name.size, (const char *)key->name.data, version);
    }
    struct ward_attestation *attestation = diagnosis->worker->pipeline->attestation;
    if (attestation != NULL && !ward_ok(ward_attestation_allows(attestation, &ref))) {
        return ward_diagnosis_add(
            diagnosis, ATTRIBUTES, WARD_FINDING_GAP,
            "somebody changed the key in the token: find out who, and rotate the key",
            "%.*s version %u: its attributes are not those that Ward gave it, so it is not used",
            (int)key->name.size, (const char *)key->name.data, version);
    }
    return WARD_OK;
}

/* The one in force signs, and so does every one that has not handed over to the next. */
static ward_status check_log_keys(struct ward_diagnosis *diagnosis, const struct listing *listing)
{
    const struct ward_state *state = diagnosis->state;
    const struct ward_log_key *now = &state->log_keys[state->n_log_keys - 1];
    const struct ward_log_key *last =
        ward_stored_signed_last(state, diagnosis->stored->newest, now);
    if (!has(listing, &now->ref)) {
        WARD_TRY(ward_diagnosis_add(
            diagnosis, MISSING, WARD_FINDING_GAP,
            "restore the token from its backup; it can be changed for another only while it signs",
            "the key that signs the audit log is not in the token"));
    }
    for (const struct ward_log_key *key = state->log_keys; key < now; key++) {
        if (has(listing, &key->ref)) {
            continue;
        }
        WARD_TRY(key < last
                     ? ward_diagnosis_add(diagnosis, MISSING, WARD_FINDING_WARNING,
                                          "find out who took it away; Ward does not need it",
                                          "version %u of the log's key, which has handed over, is "
                                          "not in the token",
                                          key->ref.version)
                     : ward_diagnosis_add(diagnosis, MISSING, WARD_FINDING_GAP,
                                          "restore the token from its backup: without this key "
                                          "no checkpoint is signed, and no change proposed",
                                          "version %u of the log's key has not handed over to the "
                                          "next, and is not in the token",
                                          key->ref.version));
    }
    return WARD_OK;
}

static ward_status check_versions(struct ward_diagnosis *diagnosis, const struct listing *listing)
{
    for (size_t k = 0; k < diagnosis->state->n_keys; k++) {
        const struct ward_key *key = &diagnosis->state->keys[k];
        for (size_t v = 0; v < key->n_versions; v++) {
            if (key->versions[v].state != WARD_KEY_DESTROYED) {
                WARD_TRY(check_version(diagnosis, listing, key, key->versions[v].version));
            }
        }
    }
    WARD_TRY(check_log_keys(diagnosis, listing));
    WARD_TRY(ward_diagnosis_well(diagnosis, MISSING, "every key version is in the token"));
    return ward_diagnosis_well(diagnosis, ATTRIBUTES,
                               "keys can neither be extracted nor wrap other keys");
}

ward_status ward_diagnose_token(struct ward_diagnosis *diagnosis)
{
    struct listing listing = {0};
    ward_status status = list_all(diagnosis, &listing);
    if (ward_ok(status)) {
        qsort(listing.refs, listing.n, sizeof(*listing.refs), compare);
        status = ward_diagnosis_well(diagnosis, ORPHAN, "every key in the token is one of Ward's");
        if (ward_ok(status)) {
            status = check_versions(diagnosis, &listing);
        }
    } else if (status.code == WARD_E_UNAVAILABLE) {
        const char *refusal = ward_status_refusal(status);
        bool pin = refusal != NULL && strcmp(refusal, WARD_KEK_WRONG_PIN) == 0;
        status = ward_diagnosis_add(
            diagnosis, "token", WARD_FINDING_GAP,
            pin ? "put the right PIN in hsm.pin_file, then send SIGHUP to wardd: it is tried once"
                : "see the daemon's log for what the HSM said",
            pin ? "the token refuses the PIN, which is not tried again" : "the HSM did not answer");
    }
    free(listing.refs);
    return status;
}
