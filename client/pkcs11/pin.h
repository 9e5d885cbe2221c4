/* SPDX-License-Identifier: Apache-2.0 */
/* Where a token's PIN comes from. */
#ifndef WARD_CLIENT_PKCS11_PIN_H
#define WARD_CLIENT_PKCS11_PIN_H

#include "base/secret.h"
#include "client/error.h"

struct ward_pin_source {
    const char *file;  /* pin-source of the URI, "file:PATH" or a path, or NULL */
    const char *value; /* pin-value of the URI, or NULL */
    ward_pin_callback callback;
    void *context;
};

/* The first of them that is there. INVALID_ARGUMENT when none is, or when it gives no PIN. *size:
 * bytes of the PIN in the secret. */
ward_rc ward_pin_get(const struct ward_pin_source *source, const char *token,
                     struct ward_secret **ret, size_t *size, ward_error *error);

#endif
