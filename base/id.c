/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs in and out of their text form. Only one text means an id: what is not canonical is refused,
 * so that ids compare as text too. */
#include "base/id.h"

/* Bytes before which a hyphen stands. */
static bool hyphen_before(size_t i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

ward_status ward_id_random(struct ward_id *ret)
{
    struct ward_id id;
    WARD_TRY(ward_random(id.bytes, sizeof(id.bytes)));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0F) | 0x40); /* version 4 */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80); /* variant */
    *ret = id;
    return WARD_OK;
}

/* Counting up, each bit halves what lies between the numbers before. */
static uint8_t spread(uint8_t number)
{
    uint8_t turned = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        turned = (uint8_t)(turned << 1 | (number >> bit & 1));
    }
    return turned;
}

/*  byte 0    1              6                  8
 * | the run | time in      | version, and     | variant, and
 * |         | 4,096 us, u40| 12 random bits   | 62 random bits */
ward_status ward_id_next(struct ward_id_run *run, int64_t wall_us, struct ward_id *ret)
{
    struct ward_id id;
    if (!run->begun) {
        WARD_TRY(ward_random(&run->number, sizeof(run->number)));
    }
    WARD_TRY(ward_random(id.bytes + 6, sizeof(id.bytes) - 6));
    if (!run->begun || run->left == 0) {
        run->number++;
        run->left = WARD_ID_RUN;
        run->begun = true;
    }
    run->left--;
    id.bytes[0] = spread(run->number);
    uint64_t time = (uint64_t)wall_us >> 12;
    for (unsigned i = 0; i < 5; i++) {
        id.bytes[5 - i] = (uint8_t)(time >> 8 * i);
    }
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0F) | 0x80); /* version 8 */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80); /* variant */
    *ret = id;
    return WARD_OK;
}

void ward_id_print(const struct ward_id *id, char out[static WARD_ID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        if (hyphen_before(i)) {
            *out++ = '-';
        }
        *out++ = digits[id->bytes[i] >> 4];
        *out++ = digits[id->bytes[i] & 15];
    }
    *out = '\0';
}

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ward_id_parse(struct ward_bytes text, struct ward_id *ret)
{
    if (text.size != WARD_ID_TEXT_SIZE - 1) {
        return false;
    }
    struct ward_id id;
    const uint8_t *at = text.data;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        if (hyphen_before(i) && *at++ != '-') {
            return false;
        }
        int high = digit_value(*at++), low = digit_value(*at++);
        if (high < 0 || low < 0) {
            return false;
        }
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = id;
    return true;
}

bool ward_id_eq(const struct ward_id *a, const struct ward_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
