/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the audit log of a world as an auditor would, and complaining as he would. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_LOG_H
#define WARD_TESTS_UNIT_SERVER_CORE_LOG_H

#include <jansson.h>

#include "tests/unit/server/core_daemon.h"

struct core_log {
    json_t **leaves;
    size_t n;
};

/* Reads all of it. Fails the test unless every leaf is a JSON object with its own number and a time
 * that does not go back, and the tree over them is the head's. */
void core_log_open(struct core_log *log, struct core_world *world);
void core_log_close(struct core_log *log);

/* How many leaves a request has. */
size_t core_log_count(const struct core_log *log, struct ward_bytes request_id);
/* The one leaf of a request; fails the test when there is none or more than one. */
const json_t *core_log_one(const struct core_log *log, struct ward_bytes request_id);
/* A text member; "" when it is not there. */
const char *core_text(const json_t *leaf, const char *name);
/* A member of its detail: text, or number (-1 when it is not there). */
const char *core_detail(const json_t *leaf, const char *name);
long long core_detail_number(const json_t *leaf, const char *name);

/* The request has exactly one entry, and it says this. code "" for none. */
void core_expect_entry(struct core_world *world, const struct ward_request *request,
                       const char *outcome, const char *code);

#endif
