/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/core_rekey.h"

#include <stdio.h>

const char *const rekey_texts[3] = {"{\"resourceType\":\"Patient\",\"id\":\"p1\", \"n\":1.10}",
                                    "{ \"id\":\"p1\",\"resourceType\" :\"Patient\"}",
                                    "{\"id\":\"\\u0070\\u0031\"}"};

struct core_rekey rekey;

int rekey_start(void **state)
{
    (void)state;
    core_world_init(&rekey.world);
    core_node_start(&rekey.node, &rekey.world, "node-1");
    core_node_start(&rekey.second, &rekey.world, "node-2");
    core_make_key(&rekey.node, KEY, WARD_PURPOSE_RECORDS);
    core_make_key(&rekey.node, GUARDED, WARD_PURPOSE_RECORDS);
    core_make_key(&rekey.node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

int rekey_stop(void **state)
{
    (void)state;
    core_node_stop(&rekey.node);
    core_node_stop(&rekey.second);
    core_world_fini(&rekey.world);
    return 0;
}

void rekey_put(const char *collection, const char *subject, size_t n, const char *json)
{
    struct ward_request *request =
        core_put(&rekey.world, &rekey.world.app, collection, subject, n, json);
    assert_ok(core_run(&rekey.node, request));
    for (size_t i = 0; i < n; i++) {
        assert_ok(((struct ward_put *)request->in)->items[i].status);
    }
    ward_request_free(request);
}

void rekey_fill(size_t from, size_t to, size_t versions)
{
    char subject[32];
    for (size_t i = from; i < to; i++) {
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        for (size_t v = 0; v < versions; v++) {
            rekey_put("fhir", subject, 1, rekey_texts[v % 3]);
        }
    }
}

ward_status rekey_get(const char *subject, uint32_t version, const char *json)
{
    struct ward_request *got = core_get(&rekey.world, &rekey.world.app, "fhir", subject);
    struct ward_get_item *item = ((struct ward_get *)got->in)->items;
    item->version = version;
    assert_ok(core_run(&rekey.second, got));
    ward_status status = item->status;
    assert_true(!ward_ok(status) || ward_bytes_eq(item->json, ward_bytes_str(json)));
    ward_request_free(got);
    return status;
}

void rekey_reads_back(size_t from, size_t to, size_t versions)
{
    char subject[32];
    for (size_t i = from; i < to; i++) {
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        for (size_t v = 0; v < versions; v++) {
            assert_ok(rekey_get(subject, (uint32_t)v + 1, rekey_texts[v % 3]));
        }
    }
}

struct ward_request *rekey_ask(const struct core_person *somebody, const char *key)
{
    struct ward_request *request =
        core_request(&rekey.world, somebody, &ward_op_key_rekey, sizeof(struct ward_key_rekey));
    ((struct ward_key_rekey *)request->in)->name = ward_bytes_str(key);
    return request;
}

struct ward_job_view rekey_begin(void)
{
    struct ward_request *request = rekey_ask(&rekey.world.officer_a, KEY);
    assert_ok(core_run(&rekey.node, request));
    const struct ward_key_rekey *in = request->in;
    assert_null(in->proposal);
    struct ward_job_view job = in->job;
    ward_request_free(request);
    return job;
}

struct ward_job_view rekey_progress(const char *key)
{
    struct ward_request *request = core_request(
        &rekey.world, &rekey.world.officer_a, &ward_op_rekey_progress, sizeof(struct ward_key_job));
    ((struct ward_key_job *)request->in)->name = ward_bytes_str(key);
    assert_ok(core_run(&rekey.node, request));
    struct ward_job_view view = ((struct ward_key_job *)request->in)->job;
    ward_request_free(request);
    return view;
}

ward_status rekey_page(struct core_node *of, const struct ward_store_job *job,
                       const struct ward_job_place *place, uint32_t limit,
                       struct ward_job_page *ret)
{
    return core_job_page(of, &ward_op_rekey, KEY, job, place, limit, ret);
}

long long rekey_told(const char *detail)
{
    struct core_log log;
    core_log_open(&log, &rekey.world);
    long long sum = 0;
    for (size_t i = 0; i < log.n; i++) {
        bool counts = strcmp(core_text(log.leaves[i], "action"), "system.rekey") == 0 &&
                      strcmp(core_text(log.leaves[i], "outcome"), "allowed") == 0 &&
                      core_detail_number(log.leaves[i], "part") <= 1;
        long long n = counts ? core_detail_number(log.leaves[i], detail) : 0;
        sum += n > 0 ? n : 0;
    }
    core_log_close(&log);
    return sum;
}
