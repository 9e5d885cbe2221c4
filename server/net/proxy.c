/* SPDX-License-Identifier: Apache-2.0 */
/* A parser of bytes that a listed balancer sends, and that anybody might send who gets hold of its
 * address: every size is checked, nothing is kept but an address and a port. */
#include "server/net/proxy.h"

#define VERSION_2 0x20
#define COMMAND_LOCAL 0x0
#define COMMAND_PROXY 0x1
#define STREAM_OVER_V4 0x11
#define STREAM_OVER_V6 0x21
#define SIZE_V4 12
#define SIZE_V6 36

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

static bool take_addresses(uint8_t family, struct ward_bytes in, struct ward_proxy *ret)
{
    if (family == STREAM_OVER_V4 && in.size >= SIZE_V4) {
        ret->ip = ward_ip_v4(in.data);
        ret->port = ward_get_u16(in.data + 8);
        return true;
    }
    if (family == STREAM_OVER_V6 && in.size >= SIZE_V6) {
        memcpy(ret->ip.bytes, in.data, sizeof(ret->ip.bytes));
        ret->port = ward_get_u16(in.data + 32);
        return true;
    }
    return false;
}

enum ward_proxy_result ward_proxy_parse(struct ward_bytes bytes, size_t *ret_size,
                                        struct ward_proxy *ret)
{
    size_t seen = bytes.size < sizeof(signature) ? bytes.size : sizeof(signature);
    *ret = (struct ward_proxy){0};
    *ret_size = WARD_PROXY_HEAD;
    if (seen > 0 && memcmp(bytes.data, signature, seen) != 0) {
        return WARD_PROXY_BAD;
    }
    if (bytes.size < WARD_PROXY_HEAD) {
        return WARD_PROXY_MORE;
    }
    uint8_t version = bytes.data[12] & 0xf0, command = bytes.data[12] & 0x0f;
    size_t size = WARD_PROXY_HEAD + ward_get_u16(bytes.data + 14);
    if (version != VERSION_2 || command > COMMAND_PROXY || size > WARD_PROXY_MAX) {
        return WARD_PROXY_BAD;
    }
    *ret_size = size;
    if (bytes.size < size) {
        return WARD_PROXY_MORE;
    }
    ret->local = command == COMMAND_LOCAL;
    struct ward_bytes rest = {bytes.data + WARD_PROXY_HEAD, size - WARD_PROXY_HEAD};
    if (!ret->local && !take_addresses(bytes.data[13], rest, ret)) {
        return WARD_PROXY_BAD;
    }
    return WARD_PROXY_DONE;
}
