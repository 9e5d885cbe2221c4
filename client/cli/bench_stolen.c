/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It reads the first line of one file of the kernel's, and knows nothing of loads.
 */
#include "client/cli/bench_stolen.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* user nice system idle iowait irq softirq steal; what guests have had is counted in the first two
 * already. */
#define FIELDS 8
#define STEAL 7

bool bench_jiffies_parse(struct ward_bytes text, struct bench_jiffies *ret)
{
    char line[512];
    uint64_t fields[FIELDS], all = 0;
    size_t size = text.size < sizeof(line) - 1 ? text.size : sizeof(line) - 1;
    *ret = (struct bench_jiffies){0};
    if (size > 0) {
        memcpy(line, text.data, size);
    }
    line[size] = '\0';
    if (strncmp(line, "cpu ", 4) != 0) {
        return false;
    }
    char *at = line + 4;
    for (size_t i = 0; i < FIELDS; i++) {
        at += strspn(at, " ");
        if (*at < '0' || *at > '9') {
            return false;
        }
        fields[i] = strtoull(at, &at, 10);
        all += fields[i];
    }
    *ret = (struct bench_jiffies){.stolen = fields[STEAL], .all = all};
    return true;
}

void bench_jiffies_read(struct bench_jiffies *ret)
{
    uint8_t text[512];
    int file = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text));
    if (file >= 0) {
        (void)close(file); /* read only */
    }
    (void)bench_jiffies_parse(WARD_BYTES(text, size < 0 ? 0 : (size_t)size), ret);
}

double bench_stolen_percent(const struct bench_jiffies *before, const struct bench_jiffies *after)
{
    bool known = before->all > 0 && after->all > before->all && after->stolen >= before->stolen;
    return known ? 100.0 * (double)(after->stolen - before->stolen) /
                       (double)(after->all - before->all)
                 : -1;
}
