/* SPDX-License-Identifier: Apache-2.0 */
/* Two daemons with a key of records, and one whose rekey waits for approval; what is put under them
 * and asked of them. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_REKEY_H
#define WARD_TESTS_UNIT_SERVER_CORE_REKEY_H

#include "server/jobs/internal.h"
#include "server/op/rekeying.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_jobs.h"
#include "tests/unit/server/core_log.h"

#define KEY "phi/records"
#define GUARDED "phi/notes"

extern const char *const rekey_texts[3]; /* of versions, in turn */
extern struct core_rekey {
    struct core_world world;
    struct core_node node, second;
} rekey;

int rekey_start(void **state);
int rekey_stop(void **state);

void rekey_put(const char *collection, const char *subject, size_t n, const char *json);
/* Every subject has one record, with so many versions. */
void rekey_fill(size_t from, size_t to, size_t versions);
ward_status rekey_get(const char *subject, uint32_t version, const char *json);
void rekey_reads_back(size_t from, size_t to, size_t versions);

struct ward_request *rekey_ask(const struct core_person *somebody, const char *key);
struct ward_job_view rekey_begin(void);
struct ward_job_view rekey_progress(const char *key);
ward_status rekey_page(struct core_node *of, const struct ward_store_job *job,
                       const struct ward_job_place *place, uint32_t limit,
                       struct ward_job_page *ret);
/* What all entries of the job say together; a request in parts says it once. */
long long rekey_told(const char *detail);

#endif
