/* SPDX-License-Identifier: Apache-2.0 */
/* What the head stores over the rows that decide: tests/vectors/rows.json, which a check that
 * shares no code holds too. Read with jansson, not with our own JSON code. */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "server/integrity.h"
#include "tests/unit/base/check.h"

#define ROWS_MAX 4

struct rows {
    struct ward_store_snapshot s;
    struct ward_store_kek keks[ROWS_MAX];
    struct ward_store_kek_version versions[ROWS_MAX];
    struct ward_store_index_key index_keys[ROWS_MAX];
    struct ward_store_log_key log_keys[ROWS_MAX];
    struct ward_store_revocation revocations[ROWS_MAX];
    struct ward_store_policy policies[ROWS_MAX];
    struct ward_store_emergency emergencies[ROWS_MAX];
    struct ward_store_intent intents[ROWS_MAX];
    uint8_t bytes[4096]; /* of hex members */
    size_t used;
};

static struct ward_bytes text(const json_t *row, const char *name)
{
    const char *value = json_string_value(json_object_get(row, name));
    assert_non_null(value);
    return ward_bytes_str(value);
}

static int64_t number(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void hex(const json_t *row, const char *name, uint8_t *out, size_t size)
{
    struct ward_bytes value = text(row, name);
    assert_int_equal(value.size, 2 * size);
    assert_true(ward_hex_decode((const char *)value.data, value.size, out, size));
}

static struct ward_bytes kept_hex(struct rows *rows, const json_t *row, const char *name)
{
    size_t size = text(row, name).size / 2;
    uint8_t *to = rows->bytes + rows->used;
    assert_true(rows->used + size <= sizeof(rows->bytes));
    hex(row, name, to, size);
    rows->used += size;
    return WARD_BYTES(to, size);
}

static void read_deployment(struct rows *rows, const json_t *row)
{
    struct ward_store_deployment *d = &rows->s.deployment;
    hex(row, "id", d->id.bytes, 16);
    hex(row, "genesis_policy", d->genesis_policy_hash, 32);
    hex(row, "log_key", d->log_key.bytes, 16);
    d->log_algorithm = (uint8_t)number(row, "log_algorithm");
    d->created_us = number(row, "created_us");
    d->origin = text(row, "origin");
    d->log_public_key = kept_hex(rows, row, "log_public_key");
}

static void read_keys(struct rows *rows, const json_t *all)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(all, "index_keys"), i, row)
    {
        rows->index_keys[rows->s.n_index_keys++] =
            (struct ward_store_index_key){text(row, "name"), kept_hex(rows, row, "wrapped")};
    }
    json_array_foreach(json_object_get(all, "keys"), i, row)
    {
        struct ward_store_kek *kek = &rows->keks[rows->s.n_keks++];
        hex(row, "id", kek->id.bytes, 16);
        kek->purpose = (uint8_t)number(row, "purpose");
        kek->created_us = number(row, "created_us");
        kek->name = text(row, "name");
        kek->backend = text(row, "backend");
        kek->enabled = json_is_true(json_object_get(row, "enabled"));
        kek->rotation_period_days = (uint32_t)number(row, "period_days");
    }
    json_array_foreach(json_object_get(all, "versions"), i, row)
    {
        struct ward_store_kek_version *version = &rows->versions[rows->s.n_versions++];
        hex(row, "key", version->kek.bytes, 16);
        version->version = (uint32_t)number(row, "version");
        version->created_us = number(row, "created_us");
        version->state = (uint8_t)number(row, "state");
        version->prior = (uint8_t)number(row, "prior");
        version->due_us = number(row, "due_us");
        version->changed_us = number(row, "changed_us");
    }
}

static void read_intents(struct rows *rows, const json_t *all)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(all, "intents"), i, row)
    {
        struct ward_store_intent *intent = &rows->intents[rows->s.n_intents++];
        hex(row, "id", intent->id.bytes, 16);
        hex(row, "key", intent->kek.bytes, 16);
        hex(row, "proposal", intent->proposal.bytes, 16);
        intent->version = (uint32_t)number(row, "version");
        intent->effect = (uint8_t)number(row, "effect");
        intent->created_us = number(row, "created_us");
        intent->node = text(row, "node");
    }
}

