/* SPDX-License-Identifier: Apache-2.0 */
/* Every key that lies on the token, ours or not, for people who look for what nobody remembers. The
 * handles are found once, for the first page: on a large token a search takes long. */
#include <stdlib.h>

#include "backends/pkcs11/object.h"

#define FIND_CHUNK 256
#define LIST_MAX 1000000

static ward_status keep(struct ward_hsm *hsm, const CK_OBJECT_HANDLE *handles, CK_ULONG n)
{
    WARD_ENSURE(n <= FIND_CHUNK && hsm->n_listed + n <= LIST_MAX, WARD_E_INTERNAL);
    CK_OBJECT_HANDLE *more = reallocarray(hsm->listed, hsm->n_listed + n, sizeof(*more));
    WARD_ENSURE(more != NULL, WARD_E_EXHAUSTED);
    memcpy(more + hsm->n_listed, handles, n * sizeof(*more));
    hsm->listed = more;
    hsm->n_listed += n;
    return WARD_OK;
}

static ward_status keep_found(struct ward_hsm *hsm)
{
    CK_OBJECT_HANDLE handles[FIND_CHUNK];
    CK_ULONG n = 0;
    do {
        WARD_TRY(ward_session_status(
            hsm, WARD_CK(&hsm->module, C_FindObjects, hsm->session, handles, FIND_CHUNK, &n)));
        if (n > 0) {
            WARD_TRY(keep(hsm, handles, n));
        }
    } while (n > 0);
    return WARD_OK;
}

static ward_status find_class(struct ward_hsm *hsm, CK_OBJECT_CLASS class)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}};
    WARD_TRY(ward_session_status(
        hsm, WARD_CK(&hsm->module, C_FindObjectsInit, hsm->session, template, 2)));
    ward_status status = keep_found(hsm);
    CK_RV rv = WARD_CK(&hsm->module, C_FindObjectsFinal, hsm->session);
    WARD_TRY(status);
    return ward_session_status(hsm, rv);
}

static ward_status find_all(struct ward_hsm *hsm)
{
    free(hsm->listed);
    hsm->listed = NULL;
    hsm->n_listed = 0;
    WARD_TRY(find_class(hsm, CKO_SECRET_KEY));
    WARD_TRY(find_class(hsm, CKO_PRIVATE_KEY));
    return hsm->n_listed > 0 ? WARD_OK : ward_session_token(hsm);
}

/* One attribute, cut to its room; its size as it is there, 255 for more. */
static uint8_t read_cut(struct ward_hsm *hsm, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                        uint8_t *out, size_t room)
{
    uint8_t whole[UINT8_MAX];
    CK_ATTRIBUTE attribute = {type, whole, sizeof(whole)};
    CK_RV rv = WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, object, &attribute, 1);
    if (rv != CKR_OK) {
        return rv == CKR_BUFFER_TOO_SMALL ? UINT8_MAX : 0;
    }
    size_t size = attribute.ulValueLen <= sizeof(whole) ? attribute.ulValueLen : 0;
    memcpy(out, whole, size < room ? size : room);
    return (uint8_t)size;
}

static void describe(struct ward_hsm *hsm, CK_OBJECT_HANDLE object, struct ward_ring_object *ret)
{
    CK_OBJECT_CLASS class = 0;
    CK_ATTRIBUTE attribute = {CKA_CLASS, &class, sizeof(class)};
    *ret = (struct ward_ring_object){0};
    (void)WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, object, &attribute, 1);
    ret->signer = class == CKO_PRIVATE_KEY;
    ret->id_size = read_cut(hsm, object, CKA_ID, ret->id, sizeof(ret->id));
    ret->label_size = read_cut(hsm, object, CKA_LABEL, ret->label, sizeof(ret->label));
}

ward_status ward_object_list(struct ward_hsm *hsm, uint32_t from, uint8_t *out, size_t room,
                             size_t *ret_size)
{
    WARD_ENSURE(!hsm->broken, WARD_E_UNAVAILABLE);
    if (from == 0) {
        WARD_TRY(find_all(hsm));
    }
    size_t max = room / sizeof(struct ward_ring_object), n = 0;
    for (; n < max && from + n < hsm->n_listed; n++) {
        struct ward_ring_object object;
        describe(hsm, hsm->listed[from + n], &object);
        memcpy(out + n * sizeof(object), &object, sizeof(object));
    }
    *ret_size = n * sizeof(struct ward_ring_object);
    return WARD_OK;
}
