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

#include "server/authn/twin.h"

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

/* Whatever is doubtful about them says nothing good of the key: then there are none. */
static void read_policies(struct ward_peer *peer, const X509 *certificate)
{
    CERTIFICATEPOLICIES *policies =
        X509_get_ext_d2i(certificate, NID_certificate_policies, NULL, NULL);
    size_t used = 0;
    for (int i = 0; i < sk_POLICYINFO_num(policies); i++) {
        char oid[128];
        int size = OBJ_obj2txt(oid, sizeof(oid), sk_POLICYINFO_value(policies, i)->policyid, 1);
        if (size <= 0 || (size_t)size >= sizeof(oid) ||
            used + (size_t)size + 2 > sizeof(peer->policies)) {
            used = 0;
            break;
        }
        used += (size_t)snprintf(peer->policies + used, sizeof(peer->policies) - used, "%s%s",
                                 used == 0 ? "" : " ", oid);
    }
    peer->policies[used] = '\0';
    CERTIFICATEPOLICIES_free(policies);
}

bool ward_peer_has_policy(const struct ward_peer *peer, struct ward_bytes oid)
{
    const char *at = peer->policies;
    while (oid.size > 0 && *at != '\0') {
        size_t size = strcspn(at, " ");
        if (size == oid.size && memcmp(at, oid.data, size) == 0) {
            return true;
        }
        at += size + (at[size] == ' ');
    }
    return false;
}

static bool hash_key(const X509 *certificate, uint8_t out[static 32])
{
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool done = size > 0 && EVP_Digest(der, (size_t)size, out, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return done;
}

static ward_status identify(struct ward_peer *peer, const X509 *certificate)
{
    if (peer->certificate.size > CERTIFICATE_MAX) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: larger than 16 KiB, or none");
    }
    if (!hash_key(certificate, peer->public_key_hash)) {
        return WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: does not parse");
    }
    read_policies(peer, certificate);
    return name_peer(peer, certificate);
}

/* One certificate has one encoding, or its digest would not name it. */
static bool is_der(const X509 *certificate, struct ward_bytes bytes)
{
    uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    bool same = size > 0 && ward_bytes_eq(WARD_BYTES(der, (size_t)size), bytes);
    OPENSSL_free(der);
    return same;
}

/* Parsed, when it is one certificate in DER and nothing behind it. */
static X509 *parse(struct ward_bytes der)
{
    const uint8_t *at = der.data;
    X509 *certificate = der.size > CERTIFICATE_MAX ? NULL : d2i_X509(NULL, &at, (long)der.size);
    if (certificate != NULL && !is_der(certificate, der)) {
        X509_free(certificate);
        certificate = NULL;
    }
    return certificate;
}

/* take_der: malloc'd. */
static ward_status make(uint8_t *take_der, size_t size, const X509 *certificate,
                        const char *address, struct ward_peer **ret)
{
    struct ward_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL ||
        EVP_Digest(take_der, size, peer->certificate_hash, NULL, EVP_sha256(), NULL) != 1 ||
        (certificate != NULL &&
         !ward_ok(ward_certificate_twin(certificate, WARD_BYTES(take_der, size), peer->twin_hash,
                                        &peer->has_twin)))) {
        free(peer);
        free(take_der);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    atomic_init(&peer->refs, 1);
    peer->certificate = WARD_BYTES(take_der, size);
    (void)snprintf(peer->address, sizeof(peer->address), "%s",
                   address); /* cut, when it is longer */
    if (certificate != NULL) {
        peer->status = identify(peer, certificate);
    } else if (size == 0 || size > CERTIFICATE_MAX) {
        peer->status =
            WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: larger than 16 KiB, or none");
    } else {
        peer->status = WARD_REFUSAL(WARD_E_UNAUTHENTICATED, "certificate: does not parse");
    }
    ERR_clear_error();
    if (!ward_ok(peer->status)) {
        peer->identity[0] = '\0';
    }
    *ret = peer;
    return WARD_OK;
}

ward_status ward_peer_new(struct ward_bytes der, const char *address, struct ward_peer **ret)
{
    uint8_t *copy = malloc(der.size + 1);
    WARD_ENSURE(copy != NULL, WARD_E_EXHAUSTED);
    if (der.size > 0) {
        memcpy(copy, der.data, der.size);
    }
    X509 *certificate = parse(WARD_BYTES(copy, der.size));
    ward_status status = make(copy, der.size, certificate, address, ret);
    X509_free(certificate);
    return status;
}

ward_status ward_peer_of(struct x509_st *certificate, const char *address, struct ward_peer **ret)
{
    int size = i2d_X509(certificate, NULL);
    uint8_t *der = size > 0 ? malloc((size_t)size) : NULL;
    WARD_ENSURE(der != NULL, WARD_E_EXHAUSTED);
    uint8_t *at = der;
    (void)i2d_X509(certificate, &at); /* as long as it said */
    return make(der, (size_t)size, certificate, address, ret);
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
