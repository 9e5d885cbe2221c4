/* SPDX-License-Identifier: Apache-2.0 */
/* From a reference to a handle that may be used now. Handles are not believed: a copy works on
 * after its key was destroyed, a handle can name another key after the device restarted, so the
 * token object's CKA_ID is read again every second that the key is in use. Must not know what is
 * encrypted. */
#include "backends/pkcs11/object.h"

#include "backends/pkcs11/template.h"
#include "base/clock.h"
#include "base/log.h"

#define CHECK_US 1000000
#define SWEEP 32
#define FIND_CHUNK 256
#define KEYS_MAX 1000000
#define SEARCH_MAX 256   /* keys on the token up to which a search costs next to nothing */
#define COPY_PATIENCE 16 /* uses of a key before it asks again for a place among the copies */
#define COPY_LOOKS 64    /* entries that such a question looks at */
#define COPIES_EACH 1000 /* of one key: each is proven by a wrap that no budget counts */

static ward_status find_some(struct ward_hsm *hsm, CK_ATTRIBUTE *template, CK_ULONG n,
                             CK_OBJECT_HANDLE *handles, CK_ULONG max, CK_ULONG *ret_n)
{
    WARD_TRY(ward_session_status(
        hsm, WARD_CK(&hsm->module, C_FindObjectsInit, hsm->session, template, n)));
    CK_RV rv = WARD_CK(&hsm->module, C_FindObjects, hsm->session, handles, max, ret_n);
    CK_RV final = WARD_CK(&hsm->module, C_FindObjectsFinal, hsm->session);
    WARD_TRY(ward_session_status(hsm, rv != CKR_OK ? rv : final));
    WARD_ENSURE(*ret_n <= max, WARD_E_INTERNAL);
    return WARD_OK;
}

ward_status ward_object_find(struct ward_hsm *hsm, CK_OBJECT_CLASS class,
                             const struct ward_ring_ref *ref, CK_OBJECT_HANDLE *ret)
{
    WARD_ENSURE(!hsm->broken, WARD_E_UNAVAILABLE);
    /* On a large token one search takes long; a batch of unknown keys must not eat its deadline. */
    WARD_ENSURE(ward_monotonic_us(&ward_clock_system) <= hsm->search_until_us, WARD_E_UNAVAILABLE);
    CK_BBOOL yes = CK_TRUE;
    uint8_t id[WARD_OBJECT_ID_SIZE];
    ward_object_id(ref, id);
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_TOKEN, &yes, sizeof(yes)},
                               {CKA_ID, id, sizeof(id)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n = 0;
    WARD_TRY(find_some(hsm, template, sizeof(template) / sizeof(template[0]), found, 2, &n));
    if (n == 0) {
        WARD_TRY(ward_session_token(
            hsm)); /* SoftHSM finds nothing, and no fault, where the token is gone */
        WARD_FAIL(WARD_E_NOT_FOUND);
    }
    if (n > 1) {
        ward_log(WARD_LOG_ERROR, "hsm: two keys with one CKA_ID; neither is used");
        WARD_FAIL(WARD_E_INTERNAL);
    }
    *ret = found[0];
    return WARD_OK;
}

ward_status ward_object_check(struct ward_hsm *hsm, CK_OBJECT_HANDLE object,
                              const struct ward_ring_ref *ref)
{
    uint8_t id[WARD_OBJECT_ID_SIZE], want[WARD_OBJECT_ID_SIZE];
    ward_object_id(ref, want);
    CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof(id)};
    CK_RV rv = WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, object, &attribute, 1);
    if (rv == CKR_BUFFER_TOO_SMALL) {
        WARD_FAIL(WARD_E_NOT_FOUND); /* an object of somebody else */
    }
    WARD_TRY(ward_session_status(hsm, rv));
    WARD_ENSURE(attribute.ulValueLen == sizeof(id) && memcmp(id, want, sizeof(id)) == 0,
                WARD_E_NOT_FOUND);
    return WARD_OK;
}

static bool has_copy(const struct ward_key_entry *entry)
{
    return entry->taken && entry->use != CK_INVALID_HANDLE && entry->use != entry->token;
}

