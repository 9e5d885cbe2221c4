/* SPDX-License-Identifier: Apache-2.0 */
/* Source networks in rules. IPv4 and IPv6 are two families that never mix: an IPv4 address written
 * into IPv6 (::ffff:10.0.0.1, RFC 4291 2.5.5.2) is the IPv4 one, and ::/0 covers no IPv4. */
#ifndef WARD_POLICY_NETWORK_H
#define WARD_POLICY_NETWORK_H

#include "base/bytes.h"

struct ward_address {
    bool v6;
    uint8_t bytes[16]; /* IPv4: the first four */
};

struct ward_network {
    struct ward_address address;
    unsigned bits;
};

/* "10.0.0.1" or "fd00::1", without port; a zone behind "%" is left out of account. False when it is
 * neither. */
bool ward_address_parse(struct ward_bytes text, struct ward_address *ret);
/* "10.0.0.0/8", "fd00::/8", or one address. False when it is none, has bits set behind the prefix,
 * or is IPv4 written as IPv6. */
bool ward_network_parse(struct ward_bytes text, struct ward_network *ret);
bool ward_network_has(const struct ward_network *network, const struct ward_address *address);

#endif
