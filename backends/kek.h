/* SPDX-License-Identifier: Apache-2.0 */
/* What the service needs of a place that holds KEKs; not what Cryptoki offers. Every call blocks
 * and is made by worker threads only. Calls take arrays of items, so that one crossing serves a
 * batch. Every slot is mandatory; the wrappers below validate once and clear outputs. One
 * conformance suite runs over every implementation. */
#ifndef WARD_BACKENDS_KEK_H
#define WARD_BACKENDS_KEK_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/status.h"

#define WARD_KEK_PLAIN_MAX 64 /* a data key */
#define WARD_KEK_BLOB_MAX 512 /* what a backend makes of it */
#define WARD_KEK_AAD_MAX 8704 /* header and context */
#define WARD_KEK_BATCH_MAX 4096
#define WARD_KEK_SIGN_MAX 4096 /* data of one signature */

#define WARD_KEK_OBJECT_ID_MAX 32
#define WARD_KEK_OBJECT_LABEL_MAX 64
#define WARD_KEK_LIST_MAX 256 /* objects that one call lists */

#define WARD_KEK_ED25519 1 /* algorithms of signing keys */
#define WARD_KEK_ECDSA_P256 2

/* A KEK version as the backend knows it: CKA_ID = id || version in PKCS#11. */
struct ward_kek_ref {
    struct ward_id id;
    uint32_t version;
};

enum ward_kek_verb {
    WARD_KEK_WRAP,   /* plain -> blob; with proof: opened again and compared before it is given back
                      */
    WARD_KEK_UNWRAP, /* blob -> plain */
    WARD_KEK_REWRAP, /* blob under `from` with from_aad -> blob under key with aad; nothing in plain
                        leaves the backend's process; with proof */
};

struct ward_kek_item {
    enum ward_kek_verb verb;
    bool proof;
    struct ward_kek_ref key;
    struct ward_bytes aad;      /* never empty, <= WARD_KEK_AAD_MAX */
    struct ward_kek_ref from;   /* REWRAP */
    struct ward_bytes from_aad; /* REWRAP */
    struct ward_bytes in;       /* WRAP: plain 1..64; UNWRAP, REWRAP: blob */
    uint8_t *out;       /* WRAP, REWRAP: WARD_KEK_BLOB_MAX bytes; UNWRAP: WARD_KEK_PLAIN_MAX */
    size_t out_size;    /* written */
    ward_status status; /* written: OK; CIPHERTEXT; NOT_FOUND (no such key object);
                           UNAVAILABLE (device away, deadline); INTERNAL (proof failed: the
                           output is withheld) */
};

/* What was found of a KEK at creation, start and hourly. Of a signing key `works` is not asked:
 * sign tells. */
struct ward_kek_attest {
    bool present, sensitive, non_extractable, never_wrap_with_decrypt, works; /* known answer */
};

/* A key that lies in the backend, whoever made it. */
struct ward_kek_object {
    bool ours; /* its id has the form of those that Ward gives, and this is what it says */
    struct ward_kek_ref ref;
    bool signer;                                 /* a private key; else a secret one */
    uint8_t id[WARD_KEK_OBJECT_ID_MAX], id_size; /* as it is there, cut when longer */
    char label[WARD_KEK_OBJECT_LABEL_MAX + 1];   /* likewise; printable ASCII, "?" for the rest */
};

struct ward_kek;         /* a backend, shared by its workers */
struct ward_kek_session; /* one worker's own; for pkcs11 this is its ward-hsm process */

struct ward_kek_ops {
    const char *name; /* "pkcs11" */
    void (*close)(struct ward_kek *kek);
    ward_status (*session_open)(struct ward_kek *kek, struct ward_kek_session **ret);
    void (*session_close)(struct ward_kek_session *session);
    /* Fills status and out of each item. Itself fails only when nothing was tried; each item then
     * has that status too. An item that is not OK on entry was refused by the wrapper: left as it
     * is. */
    ward_status (*run)(struct ward_kek_session *session, struct ward_kek_item *items, size_t n);
    /* A new AES-256 key, SENSITIVE, non-EXTRACTABLE, ENCRYPT and DECRYPT only; read back. EXISTS
     * when an object with that ref is there already. label: for people who look at the token, 1 to
     * 128 bytes. UNAVAILABLE leaves it open whether the key was made. */
    ward_status (*create)(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                          const char *label);
    ward_status (*destroy)(struct ward_kek_session *session, const struct ward_kek_ref *ref);
    /* Drops what the session holds of the key, its working copy with it; it stays where it is. OK
     * too when nothing was held. */
    ward_status (*forget)(struct ward_kek_session *session, const struct ward_kek_ref *ref);
    /* The keys that lie in the backend, WARD_KEK_LIST_MAX at a time from the `from`-th on; those
     * after the first page are as of the first page. *ret_n 0: no more. */
    ward_status (*list)(struct ward_kek_session *session, uint32_t from,
                        struct ward_kek_object *objects, size_t *ret_n);
    ward_status (*attest)(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                          struct ward_kek_attest *ret);
    /* A signing key for checkpoints: Ed25519 where the backend can (algorithm 1), else ECDSA P-256
     * (2). public_key: Ed25519 32 raw bytes, ECDSA SubjectPublicKeyInfo in DER; room for 128 bytes.
     */
    ward_status (*create_signer)(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                                 const char *label, uint8_t *ret_algorithm, uint8_t *public_key,
                                 size_t *ret_size);
    /* Signs data: Ed25519 over it, ECDSA over its SHA-256 (DER). signature has room for 80 bytes.
     */
    ward_status (*sign)(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                        uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                        size_t *ret_size);
    /* Known-answer test with a session key of its own: is the device really there? */
    ward_status (*probe)(struct ward_kek_session *session);
};

/* The refusal of a session that the device does not let in, whatever its code. */
#define WARD_KEK_WRONG_PIN "hsm: wrong PIN"

/* Each implementation embeds these first. */
struct ward_kek {
    const struct ward_kek_ops *ops;
};
struct ward_kek_session {
    struct ward_kek *kek;
};

void ward_kek_close(struct ward_kek *kek);
ward_status ward_kek_session_open(struct ward_kek *kek, struct ward_kek_session **ret);
void ward_kek_session_close(struct ward_kek_session *session);
ward_status ward_kek_run(struct ward_kek_session *session, struct ward_kek_item *items, size_t n);
ward_status ward_kek_create(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                            const char *label);
ward_status ward_kek_destroy(struct ward_kek_session *session, const struct ward_kek_ref *ref);
ward_status ward_kek_forget(struct ward_kek_session *session, const struct ward_kek_ref *ref);
ward_status ward_kek_list(struct ward_kek_session *session, uint32_t from,
                          struct ward_kek_object objects[static WARD_KEK_LIST_MAX], size_t *ret_n);
ward_status ward_kek_attest(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                            struct ward_kek_attest *ret);
ward_status ward_kek_create_signer(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                                   const char *label, uint8_t *ret_algorithm, uint8_t *public_key,
                                   size_t *ret_size);
ward_status ward_kek_sign(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                          uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                          size_t *ret_size);
ward_status ward_kek_probe(struct ward_kek_session *session);

#endif
