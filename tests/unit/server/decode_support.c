/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/decode_support.h"

const struct ward_method *decode_method(const char *path)
{
    const struct ward_method *method = ward_method_find(ward_bytes_str(path));
    assert_non_null(method);
    return method;
}

struct ward_request *decode_message(const struct ward_method *method, struct ward_bytes message)
{
    struct ward_request *request = NULL;
    assert_true(
        ward_ok(ward_request_new(ward_message_budget(message.size) + method->work_max, &request)));
    const ProtobufCMessage *parsed = NULL;
    request->status = ward_message_unpack(request->arena, method->input, message, &parsed);
    if (ward_ok(request->status)) {
        request->status = method->decode(request, parsed);
    }
    request->op = method->op;
    return request;
}

struct ward_request *decode_packed(const char *path, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    (void)protobuf_c_message_pack(message, bytes);
    struct ward_request *request = decode_message(decode_method(path), WARD_BYTES(bytes, size));
    free(bytes);
    return request;
}

void decode_is_refused(struct ward_request *request, enum ward_code code, const char *text)
{
    assert_int_equal(request->status.code, code);
    assert_string_equal(ward_status_refusal(request->status), text);
    ward_request_free(request);
}

void decode_raw_is_refused(const char *path, struct ward_bytes bytes, enum ward_code code,
                           const char *text)
{
    decode_is_refused(decode_message(decode_method(path), bytes), code, text);
}

void decode_item_is(ward_status status, const char *text)
{
    assert_int_equal(status.code, text == NULL ? WARD_E_OK : WARD_E_INVALID);
    if (text != NULL) {
        assert_string_equal(ward_status_refusal(status), text);
    }
}
