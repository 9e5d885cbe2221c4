/* SPDX-License-Identifier: Apache-2.0 */
/* Every request message of every method: checked, unpacked, decoded into the operation's input, all
 * in bounded memory. An input is a method's path, a newline, and the message; without a path that
 * exists its first byte chooses the method. */
#include <string.h>

#include "server/rpc/message.h"
#include "server/rpc/method.h"
#include "tests/fuzz/fuzz.h"

static const struct ward_method *choose(struct ward_bytes *in)
{
    const uint8_t *end = in->size == 0 ? NULL : memchr(in->data, '\n', in->size);
    size_t size = end == NULL ? 0 : (size_t)(end - in->data);
    const struct ward_method *found =
        end == NULL ? NULL : ward_method_find(WARD_BYTES(in->data, size));
    if (found != NULL) {
        *in = WARD_BYTES(in->data + size + 1, in->size - size - 1);
        return found;
    }
    const struct ward_method *methods;
    size_t n = ward_methods(&methods);
    return &methods[fuzz_byte(in) % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ward_bytes in = WARD_BYTES(data, size);
    const struct ward_method *method = choose(&in);
    struct ward_request *request = NULL;
    if (!ward_ok(ward_request_new(ward_message_budget(in.size) + method->work_max, &request))) {
        return 0;
    }
    const ProtobufCMessage *message = NULL;
    ward_status status = ward_message_unpack(request->arena, method->input, in, &message);
    if (ward_ok(status) && method->decode != NULL) {
        status = method->decode(request, message);
    }
    FUZZ_CHECK(ward_ok(status) || status.code != WARD_E_INTERNAL ||
               ward_status_refusal(status) !=
                   NULL); /* nothing that a peer sends is our own fault */
    ward_request_free(request);
    return 0;
}
