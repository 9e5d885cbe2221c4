/* SPDX-License-Identifier: Apache-2.0 */
/* One form for addresses of both families. Who may connect from where is decided by others. */
#include "server/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct ward_ip ward_ip_v4(const uint8_t bytes[static 4])
{
    struct ward_ip ip;
    memcpy(ip.bytes, mapped, sizeof(mapped));
    memcpy(ip.bytes + sizeof(mapped), bytes, 4);
    return ip;
}

bool ward_ip_of(const struct sockaddr *address, struct ward_ip *ret, uint16_t *ret_port)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        *ret = ward_ip_v4((const uint8_t *)&v4->sin_addr);
        *ret_port = ntohs(v4->sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        memcpy(ret->bytes, &v6->sin6_addr, sizeof(ret->bytes));
        *ret_port = ntohs(v6->sin6_port);
        return true;
    }
    return false;
}

bool ward_ip_is_v4(const struct ward_ip *ip)
{
    return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

struct ward_ip ward_ip_place(const struct ward_ip *ip)
{
    struct ward_ip place = *ip;
    if (!ward_ip_is_v4(ip)) {
        memset(place.bytes + 8, 0, 8);
    }
    return place;
}

void ward_ip_print(const struct ward_ip *ip, uint16_t port, char out[static WARD_ADDRESS_SIZE])
{
    char text[INET6_ADDRSTRLEN] = "";
    bool v4 = ward_ip_is_v4(ip);
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? sizeof(mapped) : 0), text,
                    sizeof(text)); /* cannot fail with such room */
    (void)snprintf(out, WARD_ADDRESS_SIZE, v4 ? "%s:%u" : "[%s]:%u", text, port); /* fits */
}

static bool parse_bits(const char *text, unsigned most, unsigned *ret)
{
    size_t size = strlen(text);
    if (size == 0 || size > 3 || strspn(text, "0123456789") != size ||
        (size > 1 && text[0] == '0')) {
        return false;
    }
    *ret = (unsigned)strtoul(text, NULL, 10);
    return *ret <= most;
}

static bool nothing_behind(const struct ward_cidr *cidr)
{
    for (unsigned bit = cidr->bits; bit < 128; bit++) {
        if ((cidr->ip.bytes[bit / 8] & (0x80 >> bit % 8)) != 0) {
            return false;
        }
    }
    return true;
}

bool ward_cidr_parse(const char *text, struct ward_cidr *ret)
{
    char host[INET6_ADDRSTRLEN];
    uint8_t v4[4];
    const char *slash = strchr(text, '/');
    size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (size >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, size);
    host[size] = '\0';
    unsigned most = 128;
    if (inet_pton(AF_INET, host, v4) == 1) {
        ret->ip = ward_ip_v4(v4);
        most = 32;
    } else if (inet_pton(AF_INET6, host, ret->ip.bytes) != 1) {
        return false;
    }
    ret->bits = most;
    if (slash != NULL && !parse_bits(slash + 1, most, &ret->bits)) {
        return false;
    }
    ret->bits += 128 - most;
    return nothing_behind(ret);
}

bool ward_cidr_has(const struct ward_cidr *cidr, const struct ward_ip *ip)
{
    size_t whole = cidr->bits / 8;
    if (memcmp(cidr->ip.bytes, ip->bytes, whole) != 0) {
        return false;
    }
    unsigned rest = cidr->bits % 8;
    return rest == 0 || ((cidr->ip.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest)) == 0;
}

/* ---- where to listen ---- */

/* Splits "host:port" and "[host]:port"; host has room for 64. */
static bool split(const char *address, char host[static 64], char port[static 8])
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return false;
    }
    const char *start = address, *end = colon;
    if (*start == '[') {
        start++;
        end--;
        if (end < start || *end != ']') {
            return false;
        }
    } else if (memchr(start, ':', (size_t)(end - start)) != NULL) {
        return false; /* IPv6 wants brackets */
    }
    size_t host_size = (size_t)(end - start), port_size = strlen(colon + 1);
    if (host_size == 0 || host_size > 63 || port_size == 0 || port_size > 5 ||
        strspn(colon + 1, "0123456789") != port_size) {
        return false;
    }
    memcpy(host, start, host_size);
    host[host_size] = '\0';
    memcpy(port, colon + 1, port_size + 1);
    return true;
}

struct addrinfo *ward_address_find(const char *text)
{
    char host[64], port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *info = NULL;
    bool good = split(text, host, port) && strtoul(port, NULL, 10) <= UINT16_MAX &&
                getaddrinfo(host, port, &hints, &info) == 0;
    return good ? info : NULL;
}

bool ward_address_valid(const char *text)
{
    struct addrinfo *info = ward_address_find(text);
    bool valid = info != NULL;
    if (valid) {
        freeaddrinfo(info);
    }
    return valid;
}

ward_status ward_address_loopback(const char *text, struct sockaddr_in *ret)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    WARD_REQUIRE(colon != NULL && (size_t)(colon - text) < sizeof(host),
                 "metrics_listen: not ADDRESS:PORT");
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    size_t digits = strspn(colon + 1, "0123456789");
    bool port = digits > 0 && digits <= 5 && colon[1 + digits] == 0;
    unsigned long number = port ? strtoul(colon + 1, NULL, 10) : 0;
    WARD_REQUIRE(port && number <= UINT16_MAX, "metrics_listen: not a port");
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    WARD_REQUIRE(inet_pton(AF_INET, host, &ret->sin_addr) == 1,
                 "metrics_listen: not an IPv4 address");
    WARD_REQUIRE(ntohl(ret->sin_addr.s_addr) >> 24 == 127,
                 "metrics_listen: not a loopback address");
    return WARD_OK;
}
