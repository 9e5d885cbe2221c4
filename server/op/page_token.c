/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A token is only a place: whoever makes one up sees what he might see anyway. */
#include "server/op/page_token.h"

#define DIGITS_MAX 18 /* of an int64_t, whatever they are */

bool ward_page_token_parse(struct ward_bytes token, int64_t *ret_us, struct ward_id *ret_id)
{
    int64_t us = 0;
    size_t i = 0;
    for (; i < token.size && token.data[i] >= '0' && token.data[i] <= '9' && i < DIGITS_MAX; i++) {
        us = us * 10 + (token.data[i] - '0');
    }
    bool dot = i > 0 && i < token.size && token.data[i] == '.';
    *ret_us = us;
    return dot && ward_id_parse(WARD_BYTES(token.data + i + 1, token.size - i - 1), ret_id);
}

ward_status ward_page_token_print(struct ward_arena *arena, int64_t us, const struct ward_id *id,
                                  struct ward_bytes *ret)
{
    char text[WARD_ID_TEXT_SIZE];
    ward_id_print(id, text);
    char *token = ward_arena_printf(arena, "%lld.%s", (long long)us, text);
    WARD_ENSURE(token != NULL, WARD_E_EXHAUSTED);
    *ret = ward_bytes_str(token);
    return WARD_OK;
}