static void give_up_copy(struct ward_hsm *hsm, struct ward_key_entry *entry)
{
    if (has_copy(entry)) {
        /* If even this fails the copy is out of reach all the same: its handle is forgotten. */
        (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session, entry->use);
        entry->use = entry->token;
        hsm->n_copies--;
    }
}

/* A hand goes round and gives up a copy that nobody used since it last passed: nearly the least
 * recently used one, without a list to keep in order at every use. False: all that it saw are in
 * use. */
static bool make_room(struct ward_hsm *hsm)
{
    for (size_t i = 0; i < COPY_LOOKS && hsm->n_copies >= hsm->config->copies_max; i++) {
        hsm->copy_hand = (hsm->copy_hand + 1) & (hsm->keys.room - 1);
        struct ward_key_entry *entry = &hsm->keys.entries[hsm->copy_hand];
        if (has_copy(entry) && !entry->used_lately) {
            give_up_copy(hsm, entry);
        }
        entry->used_lately = false;
    }
    return hsm->n_copies < hsm->config->copies_max;
}

/* A copy is only faster: a key that cannot be copied (made unmodifiable, say), or that finds no
 * room, is used as it is on the token. It asks again after some uses, so that more keys in turn
 * than there is room for do not make and give up a copy at every use. */
static void use_copy(struct ward_hsm *hsm, struct ward_key_entry *entry)
{
    if (has_copy(entry)) {
        entry->used_lately = true;
        return;
    }
    if (!hsm->quirks.copies || entry->waited++ % COPY_PATIENCE != 0 ||
        entry->copied >= COPIES_EACH || !make_room(hsm)) {
        return;
    }
    entry->copied++;
    if (ward_ok(ward_object_copy(hsm, entry->token, &entry->use))) {
        entry->used_lately = true;
        hsm->n_copies++;
    }
}

void ward_object_forget(struct ward_hsm *hsm, const struct ward_ring_ref *ref)
{
    struct ward_key_entry *entry = ward_key_table_get(&hsm->keys, ref);
    if (entry == NULL) {
        return;
    }
    give_up_copy(hsm, entry);
    ward_key_table_remove(&hsm->keys, ref);
}

/* Looks the key up, on the token where it is not known yet. */
static ward_status locate(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                          struct ward_key_entry **ret)
{
    struct ward_key_entry *entry = ward_key_table_get(&hsm->keys, ref);
    if (entry != NULL) {
        ward_status status = ward_object_check(hsm, entry->token, ref);
        if (status.code != WARD_E_NOT_FOUND) {
            *ret = entry;
            return status;
        }
        ward_object_forget(hsm, ref);
    }
    struct ward_key_entry found = {.ref = *ref};
    WARD_TRY(ward_object_find(hsm, CKO_SECRET_KEY, ref, &found.token));
    return ward_key_table_put(&hsm->keys, &found, ret);
}

ward_status ward_object_use(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                            CK_OBJECT_HANDLE *ret)
{
    struct ward_key_entry *entry = ward_key_table_get(&hsm->keys, ref);
    if (entry == NULL || !entry->ready || entry->checked_round != hsm->round ||
        hsm->now_us - entry->checked_us >= CHECK_US) {
        WARD_TRY(locate(hsm, ref, &entry));
        entry->checked_us = hsm->now_us;
        entry->checked_round = hsm->round;
        if (!entry->ready) {
            ward_status status = ward_object_make_ready(hsm, entry);
            if (!ward_ok(status)) {
                ward_object_forget(hsm, ref);
                return status;
            }
        }
    }
    use_copy(hsm, entry);
    *ret = entry->use;
    return WARD_OK;
}

ward_status ward_object_look_up(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                                CK_OBJECT_HANDLE *ret)
{
    if (hsm->keys.size <= SEARCH_MAX) {
        return ward_object_find(hsm, CKO_SECRET_KEY, ref, ret);
    }
    struct ward_key_entry *entry;
    WARD_TRY(locate(hsm, ref, &entry));
    *ret = entry->token;
    return WARD_OK;
}

