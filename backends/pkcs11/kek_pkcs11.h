/* SPDX-License-Identifier: Apache-2.0 */
/* The PKCS#11 backend: the vendor's module runs in ward-hsm helper processes, one a session, behind
 * a shared-memory ring; this side holds no PIN and loads no module. */
#ifndef WARD_BACKENDS_PKCS11_KEK_PKCS11_H
#define WARD_BACKENDS_PKCS11_KEK_PKCS11_H

#include "backends/kek.h"

struct ward_pkcs11_config {
    const char *helper_path;  /* ward-hsm */
    const char *module_path;  /* the vendor's .so */
    const char *token_label;  /* or NULL */
    const char *token_serial; /* or NULL; one of the two */
    const char *pin_file;     /* opened and read by the helper alone */
    unsigned deadline_ms; /* for one ring, at most 128 items; a helper that misses it is killed and
                             started anew. 2000 */
    unsigned start_deadline_ms;  /* for module load and login. 10000 */
    bool working_copies;         /* where a probe finds that they work. true */
    unsigned working_copies_max; /* that one helper holds at once; 0: 1024 */
    bool require_unmodifiable;   /* CKA_MODIFIABLE=FALSE, at the price of working copies where these
                                    clash */
    const char *module_params; /* or NULL: a string that C_Initialize takes, for modules such as NSS
                                  softokn */
};

/* Strings are copied. Starts nothing: session_open does, on the thread that will use the session,
 * for the helper dies with the thread that started it. A wrong PIN is never tried twice: after
 * CKR_PIN_INCORRECT every later session_open fails with STATE WARD_KEK_WRONG_PIN, and every
 * session whose helper is lost with UNAVAILABLE and that text, until pin_file is another and
 * ward_kek_pkcs11_try_pin was called. A session whose helper was lost starts another at its next
 * call; its other calls do not wait longer than deadline_ms for a ring, and end with the first that
 * misses it. */
ward_status ward_kek_pkcs11_open(const struct ward_pkcs11_config *config, struct ward_kek **ret);
/* Becomes a helper that changes the token's PIN, and the PIN in pin_file, to the one in
 * new_pin_file, or to a random one where that is NULL; the process ends with it, by exit code 0
 * when it is done. Returns only when it could not be started. */
ward_status ward_pkcs11_rotate_pin(const struct ward_pkcs11_config *config,
                                   const char *new_pin_file);
/* After a refusal: the PIN is tried once more when pin_file is another file, or was written since.
 * What it says is logged. Any thread. */
void ward_kek_pkcs11_try_pin(struct ward_kek *kek);
/* Whether the last probe found working copies usable; for status and bench. */
bool ward_kek_pkcs11_uses_copies(const struct ward_kek *kek);

#endif
