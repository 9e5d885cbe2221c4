/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN: read from its file into locked memory, tried, and wiped. No PIN is tried twice, for
 * every wrong one counts against the token's limit, and the token is everybody's. */
#ifndef WARD_BACKENDS_PKCS11_LOGIN_H
#define WARD_BACKENDS_PKCS11_LOGIN_H

#include "backends/pkcs11/session.h"

#define WARD_PIN_MAX 256
/* pin_file with this behind it holds the PIN that a change is under way to, or stopped at. */
#define WARD_PIN_NEXT ".new"

struct ward_pin {
    struct ward_secret *bytes; /* WARD_PIN_MAX + 1, zeros behind the PIN */
    size_t size;
};

enum ward_pin_source {
    WARD_PIN_NOT_ASKED, /* the token wants none */
    WARD_PIN_OF_FILE,
    WARD_PIN_OF_NEXT, /* a change was interrupted between the token and the file */
};

void ward_pin_fini(struct ward_pin *pin);
/* One line, of 1 to 256 bytes, in a file that others on the machine may not read. UNAVAILABLE
 * otherwise, and the log says why; NOT_FOUND where there is no such file, of which it says nothing.
 */
ward_status ward_pin_read(const char *path, struct ward_pin *ret);
bool ward_pin_eq(const struct ward_pin *a, const struct ward_pin *b);

/* Tries the PIN in pin_file, and, when that is wrong while a change is under way, the one that it
 * changes to. STATE when the token refuses: whoever gets that must not try again. ret_pin, for the
 * caller to free, and ret_source may be NULL. */
ward_status ward_login(struct ward_hsm *hsm, struct ward_pin *ret_pin,
                       enum ward_pin_source *ret_source);
/* One try of this PIN: what the token said. */
CK_RV ward_login_with(struct ward_hsm *hsm, const struct ward_pin *pin);

#endif
