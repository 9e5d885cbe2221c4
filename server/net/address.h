/* SPDX-License-Identifier: Apache-2.0 */
/* Network addresses as 16 bytes, IPv4 mapped into IPv6 (RFC 4291 2.5.5.2), so that both families
 * are compared, counted and listed in one way. */
#ifndef WARD_SERVER_NET_ADDRESS_H
#define WARD_SERVER_NET_ADDRESS_H

#include "base/bytes.h"
#include "base/status.h"

#define WARD_ADDRESS_SIZE 64

struct addrinfo;
struct sockaddr;
struct sockaddr_in;

struct ward_ip {
    uint8_t bytes[16];
};

struct ward_cidr {
    struct ward_ip ip;
    unsigned bits; /* of the 128 */
};

struct ward_ip ward_ip_v4(const uint8_t bytes[static 4]);
/* False for what is neither IPv4 nor IPv6. */
bool ward_ip_of(const struct sockaddr *address, struct ward_ip *ret, uint16_t *ret_port);
bool ward_ip_is_v4(const struct ward_ip *ip);
/* What is one place: an address of IPv4, and a whole /64 of IPv6, since whoever has one address
 * there has them all. */
struct ward_ip ward_ip_place(const struct ward_ip *ip);
/* "127.0.0.1:7443", "[::1]:7443". */
void ward_ip_print(const struct ward_ip *ip, uint16_t port, char out[static WARD_ADDRESS_SIZE]);

/* "10.0.0.0/8", "fd00::/8", or one address. False when it is neither, or has bits set behind the
 * prefix. */
bool ward_cidr_parse(const char *text, struct ward_cidr *ret);
bool ward_cidr_has(const struct ward_cidr *cidr, const struct ward_ip *ip);

/* Where to listen: "127.0.0.1:7443", "[::1]:7443", with any port for 0; nothing is looked up. For
 * freeaddrinfo; NULL when it is not an address and port. */
struct addrinfo *ward_address_find(const char *text);
bool ward_address_valid(const char *text);
/* The same where only this machine may listen to: an address of 127.0.0.0/8, and IPv4 alone.
 * INVALID with a refusal text for metrics_listen. */
ward_status ward_address_loopback(const char *text, struct sockaddr_in *ret);

#endif
