/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out what the module really does, before a key of ours is touched, and whether the device is
 * still there: session information and random numbers go on working after a token is gone. */
#ifndef WARD_BACKENDS_PKCS11_PROBE_H
#define WARD_BACKENDS_PKCS11_PROBE_H

#include "backends/pkcs11/session.h"

/* Makes the test key, runs the known answer, finds the quirks. After login. INTERNAL when the
 * module's GCM is not GCM: it must not be used. */
ward_status ward_probe_start(struct ward_hsm *hsm);
/* The known answer again. UNAVAILABLE, and the session is lost, when it is not right. */
ward_status ward_probe_known_answer(struct ward_hsm *hsm);

#endif
