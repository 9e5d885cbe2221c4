/* SPDX-License-Identifier: Apache-2.0 */
/* wardd's configuration, as a file. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    if (size == 0 || write(fd, data, size) == (ssize_t)size) {
        char path[64];
        struct ward_config *config = NULL;
        struct ward_policy_error error = {0};
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (ward_ok(ward_config_load(path, "/nonexistent/ward-hsm", &config, &error))) {
            ward_config_free(config);
        } else {
            FUZZ_CHECK(config == NULL && memchr(error.text, '\0', sizeof(error.text)) != NULL);
        }
    }
    (void)close(fd); /* nothing is lost with it */
    return 0;
}
