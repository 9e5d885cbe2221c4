/* SPDX-License-Identifier: Apache-2.0 */
/* A ward-hsm's one session with its token, and all that the helper holds. There is one thread, one
 * session and one login; a lost session is never mended: the process ends and wardd starts another.
 */
#ifndef WARD_BACKENDS_PKCS11_SESSION_H
#define WARD_BACKENDS_PKCS11_SESSION_H

#include "backends/pkcs11/key_table.h"
#include "backends/pkcs11/module.h"
#include "backends/pkcs11/quirks.h"
#include "base/digest.h"
#include "base/secret.h"

#define WARD_HSM_IV_POOL 4080 /* what is drawn at once: 340 IVs */
#define WARD_HSM_SCRATCH 128  /* a data key and a tag, with room */

/* Strings live as long as the process. */
struct ward_hsm_config {
    const char *module_path, *module_params; /* params: NULL for most */
    const char *token_label, *token_serial;  /* one of the two */
    const char *pin_file;
    bool change_pin;          /* and nothing else */
    const char *new_pin_file; /* what to; NULL: to a random one */
    bool copies;              /* wanted, where they work */
    size_t copies_max;        /* held at once; at least 1 */
    bool unmodifiable;        /* CKA_MODIFIABLE=FALSE on new KEKs, even at the price of copies */
};

struct ward_hsm {
    const struct ward_hsm_config *config;
    struct ward_module module;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
    bool broken;  /* the session is lost: answer UNAVAILABLE, then exit */
    bool probing; /* errors are provoked: they lose nothing */
    struct ward_quirks quirks;
    struct ward_key_table keys;
    CK_OBJECT_HANDLE test_key; /* of the known-answer test; a session object */
    bool test_key_known;       /* its value is the published vector's */
    CK_OBJECT_HANDLE signer;   /* the last signing key, 0 for none */
    struct ward_ring_ref signer_ref;
    struct ward_secret *opened, *proven; /* WARD_HSM_SCRATCH bytes each: keys in plain */
    struct ward_digest *digest;
    int64_t now_us;          /* as of the start of this batch */
    int64_t search_until_us; /* no search of the token begins after it in this batch */
    int64_t answered_us;     /* when the known answer was last right */
    uint32_t round;          /* keys checked in an earlier round are checked before use */
    size_t sweep_at;
    CK_OBJECT_HANDLE *listed; /* the keys on the token as of a list's first page */
    size_t n_listed;
    size_t n_copies, copy_hand; /* working copies held; where to look for one to give up */
    uint8_t ivs[WARD_HSM_IV_POOL];
    size_t ivs_left;
};

/* Loads the module, finds the token, opens a session. UNAVAILABLE: no such module or token now.
 * STATE: the token says that its PIN is locked. */
ward_status ward_session_open(struct ward_hsm *hsm, const struct ward_hsm_config *config,
                              uint32_t *in_call);
/* Another session with the same token; nobody is logged in to it. */
ward_status ward_session_begin(struct ward_hsm *hsm);
/* Is the token there, as far as the module knows? UNAVAILABLE otherwise, and the session is lost.
 */
ward_status ward_session_token(struct ward_hsm *hsm);
/* Random bytes for IVs, from the token. */
ward_status ward_session_random(struct ward_hsm *hsm, uint8_t *out, size_t size);
/* rv as a status; a code of the class BROKEN loses the session. */
ward_status ward_session_status(struct ward_hsm *hsm, CK_RV rv);
void ward_session_close(struct ward_hsm *hsm);

#endif
