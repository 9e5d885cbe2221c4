/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 from OpenSSL with a context that is kept; HMAC and HKDF written out over it. OpenSSL's
 * own HKDF fetches its algorithms, under a lock, at every call, and its HMAC, which copies contexts
 * to and fro and keeps its key, costs twice this one. What depends on a key is wiped before a call
 * returns: the context too, for it keeps its last state until it is begun anew. */
#include "base/digest.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define BLOCK_SIZE 64 /* of SHA-256 */
#define KEY_SIZE_MIN 16
#define HKDF_ROUNDS_MAX 255

struct ward_digest {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
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

ward_status ward_digest_new(struct ward_digest **ret)
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = calloc(1, sizeof(*digest));
    WARD_ENSURE(digest != NULL, WARD_E_EXHAUSTED);
    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->ctx = EVP_MD_CTX_new();
    if (digest->md == NULL || digest->ctx == NULL) {
        return openssl_status(WARD_HERE);
    }
    TRY_OPENSSL(EVP_DigestInit_ex2(digest->ctx, digest->md, NULL));
    *ret = WARD_TAKE(digest);
    return WARD_OK;
}

void ward_digest_free(struct ward_digest *digest)
{
    if (digest == NULL) {
        return;
    }
    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);
    free(digest);
}

/* SHA-256 over `first`, then the parts. */
static ward_status hash(EVP_MD_CTX *ctx, struct ward_bytes first, const struct ward_bytes *parts,
                        size_t n, uint8_t *out)
{
    TRY_OPENSSL(EVP_DigestInit_ex2(ctx, NULL, NULL));
    if (first.size > 0) {
        TRY_OPENSSL(EVP_DigestUpdate(ctx, first.data, first.size));
    }
    for (size_t i = 0; i < n; i++) {
        if (parts[i].size > 0) {
            TRY_OPENSSL(EVP_DigestUpdate(ctx, parts[i].data, parts[i].size));
        }
    }
    TRY_OPENSSL(EVP_DigestFinal_ex(ctx, out, NULL));
    return WARD_OK;
}

ward_status ward_sha256(struct ward_digest *digest, const struct ward_bytes *parts, size_t n,
                        uint8_t out[static WARD_SHA256_SIZE])
{
    return hash(digest->ctx, (struct ward_bytes){0}, parts, n, out);
}

/* RFC 2104, 2: H(key ^ opad || H(key ^ ipad || parts)). pad is the key, filled up with zeros. */
static ward_status mac_padded(EVP_MD_CTX *ctx, uint8_t pad[static BLOCK_SIZE],
                              const struct ward_bytes *parts, size_t n, uint8_t *out)
{
    uint8_t inner[WARD_SHA256_SIZE];
    struct ward_bytes inner_view = WARD_BYTES_ARRAY(inner);
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        pad[i] ^= 0x36;
    }
    WARD_TRY(hash(ctx, WARD_BYTES(pad, BLOCK_SIZE), parts, n, inner));
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    ward_status status = hash(ctx, WARD_BYTES(pad, BLOCK_SIZE), &inner_view, 1, out);
    OPENSSL_cleanse(inner, sizeof(inner));
    return status;
}

/* Leaves the context with a state that depends on the key. */
static ward_status mac(EVP_MD_CTX *ctx, struct ward_bytes key, const struct ward_bytes *parts,
                       size_t n, uint8_t *out)
{
    uint8_t pad[BLOCK_SIZE] = {0};
    ward_status status = WARD_OK;
    if (key.size > BLOCK_SIZE) {
        status = hash(ctx, key, NULL, 0, pad);
    } else {
        memcpy(pad, key.data, key.size);
    }
    if (ward_ok(status)) {
        status = mac_padded(ctx, pad, parts, n, out);
    }
    OPENSSL_cleanse(pad, sizeof(pad));
    return status;
}

static ward_status forget(EVP_MD_CTX *ctx)
{
    TRY_OPENSSL(EVP_DigestInit_ex2(ctx, NULL, NULL));
    return WARD_OK;
}

ward_status ward_hmac_sha256(struct ward_digest *digest, struct ward_bytes key,
                             const struct ward_bytes *parts, size_t n,
                             uint8_t out[static WARD_SHA256_SIZE])
{
    WARD_ENSURE(key.size >= KEY_SIZE_MIN, WARD_E_INTERNAL);
    ward_status status = mac(digest->ctx, key, parts, n, out);
    ward_status forgotten = forget(digest->ctx);
    return ward_ok(status) ? forgotten : status;
}

/* RFC 5869, 2.3: T(i) = HMAC(prk, T(i-1) || info || i), all of them one after the other. */
static ward_status expand(EVP_MD_CTX *ctx, struct ward_bytes prk, struct ward_bytes info,
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
    ward_status status = mac(digest->ctx, salt, &key, 1, prk);
    if (ward_ok(status)) {
        status = expand(digest->ctx, WARD_BYTES_ARRAY(prk), info, t, out, out_size);
    }
    ward_status forgotten = forget(digest->ctx);
    OPENSSL_cleanse(prk, sizeof(prk));
    OPENSSL_cleanse(t, sizeof(t));
    status = ward_ok(status) ? forgotten : status;
    if (!ward_ok(status)) {
        OPENSSL_cleanse(out, out_size);
    }
    return status;
}
