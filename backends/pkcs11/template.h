/* SPDX-License-Identifier: Apache-2.0 */
/* A key that was found, made fit for use. */
#ifndef WARD_BACKENDS_PKCS11_TEMPLATE_H
#define WARD_BACKENDS_PKCS11_TEMPLATE_H

#include "backends/pkcs11/session.h"

/* Reads the token object's attributes back, makes its working copy where that is wanted, and proves
 * that what one seals the other opens. INTERNAL: the key must not be used. */
ward_status ward_object_make_ready(struct ward_hsm *hsm, struct ward_key_entry *entry);

#endif