void ward_object_sweep(struct ward_hsm *hsm)
{
    size_t looked = 0;
    for (size_t i = 0; i < hsm->keys.room && looked < SWEEP && !hsm->broken; i++) {
        hsm->sweep_at = (hsm->sweep_at + 1) % hsm->keys.room;
        struct ward_key_entry *entry = &hsm->keys.entries[hsm->sweep_at];
        if (!has_copy(entry)) {
            continue;
        }
        looked++;
        struct ward_ring_ref ref = entry->ref; /* forget moves entries */
        if (ward_object_check(hsm, entry->token, &ref).code == WARD_E_NOT_FOUND) {
            ward_object_forget(hsm, &ref);
        }
    }
}

static ward_status note(struct ward_hsm *hsm, CK_OBJECT_HANDLE object)
{
    uint8_t id[WARD_OBJECT_ID_SIZE];
    CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof(id)};
    CK_RV rv = WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, object, &attribute, 1);
    if (rv != CKR_OK || attribute.ulValueLen != sizeof(id)) {
        return WARD_OK; /* somebody else's key, or gone since */
    }
    struct ward_key_entry entry = {.token = object}, *put;
    memcpy(entry.ref.id, id, sizeof(entry.ref.id));
    entry.ref.version = ward_get_u32(id + sizeof(entry.ref.id));
    if (ward_key_table_get(&hsm->keys, &entry.ref) != NULL) {
        /* Two with one id: the search at first use will say so. */
        ward_key_table_remove(&hsm->keys, &entry.ref);
        return WARD_OK;
    }
    return ward_key_table_put(&hsm->keys, &entry, &put);
}

static ward_status note_found(struct ward_hsm *hsm)
{
    CK_OBJECT_HANDLE handles[FIND_CHUNK];
    CK_ULONG n = 0;
    do {
        WARD_TRY(ward_session_status(
            hsm, WARD_CK(&hsm->module, C_FindObjects, hsm->session, handles, FIND_CHUNK, &n)));
        WARD_ENSURE(n <= FIND_CHUNK && hsm->keys.size < KEYS_MAX, WARD_E_INTERNAL);
        for (CK_ULONG i = 0; i < n; i++) {
            WARD_TRY(note(hsm, handles[i]));
        }
    } while (n > 0);
    return WARD_OK;
}

ward_status ward_object_enumerate(struct ward_hsm *hsm)
{
    CK_BBOOL yes = CK_TRUE;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_KEY_TYPE, &type, sizeof(type)},
                               {CKA_TOKEN, &yes, sizeof(yes)}};
    WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_FindObjectsInit, hsm->session,
                                              template, sizeof(template) / sizeof(template[0]))));
    ward_status status = note_found(hsm);
    CK_RV rv = WARD_CK(&hsm->module, C_FindObjectsFinal, hsm->session);
    WARD_TRY(status);
    return ward_session_status(hsm, rv);
}

/* Every object with that reference, of whatever class: a signer has two. */
ward_status ward_object_destroy(struct ward_hsm *hsm, const struct ward_ring_ref *ref)
{
    ward_object_forget(hsm, ref);
    CK_BBOOL yes = CK_TRUE;
    uint8_t id[WARD_OBJECT_ID_SIZE];
    ward_object_id(ref, id);
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_ID, id, sizeof(id)}};
    CK_OBJECT_HANDLE found[8];
    CK_ULONG n = 0;
    WARD_TRY(find_some(hsm, template, 2, found, 8, &n));
    if (n == 0) {
        WARD_TRY(ward_session_token(hsm));
        WARD_FAIL(WARD_E_NOT_FOUND);
    }
    for (CK_ULONG i = 0; i < n; i++) {
        WARD_TRY(ward_session_status(
            hsm, WARD_CK(&hsm->module, C_DestroyObject, hsm->session, found[i])));
    }
    WARD_TRY(find_some(hsm, template, 2, found, 8, &n));
    if (n != 0) {
        ward_log(WARD_LOG_ERROR, "hsm: a key is still there after the token destroyed it");
        WARD_FAIL(WARD_E_INTERNAL);
    }
    return WARD_OK;
}
