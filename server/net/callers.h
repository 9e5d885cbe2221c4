/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each address has: nobody may take them all. IPv6 counts by /64, since
 * whoever has one address there has them all. Thread-safe. */
#ifndef WARD_SERVER_NET_CALLERS_H
#define WARD_SERVER_NET_CALLERS_H

#include "base/status.h"
#include "server/net/address.h"

struct ward_callers;

/* max_each: an address' connections. */
ward_status ward_callers_new(size_t max_each, struct ward_callers **ret);
void ward_callers_free(struct ward_callers *callers);
/* False when the address has its share already, or memory is out. True: give it back once. */
bool ward_callers_take(struct ward_callers *callers, const struct ward_ip *ip);
void ward_callers_give(struct ward_callers *callers, const struct ward_ip *ip);

#endif
