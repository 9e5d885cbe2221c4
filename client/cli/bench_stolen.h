/* SPDX-License-Identifier: Apache-2.0 */
/* How much of the CPU a virtual machine's host gave to others: a figure that was measured meanwhile
 * says so much less. Of Linux: see "steal" in proc(5). */
#ifndef WARD_CLIENT_CLI_BENCH_STOLEN_H
#define WARD_CLIENT_CLI_BENCH_STOLEN_H

#include "base/bytes.h"

/* Of all cores, since the machine was started. */
struct bench_jiffies {
    uint64_t stolen, all;
};
/* What /proc/stat says. False: it does not say so much, and *ret is all zero. */
bool bench_jiffies_parse(struct ward_bytes text, struct bench_jiffies *ret);
/* Now; all zero where it is not told. */
void bench_jiffies_read(struct bench_jiffies *ret);
/* Of those that passed between the two, 0 to 100; below 0: not known, or none passed. */
double bench_stolen_percent(const struct bench_jiffies *before, const struct bench_jiffies *after);

#endif
