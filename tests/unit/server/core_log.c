/* SPDX-License-Identifier: Apache-2.0 */
/* Reads leaves from the store itself, past all operations. JSON by jansson, which is not ours. */
#include "tests/unit/server/core_log.h"

#include <stdlib.h>

static struct ward_head head_of(struct core_world *world)
{
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    assert_ok(ward_store_writer_open(world->store, &writer));
    assert_ok(ward_store_head(writer, false, &head));
    ward_store_writer_close(writer);
    return head;
}

static json_t *parse(struct ward_bytes leaf, size_t seq)
{
    json_error_t error;
    json_t *parsed = json_loadb((const char *)leaf.data, leaf.size, JSON_REJECT_DUPLICATES, &error);
    if (parsed == NULL) {
        fail_msg("leaf %zu is not JSON: %s: %.*s", seq, error.text, (int)leaf.size, leaf.data);
    }
    assert_true(json_is_object(parsed));
    assert_int_equal(json_integer_value(json_object_get(parsed, "seq")), seq);
    return parsed;
}

static void check_order(const struct core_log *log)
{
    for (size_t i = 1; i < log->n; i++) {
        assert_true(
            strcmp(core_text(log->leaves[i - 1], "time"), core_text(log->leaves[i], "time")) <= 0);
    }
}

void core_log_open(struct core_log *log, struct core_world *world)
{
    struct ward_head head = head_of(world);
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_digest *digest = NULL;
    struct ward_merkle tree = {0};
    assert_ok(ward_store_reader_open(world->store, &reader));
    assert_ok(ward_arena_new(512u << 20, &arena));
    assert_ok(ward_digest_new(&digest));
    struct ward_read read = {.kind = WARD_READ_AUDIT, .arena = arena};
    struct ward_read *reads[] = {&read};
    read.audit.end = head.tree.size;
    read.audit.max_bytes = 256u << 20;
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(read.status);
    assert_int_equal(read.audit.n, head.tree.size);
    *log = (struct core_log){.n = read.audit.n, .leaves = calloc(read.audit.n, sizeof(json_t *))};
    assert_non_null(log->leaves);
    for (size_t i = 0; i < log->n; i++) {
        uint8_t hash[32];
        log->leaves[i] = parse(read.audit.leaves[i], i);
        assert_ok(ward_merkle_leaf(digest, read.audit.leaves[i], hash));
        assert_ok(ward_merkle_append(digest, &tree, hash));
    }
    uint8_t ours[32], theirs[32];
    assert_ok(ward_merkle_root(digest, &tree, ours));
    assert_ok(ward_merkle_root(digest, &head.tree, theirs));
    assert_memory_equal(ours, theirs, 32);
    check_order(log);
    ward_digest_free(digest);
    ward_arena_free(arena);
    ward_store_reader_close(reader);
}

void core_log_close(struct core_log *log)
{
    for (size_t i = 0; i < log->n; i++) {
        json_decref(log->leaves[i]);
    }
    free(log->leaves);
}

static bool is_of(const json_t *leaf, struct ward_bytes request_id)
{
    return ward_bytes_eq(ward_bytes_str(core_text(leaf, "request")), request_id);
}

size_t core_log_count(const struct core_log *log, struct ward_bytes request_id)
{
    size_t n = 0;
    for (size_t i = 0; i < log->n; i++) {
        n += is_of(log->leaves[i], request_id);
    }
    return n;
}

const json_t *core_log_one(const struct core_log *log, struct ward_bytes request_id)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < log->n; i++) {
        if (is_of(log->leaves[i], request_id)) {
            assert_null(found);
            found = log->leaves[i];
        }
    }
    if (found == NULL) {
        fail_msg("no entry of request %.*s", (int)request_id.size, request_id.data);
    }
    return found;
}

const char *core_text(const json_t *leaf, const char *name)
{
    const char *text = json_string_value(json_object_get(leaf, name));
    return text == NULL ? "" : text;
}

const char *core_detail(const json_t *leaf, const char *name)
{
    return core_text(json_object_get(leaf, "detail"), name);
}

long long core_detail_number(const json_t *leaf, const char *name)
{
    const json_t *number = json_object_get(json_object_get(leaf, "detail"), name);
    return json_is_integer(number) ? json_integer_value(number) : -1;
}

void core_expect_entry(struct core_world *world, const struct ward_request *request,
                       const char *outcome, const char *code)
{
    struct core_log log;
    core_log_open(&log, world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_text(leaf, "outcome"), outcome);
    assert_string_equal(core_text(leaf, "code"), code);
    core_log_close(&log);
}
