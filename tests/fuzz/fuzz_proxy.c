/* SPDX-License-Identifier: Apache-2.0 */
/* A balancer's PROXY header, as far as it came; and networks as an operator writes them. */
#include "server/net/proxy.h"
#include "tests/fuzz/fuzz.h"

static void read_header(struct ward_bytes bytes)
{
    struct ward_proxy client;
    size_t size = 0;
    enum ward_proxy_result result = ward_proxy_parse(bytes, &size, &client);
    if (result == WARD_PROXY_MORE) { /* the caller reads on to there */
        FUZZ_CHECK(size > bytes.size && size <= WARD_PROXY_MAX);
    } else if (result == WARD_PROXY_DONE) {
        FUZZ_CHECK(size >= WARD_PROXY_HEAD && size <= bytes.size);
        char text[WARD_ADDRESS_SIZE];
        ward_ip_print(&client.ip, client.port, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ward_cidr cidr;
    char text[80];
    read_header(WARD_BYTES(data, size));
    size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
    if (n > 0) {
        memcpy(text, data, n);
    }
    text[n] = '\0';
    if (ward_cidr_parse(text, &cidr)) {
        FUZZ_CHECK(cidr.bits <= 128 && ward_cidr_has(&cidr, &cidr.ip));
    }
    return 0;
}
