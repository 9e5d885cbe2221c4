/* SPDX-License-Identifier: Apache-2.0 */
/* Filling the caller's ward_error. Inside the client a failure is a ward_rc with its sentence
 * beside it, since the sentence names files, addresses and the daemon's own words. */
#ifndef WARD_CLIENT_ERROR_H
#define WARD_CLIENT_ERROR_H

#include "base/status.h"
#include "client/include/ward/ward.h"

/* Returns code. error may be NULL; control characters never get in. */
ward_rc ward_error_set(ward_error *error, ward_rc code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, as the daemon's own answer. */
ward_rc ward_error_answer(ward_error *error, ward_rc code, const char *text);
/* What a format of ours said: its refusal text or a sentence for its code. */
ward_rc ward_error_status(ward_error *error, ward_status status);
ward_rc ward_error_memory(ward_error *error);
/* OpenSSL's last reason, e.g. "no start line"; static or "unknown". Clears its queue. */
const char *ward_error_openssl(void);

#define WARD_CLIENT_TRY(call)        \
    do {                             \
        ward_rc try_rc_ = (call);    \
        if (try_rc_ != WARD_RC_OK) { \
            return try_rc_;          \
        }                            \
    } while (0)

#endif
