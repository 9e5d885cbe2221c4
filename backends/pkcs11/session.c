/* SPDX-License-Identifier: Apache-2.0 */
/* From a module's path to a session; login.c logs it in. Must not know what the session is used
 * for.
 */
#include "backends/pkcs11/session.h"

#include <stdlib.h>

#include "backends/pkcs11/rv.h"
#include "base/log.h"

#define SLOTS_MAX 1024

ward_status ward_session_status(struct ward_hsm *hsm, CK_RV rv)
{
    if (ward_rv_class(rv) == WARD_RV_BROKEN && !hsm->broken && !hsm->probing) {
        hsm->broken = true;
        ward_log_text(WARD_LOG_WARN, "hsm: session lost, starting anew", "call",
                      ward_module_call_name(hsm->module.failed));
        ward_log_number(WARD_LOG_WARN, "hsm: the module's answer", "rv", (long long)rv);
    }
    return ward_rv_status(rv);
}

/* A field of CK_TOKEN_INFO: padded with blanks, not terminated. */
static bool field_is(const CK_UTF8CHAR *field, size_t size, const char *text)
{
    while (size > 0 && (field[size - 1] == ' ' || field[size - 1] == '\0')) {
        size--;
    }
    return ward_bytes_eq(WARD_BYTES(field, size), ward_bytes_str(text));
}

static bool token_is(const struct ward_hsm_config *config, const CK_TOKEN_INFO *info)
{
    if ((info->flags & CKF_TOKEN_INITIALIZED) == 0) {
        return false;
    }
    return (config->token_label == NULL ||
            field_is(info->label, sizeof(info->label), config->token_label)) &&
           (config->token_serial == NULL ||
            field_is(info->serialNumber, sizeof(info->serialNumber), config->token_serial));
}

static ward_status choose(struct ward_hsm *hsm, const CK_SLOT_ID *slots, CK_ULONG n)
{
    size_t found = 0;
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (WARD_CK(&hsm->module, C_GetTokenInfo, slots[i], &info) == CKR_OK &&
            token_is(hsm->config, &info)) {
            hsm->slot = slots[i];
            found++;
        }
    }
    if (found == 0) {
        ward_log(WARD_LOG_ERROR, "hsm: no token with that label or serial number");
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    if (found > 1) {
        ward_log(WARD_LOG_ERROR, "hsm: several tokens with that label: name one by serial number");
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    return WARD_OK;
}

static ward_status find_token(struct ward_hsm *hsm)
{
    CK_ULONG n = 0;
    WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_GetSlotList, CK_TRUE, NULL, &n)));
    WARD_ENSURE(n <= SLOTS_MAX, WARD_E_INTERNAL);
    CK_SLOT_ID *slots = calloc(n + 1, sizeof(*slots));
    WARD_ENSURE(slots != NULL, WARD_E_EXHAUSTED);
    ward_status status =
        ward_session_status(hsm, WARD_CK(&hsm->module, C_GetSlotList, CK_TRUE, slots, &n));
    if (ward_ok(status)) {
        status = choose(hsm, slots, n);
    }
    free(slots);
    return status;
}

ward_status ward_session_open(struct ward_hsm *hsm, const struct ward_hsm_config *config,
                              uint32_t *in_call)
{
    hsm->config = config;
    WARD_TRY(ward_digest_new(&hsm->digest));
    WARD_TRY(ward_secret_zero(WARD_HSM_SCRATCH, &hsm->opened));
    WARD_TRY(ward_secret_zero(WARD_HSM_SCRATCH, &hsm->proven));
    WARD_TRY(ward_module_load(config->module_path, in_call, &hsm->module));
    WARD_TRY(ward_session_status(hsm, ward_module_initialize(&hsm->module, config->module_params)));
    WARD_TRY(find_token(hsm));
    return ward_session_begin(hsm);
}

ward_status ward_session_begin(struct ward_hsm *hsm)
{
    return ward_session_status(hsm, WARD_CK(&hsm->module, C_OpenSession, hsm->slot,
                                            CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                            &hsm->session));
}

ward_status ward_session_token(struct ward_hsm *hsm)
{
    CK_TOKEN_INFO info;
    return ward_session_status(hsm, WARD_CK(&hsm->module, C_GetTokenInfo, hsm->slot, &info));
}

ward_status ward_session_random(struct ward_hsm *hsm, uint8_t *out, size_t size)
{
    WARD_ENSURE(size <= sizeof(hsm->ivs), WARD_E_INTERNAL);
    if (hsm->ivs_left < size) {
        hsm->ivs_left = 0;
        WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_GenerateRandom, hsm->session,
                                                  hsm->ivs, sizeof(hsm->ivs))));
        hsm->ivs_left = sizeof(hsm->ivs);
    }
    hsm->ivs_left -= size;
    memcpy(out, hsm->ivs + hsm->ivs_left, size);
    return WARD_OK;
}

void ward_session_close(struct ward_hsm *hsm)
{
    if (hsm->module.list != NULL) {
        (void)WARD_CK(&hsm->module, C_Finalize, NULL); /* the process ends anyway */
    }
    ward_key_table_fini(&hsm->keys);
    free(hsm->listed);
    ward_secret_free(hsm->opened);
    ward_secret_free(hsm->proven);
    ward_digest_free(hsm->digest);
}
