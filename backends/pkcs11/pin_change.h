/* SPDX-License-Identifier: Apache-2.0 */
/* A new PIN for the token and its file, by an operator's command. */
#ifndef WARD_BACKENDS_PKCS11_PIN_CHANGE_H
#define WARD_BACKENDS_PKCS11_PIN_CHANGE_H

#include "backends/pkcs11/login.h"

/* From the PIN in pin_file to the one in new_pin_file, or to a random one; or finishes what an
 * earlier call was interrupted in. The session is open and nobody is logged in. Says on stdout what
 * was done and what is left to do; the log says what went wrong. It may be killed at any time:
 * pin_file and what lies beside it have the token's PIN, and the next call goes on. */
ward_status ward_pin_change(struct ward_hsm *hsm);

#endif
