/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to the request that would be submitted, and what is said of it. */
#ifndef WARD_TESTS_UNIT_SERVER_DECODE_SUPPORT_H
#define WARD_TESTS_UNIT_SERVER_DECODE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/rpc/message.h"
#include "server/rpc/method.h"
#include "tests/unit/server/rpc_support.h"

#define L(s) WARD_BYTES_LITERAL(s)
#define UUID "01234567-89ab-4def-8123-456789abcdef"
#define GENERATE "/ward.v1.DataKeys/GenerateDataKeys"
#define UNWRAP "/ward.v1.DataKeys/UnwrapDataKeys"
#define REWRAP "/ward.v1.DataKeys/RewrapDataKeys"
#define LIST "/ward.v1.Keys/ListKeys"
#define GET "/ward.v1.Records/GetRecords"
#define PUT "/ward.v1.Records/PutRecords"

const struct ward_method *decode_method(const char *path);
/* As it would be submitted. */
struct ward_request *decode_message(const struct ward_method *method, struct ward_bytes message);
struct ward_request *decode_packed(const char *path, const ProtobufCMessage *message);
void decode_is_refused(struct ward_request *request, enum ward_code code, const char *text);
void decode_raw_is_refused(const char *path, struct ward_bytes bytes, enum ward_code code,
                           const char *text);
/* text NULL: it is good. */
void decode_item_is(ward_status status, const char *text);

#endif
