/* SPDX-License-Identifier: Apache-2.0 */
/* The thin half of the KEK interface: checks arguments once and clears outputs, so that every
 * implementation may trust its input. Knows no backend. */
#include "backends/kek.h"

#define LABEL_MAX 128

void ward_kek_close(struct ward_kek *kek)
{
    if (kek != NULL) {
        kek->ops->close(kek);
    }
}

ward_status ward_kek_session_open(struct ward_kek *kek, struct ward_kek_session **ret)
{
    return kek->ops->session_open(kek, ret);
}

void ward_kek_session_close(struct ward_kek_session *session)
{
    if (session != NULL) {
        session->kek->ops->session_close(session);
    }
}

static bool aad_fits(struct ward_bytes aad)
{
    return aad.data != NULL && aad.size > 0 && aad.size <= WARD_KEK_AAD_MAX;
}

/* Contexts were checked when the request was parsed, so a bad one here is our own fault; a blob
 * comes from outside, and one of an impossible size is just one that does not open. */
static ward_status item_check(const struct ward_kek_item *item)
{
    WARD_ENSURE(item->out != NULL, WARD_E_INTERNAL);
    WARD_ENSURE(aad_fits(item->aad), WARD_E_INTERNAL);
    switch (item->verb) {
    case WARD_KEK_WRAP:
        WARD_ENSURE(item->in.size > 0 && item->in.size <= WARD_KEK_PLAIN_MAX, WARD_E_INTERNAL);
        return WARD_OK;
    case WARD_KEK_REWRAP:
        WARD_ENSURE(aad_fits(item->from_aad), WARD_E_INTERNAL);
        __attribute__((fallthrough));
    case WARD_KEK_UNWRAP:
        WARD_ENSURE(item->in.size > 0 && item->in.size <= WARD_KEK_BLOB_MAX, WARD_E_CIPHERTEXT);
        return WARD_OK;
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

ward_status ward_kek_run(struct ward_kek_session *session, struct ward_kek_item *items, size_t n)
{
    WARD_ENSURE(n <= WARD_KEK_BATCH_MAX, WARD_E_INTERNAL);
    for (size_t i = 0; i < n; i++) {
        items[i].out_size = 0;
        items[i].status = item_check(&items[i]);
    }
    return n == 0 ? WARD_OK : session->kek->ops->run(session, items, n);
}

static ward_status label_check(const char *label)
{
    struct ward_bytes text = ward_bytes_str(label);
    WARD_REQUIRE(text.size > 0 && text.size <= LABEL_MAX, "label: 1 to 128 bytes");
    WARD_REQUIRE(ward_utf8_valid(text), "label: not UTF-8");
    return WARD_OK;
}

ward_status ward_kek_create(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                            const char *label)
{
    WARD_TRY(label_check(label));
    return session->kek->ops->create(session, ref, label);
}

ward_status ward_kek_destroy(struct ward_kek_session *session, const struct ward_kek_ref *ref)
{
    return session->kek->ops->destroy(session, ref);
}

ward_status ward_kek_forget(struct ward_kek_session *session, const struct ward_kek_ref *ref)
{
    return session->kek->ops->forget(session, ref);
}

ward_status ward_kek_list(struct ward_kek_session *session, uint32_t from,
                          struct ward_kek_object objects[static WARD_KEK_LIST_MAX], size_t *ret_n)
{
    *ret_n = 0;
    return session->kek->ops->list(session, from, objects, ret_n);
}

ward_status ward_kek_attest(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                            struct ward_kek_attest *ret)
{
    *ret = (struct ward_kek_attest){0};
    return session->kek->ops->attest(session, ref, ret);
}

ward_status ward_kek_create_signer(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                                   const char *label, uint8_t *ret_algorithm, uint8_t *public_key,
                                   size_t *ret_size)
{
    WARD_TRY(label_check(label));
    *ret_algorithm = 0;
    *ret_size = 0;
    return session->kek->ops->create_signer(session, ref, label, ret_algorithm, public_key,
                                            ret_size);
}

ward_status ward_kek_sign(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                          uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                          size_t *ret_size)
{
    *ret_size = 0;
    WARD_ENSURE(algorithm == WARD_KEK_ED25519 || algorithm == WARD_KEK_ECDSA_P256, WARD_E_INTERNAL);
    WARD_ENSURE(data.size > 0 && data.size <= WARD_KEK_SIGN_MAX, WARD_E_INTERNAL);
    return session->kek->ops->sign(session, ref, algorithm, data, signature, ret_size);
}

ward_status ward_kek_probe(struct ward_kek_session *session)
{
    return session->kek->ops->probe(session);
}
