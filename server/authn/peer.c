/* SPDX-License-Identifier: Apache-2.0 */
/* From a verified certificate to the one name that policy knows. That the chain is good was decided
 * in the handshake; what the name may do is decided by policy. Whatever is doubtful names nobody.
 */
#include "server/authn/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#define CERTIFICATE_MAX (16u * 1024)
#define KEY_PREFIX "key:sha256:"

/* RFC 3986: unreserved, reserved and "%". Everything else, NUL and space first of all, is refused.
 */
static bool uri_character(uint8_t c)
{
    static const char marks[] = "-._~:/?#[]@!$&'()*+,;=%";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(marks, c) != NULL);
}

static bool letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A scheme, a colon and something behind it. */
static bool has_scheme(struct ward_bytes uri)
{
    const uint8_t *colon = memchr(uri.data, ':', uri.size);
    return colon != NULL && letter(uri.data[0]) && colon + 1 < uri.data + uri.size;
}

static ward_status identity_from_uri(struct ward_bytes uri, char out[static WARD_IDENTITY_MAX])
{
    if (uri.size == 0) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: empty SAN URI");
    }
    if (uri.size >= WARD_IDENTITY_MAX) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: SAN URI longer than 511 bytes");
    }
    for (size_t i = 0; i < uri.size; i++) {
        if (!uri_character(uri.data[i])) {
            return WARD_REFUSAL(WARD_E_UNAUTHENTICATED,
                                "certificate: SAN URI with a character that is not allowed");
        }
    }
    if (!has_scheme(uri)) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: SAN URI without a scheme");
    }
    /* Names made of a key's hash are ours to give: nobody may write one into a certificate. */
    if (uri.size >= 4 && strncasecmp((const char *)uri.data, "key:", 4) == 0) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED,
                            "certificate: SAN URI with the reserved scheme key");
    }
    memcpy(out, uri.data, uri.size);
    out[uri.size] = '\0';
    return WARD_OK;
}

/* The one URI among the names; empty when there is none. Borrowed from names. */
static ward_status find_uri(const GENERAL_NAMES *names, struct ward_bytes *ret)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            continue;
        }
        if (ret->data != NULL) {
            return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: more than one SAN URI");
        }
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        int size = ASN1_STRING_length(uri);
        *ret =
            WARD_BYTES(size > 0 ? ASN1_STRING_get0_data(uri) : (const uint8_t *)"", (size_t)size);
    }
    return WARD_OK;
}

static void identity_from_key(struct ward_peer *peer)
{
    memcpy(peer->identity, KEY_PREFIX, sizeof(KEY_PREFIX) - 1);
    ward_hex_encode(WARD_BYTES_ARRAY(peer->public_key_hash),
                    peer->identity + sizeof(KEY_PREFIX) - 1);
}

static ward_status name_peer(struct ward_peer *peer, const X509 *certificate)
{
    int critical = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (names == NULL && critical == -2) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: more than one SAN extension");
    }
    if (names == NULL && critical != -1) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED,
                            "certificate: SAN extension that does not parse");
    }
    struct ward_bytes uri = {0};
    ward_status status = names == NULL ? WARD_OK : find_uri(names, &uri);
    if (ward_ok(status) && uri.data == NULL) {
        identity_from_key(peer);
    } else if (ward_ok(status)) {
        status = identity_from_uri(uri, peer->identity);
    }
    GENERAL_NAMES_free(names);
    return status;
}

static bool hash_key(const X509 *certificate, uint8_t out[static 32])
{
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool done = size > 0 && EVP_Digest(der, (size_t)size, out, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return done;
}

static ward_status identify(struct ward_peer *peer)
{
    if (peer->certificate.size == 0 || peer->certificate.size > CERTIFICATE_MAX) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: larger than 16 KiB, or none");
    }
    const uint8_t *at = peer->certificate.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)peer->certificate.size);
    ward_status status = WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: does not parse");
    if (certificate != NULL && at == peer->certificate.data + peer->certificate.size &&
        hash_key(certificate, peer->public_key_hash)) {
        status = name_peer(peer, certificate);
    }
    X509_free(certificate);
    ERR_clear_error();
    return status;
}

ward_status ward_peer_new(struct ward_bytes der, const char *address, struct ward_peer **ret)
{
    struct ward_peer *peer = calloc(1, sizeof(*peer));
    uint8_t *copy = malloc(der.size + 1);
    if (peer == NULL || copy == NULL ||
        EVP_Digest(der.size > 0 ? der.data : copy, der.size, peer->certificate_hash, NULL,
                   EVP_sha256(), NULL) != 1) {
        free(peer);
        free(copy);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    if (der.size > 0) {
        memcpy(copy, der.data, der.size);
    }
    atomic_init(&peer->refs, 1);
    peer->certificate = WARD_BYTES(copy, der.size);
    (void)snprintf(peer->address, sizeof(peer->address), "%s",
                   address); /* cut, when it is longer */
    peer->status = identify(peer);
    if (!ward_ok(peer->status)) {
        peer->identity[0] = '\0';
    }
    *ret = peer;
    return WARD_OK;
}

struct ward_peer *ward_peer_ref(struct ward_peer *peer)
{
    (void)atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
    return peer;
}

void ward_peer_unref(struct ward_peer *peer)
{
    if (peer != NULL && atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_acq_rel) == 1) {
        free((void *)peer->certificate.data);
        free(peer);
    }
}
