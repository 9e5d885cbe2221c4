/* SPDX-License-Identifier: Apache-2.0 */
/* Where a page of rows ended that are listed by time, newest first: "<time, decimal>.<uuid>". */
#ifndef WARD_SERVER_OP_PAGE_TOKEN_H
#define WARD_SERVER_OP_PAGE_TOKEN_H

#include "base/id.h"
#include "base/wipe_alloc.h"

bool ward_page_token_parse(struct ward_bytes token, int64_t *ret_us, struct ward_id *ret_id);
ward_status ward_page_token_print(struct ward_arena *arena, int64_t us, const struct ward_id *id,
                                  struct ward_bytes *ret);

#endif
