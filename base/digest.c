/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC from OpenSSL with contexts that are kept, and HKDF written out over that HMAC:
 * OpenSSL's own HKDF fetches its algorithms, under a lock, at every call. An HMAC context keeps its
 * key, so each call ends by giving it one of zeros. */
#include "base/digest.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define KEY_SIZE_MIN 16
#define HKDF_ROUNDS_MAX 255

struct ward_digest {
    EVP_MD *md;
    EVP_MD_CTX *md_ctx;
    EVP_MAC *mac;
    EVP_MAC_CTX *mac_ctx;
};

static const uint8_t zero_key[WARD_SHA256_SIZE];

static ward_status openssl_status(const char *at)
{
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    return (ward_status){WARD_E_INTERNAL, WARD_DOMAIN_OPENSSL, (uint32_t)error, at};
}

#define TRY_OPENSSL(call)                     \
    do {                                      \
        if ((call) != 1) {                    \
            return openssl_status(WARD_HERE); \
        }                                     \
    } while (0)

static ward_status set_up(struct ward_digest *digest)
{
    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->md_ctx = EVP_MD_CTX_new();
    digest->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (digest->md == NULL || digest->md_ctx == NULL || digest->mac == NULL) {
        return openssl_status(WARD_HERE);
    }
    TRY_OPENSSL(EVP_DigestInit_ex2(digest->md_ctx, digest->md, NULL));
    digest->mac_ctx = EVP_MAC_CTX_new(digest->mac);
    if (digest->mac_ctx == NULL) {
        return openssl_status(WARD_HERE);
    }
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    TRY_OPENSSL(EVP_MAC_CTX_set_params(digest->mac_ctx, params));
    return WARD_OK;
}

ward_status ward_digest_new(struct ward_digest **ret)
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = calloc(1, sizeof(*digest));
    WARD_ENSURE(digest != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(set_up(digest));
    *ret = WARD_TAKE(digest);
    return WARD_OK;
}

void ward_digest_free(struct ward_digest *digest)
{
    if (digest == NULL) {
        return;
    }
    EVP_MAC_CTX_free(digest->mac_ctx);
    EVP_MAC_free(digest->mac);
    EVP_MD_CTX_free(digest->md_ctx);
    EVP_MD_free(digest->md);
    free(digest);
}

ward_status ward_sha256(struct ward_digest *digest, const struct ward_bytes *parts, size_t n,
                        uint8_t out[static WARD_SHA256_SIZE])
{
    TRY_OPENSSL(EVP_DigestInit_ex2(digest->md_ctx, NULL, NULL));
    for (size_t i = 0; i < n; i++) {
        if (parts[i].size > 0) {
            TRY_OPENSSL(EVP_DigestUpdate(digest->md_ctx, parts[i].data, parts[i].size));
        }
    }
    TRY_OPENSSL(EVP_DigestFinal_ex(digest->md_ctx, out, NULL));
    return WARD_OK;
}

static ward_status mac(EVP_MAC_CTX *ctx, struct ward_bytes key, const struct ward_bytes *parts,
                       size_t n, uint8_t *out)
{
    size_t size = 0;
    TRY_OPENSSL(EVP_MAC_init(ctx, key.data, key.size, NULL));
    for (size_t i = 0; i < n; i++) {
        if (parts[i].size > 0) {
            TRY_OPENSSL(EVP_MAC_update(ctx, parts[i].data, parts[i].size));
        }
    }
    TRY_OPENSSL(EVP_MAC_final(ctx, out, &size, WARD_SHA256_SIZE));
    WARD_ENSURE(size == WARD_SHA256_SIZE, WARD_E_INTERNAL);
    return WARD_OK;
}

static ward_status forget_key(EVP_MAC_CTX *ctx)
{
    TRY_OPENSSL(EVP_MAC_init(ctx, zero_key, sizeof(zero_key), NULL));
    return WARD_OK;
}

ward_status ward_hmac_sha256(struct ward_digest *digest, struct ward_bytes key,
                             const struct ward_bytes *parts, size_t n,
                             uint8_t out[static WARD_SHA256_SIZE])
{
    WARD_ENSURE(key.size >= KEY_SIZE_MIN, WARD_E_INTERNAL);
    ward_status status = mac(digest->mac_ctx, key, parts, n, out);
    ward_status forgotten = forget_key(digest->mac_ctx);
    return ward_ok(status) ? forgotten : status;
}

/* RFC 5869, 2.3: T(i) = HMAC(prk, T(i-1) || info || i), all of them one after the other. */
static ward_status expand(EVP_MAC_CTX *ctx, struct ward_bytes prk, struct ward_bytes info,
                          uint8_t t[static WARD_SHA256_SIZE], uint8_t *out, size_t out_size)
{
    uint8_t round = 0;
    for (size_t done = 0; done < out_size;) {
        round++;
        struct ward_bytes parts[] = {
            {t, round == 1 ? 0 : WARD_SHA256_SIZE}, info, {&round, sizeof(round)}};
        WARD_TRY(mac(ctx, prk, parts, 3, t));
        size_t part = out_size - done < WARD_SHA256_SIZE ? out_size - done : WARD_SHA256_SIZE;
        memcpy(out + done, t, part);
        done += part;
    }
    return WARD_OK;
}

ward_status ward_hkdf_sha256(struct ward_digest *digest, struct ward_bytes key,
                             struct ward_bytes salt, struct ward_bytes info, uint8_t *out,
                             size_t out_size)
{
    WARD_ENSURE(key.size > 0, WARD_E_INTERNAL);
    WARD_ENSURE(out_size > 0 && out_size <= HKDF_ROUNDS_MAX * WARD_SHA256_SIZE, WARD_E_INTERNAL);
    if (salt.size == 0) {
        salt = WARD_BYTES_ARRAY(zero_key); /* RFC 5869, 2.2 */
    }
    uint8_t prk[WARD_SHA256_SIZE], t[WARD_SHA256_SIZE];
    ward_status status = mac(digest->mac_ctx, salt, &key, 1, prk);
    if (ward_ok(status)) {
        status = expand(digest->mac_ctx, WARD_BYTES_ARRAY(prk), info, t, out, out_size);
    }
    ward_status forgotten = forget_key(digest->mac_ctx);
    OPENSSL_cleanse(prk, sizeof(prk));
    OPENSSL_cleanse(t, sizeof(t));
    status = ward_ok(status) ? forgotten : status;
    if (!ward_ok(status)) {
        OPENSSL_cleanse(out, out_size);
    }
    return status;
}
