/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks from their text. inet_pton takes each address in standard form alone: no
 * octal, no short forms, no spaces. It knows no socket. */
#include "policy/network.h"

#include <arpa/inet.h>

static bool is_mapped(const uint8_t bytes[static 16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

/* As it is written, so that a mapped one still shows. */
static bool parse_plain(struct ward_bytes text, struct ward_address *ret)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.data, '\0', text.size) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ret = (struct ward_address){.v6 = strchr(copy, ':') != NULL};
    return inet_pton(ret->v6 ? AF_INET6 : AF_INET, copy, ret->bytes) == 1;
}

bool ward_address_parse(struct ward_bytes text, struct ward_address *ret)
{
    const uint8_t *zone = text.size == 0 ? NULL : memchr(text.data, '%', text.size);
    if (zone != NULL) {
        text.size = (size_t)(zone - text.data);
    }
    struct ward_address parsed;
    if (!parse_plain(text, &parsed) || (zone != NULL && !parsed.v6)) {
        return false;
    }
    if (parsed.v6 && is_mapped(parsed.bytes)) {
        *ret = (struct ward_address){.v6 = false};
        memcpy(ret->bytes, parsed.bytes + 12, 4);
    } else {
        *ret = parsed;
    }
    return true;
}

static bool parse_bits(struct ward_bytes text, unsigned max, unsigned *ret)
{
    unsigned bits = 0;
    if (text.size == 0 || text.size > 3 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        bits = bits * 10 + (text.data[i] - '0');
    }
    *ret = bits;
    return bits <= max;
}

/* The first bits of both are the same. */
static bool same_head(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || (uint8_t)((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

bool ward_network_parse(struct ward_bytes text, struct ward_network *ret)
{
    const uint8_t *slash = text.size == 0 ? NULL : memchr(text.data, '/', text.size);
    struct ward_bytes address = {text.data,
                                 slash == NULL ? text.size : (size_t)(slash - text.data)};
    if (!parse_plain(address, &ret->address) ||
        (ret->address.v6 && is_mapped(ret->address.bytes))) {
        return false;
    }
    unsigned size = ret->address.v6 ? 16 : 4;
    ret->bits = size * 8;
    if (slash != NULL &&
        !parse_bits(WARD_BYTES(slash + 1, text.size - address.size - 1), size * 8, &ret->bits)) {
        return false;
    }
    uint8_t masked[16] = {0};
    memcpy(masked, ret->address.bytes, (ret->bits + 7) / 8);
    if (ret->bits % 8 != 0) {
        masked[ret->bits / 8] &= (uint8_t)(0xff << (8 - ret->bits % 8));
    }
    return memcmp(masked, ret->address.bytes, sizeof(masked)) == 0;
}

bool ward_network_has(const struct ward_network *network, const struct ward_address *address)
{
    return network->address.v6 == address->v6 &&
           same_head(network->address.bytes, address->bytes, network->bits);
}