static void read_people(struct rows *rows, const json_t *all)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(all, "policies"), i, row)
    {
        struct ward_store_policy *policy = &rows->policies[rows->s.n_policies++];
        policy->version = (uint32_t)number(row, "version");
        hex(row, "hash", policy->hash, 32);
        hex(row, "proposal", policy->proposal.bytes, 16);
        policy->created_us = number(row, "created_us");
        policy->ceased_us = number(row, "ceased_us");
    }
    json_array_foreach(json_object_get(all, "log_keys"), i, row)
    {
        struct ward_store_log_key *key = &rows->log_keys[rows->s.n_log_keys++];
        key->version = (uint32_t)number(row, "version");
        key->algorithm = (uint8_t)number(row, "algorithm");
        key->public_key = kept_hex(rows, row, "public_key");
        key->leaf = (uint64_t)number(row, "leaf");
        hex(row, "proposal", key->proposal.bytes, 16);
        key->created_us = number(row, "created_us");
    }
    json_array_foreach(json_object_get(all, "revocations"), i, row)
    {
        struct ward_store_revocation *revocation = &rows->revocations[rows->s.n_revocations++];
        revocation->kind = (uint8_t)number(row, "kind");
        hex(row, "proposal", revocation->proposal.bytes, 16);
        revocation->created_us = number(row, "created_us");
        revocation->value = text(row, "value");
    }
    json_array_foreach(json_object_get(all, "emergencies"), i, row)
    {
        struct ward_store_emergency *emergency = &rows->emergencies[rows->s.n_emergencies++];
        hex(row, "id", emergency->id.bytes, 16);
        hex(row, "subject_hash", emergency->subject_hash, 32);
        emergency->opened_us = number(row, "opened_us");
        emergency->expires_us = number(row, "expires_us");
        emergency->identity = text(row, "identity");
        emergency->collection = text(row, "collection");
    }
}

static void read_rows(const json_t *vector, struct rows *ret)
{
    const json_t *all = json_object_get(vector, "rows"), *head = json_object_get(vector, "head");
    *ret = (struct rows){.used = 0};
    read_deployment(ret, json_object_get(all, "deployment"));
    read_keys(ret, all);
    read_people(ret, all);
    read_intents(ret, all);
    ret->s.keks = ret->keks;
    ret->s.versions = ret->versions;
    ret->s.index_keys = ret->index_keys;
    ret->s.policies = ret->policies;
    ret->s.log_keys = ret->log_keys;
    ret->s.revocations = ret->revocations;
    ret->s.emergencies = ret->emergencies;
    ret->s.intents = ret->intents;
    ret->s.head.epoch = (uint64_t)number(head, "epoch");
    assert_ok(ward_merkle_load((uint64_t)number(head, "size"), kept_hex(ret, head, "frontier"),
                               &ret->s.head.tree));
}

/* As the column has them: the count, then the sums. */
static void check_sums(const json_t *vector, const struct ward_seal *seal)
{
    uint8_t expected[8 + sizeof(seal->sums)], since[8];
    hex(vector, "sums", expected, sizeof(expected));
    ward_put_u64(since, seal->since);
    assert_memory_equal(since, expected, 8);
    assert_memory_equal(seal->sums, expected + 8, sizeof(seal->sums));
}

static void vectors_hold(void **state)
{
    (void)state;
    json_error_t error;
    json_t *file = json_load_file(WARD_VECTORS "/rows.json", 0, &error), *vector;
    assert_non_null(file);
    struct ward_digest *digest = NULL;
    assert_ok(ward_digest_new(&digest));
    size_t i;
    json_array_foreach(json_object_get(file, "vectors"), i, vector)
    {
        uint8_t key[32], tag[32];
        static struct rows rows;
        read_rows(vector, &rows);
        hex(vector, "key", key, sizeof(key));
        hex(vector, "tag", tag, sizeof(tag));
        const struct ward_integrity integrity = {digest, WARD_BYTES_ARRAY(key)};
        struct ward_head *head = &rows.s.head;
        assert_ok(ward_integrity_sum(&integrity, &rows.s, (uint64_t)number(vector, "changes"),
                                     &head->seal));
        check_sums(vector, &head->seal);
        assert_ok(ward_integrity_seal(&integrity, head));
        assert_memory_equal(head->seal.tag, tag, sizeof(tag));
    }
    assert_true(i > 0);
    ward_digest_free(digest);
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
