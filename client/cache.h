/* SPDX-License-Identifier: Apache-2.0 */
/* The cache by another clock than the system's: for its tests. */
#ifndef WARD_CLIENT_CACHE_H
#define WARD_CLIENT_CACHE_H

#include "base/clock.h"
#include "client/include/ward/ward.h"

/* The clock's monotonic time counts; it is borrowed. */
ward_rc ward_cache_new_by(ward_client *client, const ward_cache_limits *limits,
                          const struct ward_clock *clock, ward_cache **ret, ward_error *error);

#endif
