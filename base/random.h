/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes drawn in blocks, per thread. The public half is ward_random in base/id.h. */
#ifndef WARD_BASE_RANDOM_H
#define WARD_BASE_RANDOM_H

#include "base/status.h"

/* For keys, from OpenSSL's private DRBG. The bytes are handed out once and wiped here. */
ward_status ward_random_private(uint8_t *out, size_t size);

#endif
