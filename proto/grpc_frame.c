/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out of a byte stream, and the small texts of gRPC's headers. No I/O, no HTTP/2: bytes
 * come in as they arrive, in any pieces. A message costs memory only as its bytes really come. */
#include "proto/grpc.h"

#define KEPT_MAX 1024

void ward_grpc_reader_init(struct ward_grpc_reader *reader, size_t message_max)
{
    *reader = (struct ward_grpc_reader){0};
    ward_buffer_init(&reader->message, message_max);
}

void ward_grpc_reader_fini(struct ward_grpc_reader *reader)
{
    ward_buffer_fini(&reader->message);
    *reader = (struct ward_grpc_reader){0};
}

void ward_grpc_reader_reset(struct ward_grpc_reader *reader, size_t message_max)
{
    struct ward_buffer message = reader->message;
    if (message.capacity > KEPT_MAX) {
        ward_buffer_fini(&message);
    } else {
        ward_buffer_reset(&message);
    }
    message.max = message_max;
    *reader = (struct ward_grpc_reader){.message = message};
}

/* Looked at with every piece, so that a refusal stays one if somebody goes on feeding. */
static ward_status check_prefix(struct ward_grpc_reader *reader, bool encoded)
{
    uint8_t flag = reader->prefix[0];
    if (flag == 1 && encoded) {
        return WARD_REFUSAL(WARD_E_UNIMPLEMENTED,
                            "message: compressed with an encoding not offered");
    }
    if (flag == 1) {
        return WARD_REFUSAL(WARD_E_INTERNAL, "message: marked compressed without an encoding");
    }
    if (flag != 0) {
        return WARD_REFUSAL(WARD_E_INTERNAL, "message: unknown flag in its prefix");
    }
    reader->expected = ward_get_u32(reader->prefix + 1);
    if (reader->expected > reader->message.max) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "message: larger than this method takes");
    }
    return WARD_OK;
}

ward_status ward_grpc_reader_feed(struct ward_grpc_reader *reader, struct ward_bytes data,
                                  bool encoded)
{
    if (data.size == 0) {
        return WARD_OK;
    }
    if (reader->complete) {
        return WARD_REFUSAL(WARD_E_UNIMPLEMENTED, "message: more than one");
    }
    size_t lacking = WARD_GRPC_PREFIX_SIZE - reader->prefix_size;
    size_t taken = data.size < lacking ? data.size : lacking;
    memcpy(reader->prefix + reader->prefix_size, data.data, taken);
    reader->prefix_size += taken;
    if (reader->prefix_size < WARD_GRPC_PREFIX_SIZE) {
        return WARD_OK;
    }
    WARD_TRY(check_prefix(reader, encoded));
    data = WARD_BYTES(data.data + taken, data.size - taken);
    size_t open = reader->expected - reader->message.size;
    taken = data.size < open ? data.size : open;
    if (taken > 0) {
        ward_buffer_add(&reader->message, WARD_BYTES(data.data, taken));
        WARD_ENSURE(!reader->message.failed, WARD_E_EXHAUSTED);
    }
    reader->complete = reader->message.size == reader->expected;
    if (data.size > taken) {
        return WARD_REFUSAL(WARD_E_UNIMPLEMENTED, "message: more than one");
    }
    return WARD_OK;
}

void ward_grpc_prefix(uint32_t message_size, uint8_t out[static WARD_GRPC_PREFIX_SIZE])
{
    out[0] = 0;
    ward_put_u32(out + 1, message_size);
}

bool ward_grpc_timeout_parse(struct ward_bytes text, int64_t *ret_us)
{
    if (text.size < 2 || text.size > 9) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < text.size - 1; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    switch (text.data[text.size - 1]) {
    case 'H':
        *ret_us = value * 3600 * 1000000;
        return true;
    case 'M':
        *ret_us = value * 60 * 1000000;
        return true;
    case 'S':
        *ret_us = value * 1000000;
        return true;
    case 'm':
        *ret_us = value * 1000;
        return true;
    case 'u':
        *ret_us = value;
        return true;
    case 'n': /* up, so that a nanosecond is not no time */
        *ret_us = (value + 999) / 1000;
        return true;
    default:
        return false;
    }
}

void ward_grpc_timeout_print(int64_t us, char out[static 12])
{
    static const struct {
        int64_t us;
        char unit;
    } units[] = {{1, 'u'}, {1000, 'm'}, {1000000, 'S'}, {60000000, 'M'}, {3600000000, 'H'}};
    const int64_t most = 99999999;
    int64_t left = us > 0 ? us : 0;
    int64_t value = left;
    size_t i = 0;
    while (value > most && i < sizeof(units) / sizeof(units[0]) - 1) {
        i++;
        value = left / units[i].us + (left % units[i].us != 0);
    }
    value = value > most ? most : value;
    char digits[8];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(out, digits + at, sizeof(digits) - at);
    out[sizeof(digits) - at] = units[i].unit;
    out[sizeof(digits) - at + 1] = '\0';
}

void ward_grpc_percent_encode(struct ward_bytes text, struct ward_buffer *out)
{
    static const char hex[16] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            ward_buffer_add_u8(out, byte);
        } else {
            const uint8_t escape[3] = {'%', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15]};
            ward_buffer_add(out, WARD_BYTES_ARRAY(escape));
        }
    }
}

void ward_grpc_percent_decode(struct ward_bytes text, struct ward_buffer *out)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte;
        if (text.data[i] == '%' && text.size - i > 2 &&
            ward_hex_decode((const char *)text.data + i + 1, 2, &byte, 1)) {
            i += 2;
        } else {
            byte = text.data[i];
        }
        ward_buffer_add_u8(out, byte);
    }
}
