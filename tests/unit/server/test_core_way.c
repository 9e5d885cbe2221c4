/* SPDX-License-Identifier: Apache-2.0 */
/* The main job, once through the whole pipeline, and what it leaves in the audit log. */
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static const char patient[] = "{\"resourceType\":\"Patient\", \"id\":\"p1\",\"x\": 1.10}";

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void a_generated_key_unwraps_to_itself(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 2, 3);
    assert_ok(core_run(&node, made));
    const struct ward_generate *out = made->in;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(out->items[i].status);
        for (size_t k = 0; k < 3; k++) {
            const struct ward_data_key *key = &out->items[i].keys[k];
            struct ward_request *opened = core_unwrap(&world, &world.app, key->wrapped, "TREAT");
            assert_ok(core_run(&node, opened));
            const struct ward_unwrap *in = opened->in;
            assert_ok(in->items[0].status);
            assert_true(ward_bytes_eq(in->items[0].plaintext, key->plaintext));
            assert_int_equal(in->items[0].version, 1);
            ward_request_free(opened);
        }
    }
    core_expect_entry(&world, made, "allowed", "");
    ward_request_free(made);
}

static void a_record_comes_back_byte_by_byte(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= 3; version++) {
        struct ward_request *put = core_put(&world, &world.app, "fhir", "alpha", 3, patient);
        assert_ok(core_run(&node, put));
        for (size_t i = 0; i < 3; i++) {
            assert_ok(((struct ward_put *)put->in)->items[i].status);
            assert_int_equal(((struct ward_put *)put->in)->items[i].version, version);
        }
        core_expect_entry(&world, put, "allowed", "");
        ward_request_free(put);
    }
    struct ward_request *got = core_get(&world, &world.app, "fhir", "alpha");
    assert_ok(core_run(&node, got));
    const struct ward_get_item *item = ((struct ward_get *)got->in)->items;
    assert_ok(item->status);
    assert_int_equal(item->version, 3);
    assert_bytes(item->json, "{\"resourceType\":\"Patient\", \"id\":\"p1\",\"x\": 1.10}");
    core_expect_entry(&world, got, "allowed", "");
    ward_request_free(got);
}

static void a_rotation_runs_on_the_second_signature_and_all_still_opens(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "beta", 1, patient)));
    uint32_t before = core_active_version(&node, "phi/records");
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "phi/records", &proposal);
    assert_int_equal(core_active_version(&node, "phi/records"), before);
    struct ward_request *submitted =
        core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal);
    assert_ok(core_run(&node, submitted));
    assert_string_equal(((struct ward_approval *)submitted->in)->proposal.state, "open");
    assert_int_equal(core_active_version(&node, "phi/records"), before);
    struct ward_request *approved =
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal);
    assert_ok(core_run(&node, approved));
    assert_string_equal(((struct ward_approval *)approved->in)->proposal.state, "executed");
    assert_int_equal(core_active_version(&node, "phi/records"), before + 1);
    core_rewrap_all(&node, "phi/records");
    struct ward_request *got = core_get(&world, &world.app, "fhir", "beta");
    assert_ok(core_run(&node, got));
    assert_ok(((struct ward_get *)got->in)->items[0].status);

    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, approved->request_id);
    assert_string_equal(core_text(leaf, "outcome"), "allowed");
    assert_string_equal(core_detail(leaf, "executed"), "key.rotate");
    assert_string_equal(core_detail(leaf, "key"), "phi/records");
    assert_int_equal(core_detail_number(leaf, "from_version"), before);
    assert_int_equal(core_detail_number(leaf, "to_version"), before + 1);
    assert_string_equal(core_detail(leaf, "proposer"), "spiffe://unit.test/officer-a");
    assert_string_equal(core_detail(leaf, "approvers"), "spiffe://unit.test/officer-b");
    core_log_one(&log, submitted->request_id);
    core_log_one(&log, got->request_id);
    const json_t *last = log.leaves[log.n - 2]; /* before the get */
    assert_string_equal(core_text(last, "action"), "system.rewrap");
    assert_int_equal(core_detail_number(last, "rows_below_version"), 0);
    core_log_close(&log);
    ward_request_free(submitted);
    ward_request_free(approved);
    ward_request_free(got);
}

static void the_log_is_exported_up_to_its_checkpoint(void **state)
{
    (void)state;
    core_sign_checkpoint(&node);
    struct ward_request *signed_now = core_request(
        &world, &world.auditor, &ward_op_audit_checkpoint, sizeof(struct ward_audit_checkpoint));
    assert_ok(core_run(&node, signed_now));
    const struct ward_audit_checkpoint *note = signed_now->in;
    struct ward_note_key key;
    struct ward_checkpoint checkpoint;
    assert_ok(ward_note_key_parse(note->vkey, &key));
    assert_ok(ward_note_verify(note->note, &key, &checkpoint));
    assert_int_equal(checkpoint.size, 3);
    struct ward_request *export = core_request(&world, &world.auditor, &ward_op_audit_export,
                                               sizeof(struct ward_audit_export));
    struct ward_audit_export *in = export->in;
    in->end = checkpoint.size;
    assert_ok(core_run(&node, export));
    assert_int_equal(in->n, checkpoint.size);
    struct ward_digest *digest = NULL;
    struct ward_merkle tree = {0};
    uint8_t hash[32];
    assert_ok(ward_digest_new(&digest));
    for (size_t i = 0; i < in->n; i++) {
        assert_ok(ward_merkle_leaf(digest, in->leaves[i], hash));
        assert_ok(ward_merkle_append(digest, &tree, hash));
    }
    assert_ok(ward_merkle_root(digest, &tree, hash));
    assert_memory_equal(hash, checkpoint.root, 32);
    ward_digest_free(digest);
    core_expect_entry(&world, signed_now, "allowed", "");
    core_expect_entry(&world, export, "allowed", "");
    struct ward_request *past = core_request(&world, &world.auditor, &ward_op_audit_export,
                                             sizeof(struct ward_audit_export));
    ((struct ward_audit_export *)past->in)->end = checkpoint.size + 1;
    assert_refused(core_run(&node, past), "end: past the newest checkpoint");
    core_expect_entry(&world, past, "refused", "INVALID_ARGUMENT");
    ward_request_free(past);
    ward_request_free(export);
    ward_request_free(signed_now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_generated_key_unwraps_to_itself, start, stop),
        cmocka_unit_test_setup_teardown(a_record_comes_back_byte_by_byte, start, stop),
        cmocka_unit_test_setup_teardown(a_rotation_runs_on_the_second_signature_and_all_still_opens,
                                        start, stop),
        cmocka_unit_test_setup_teardown(the_log_is_exported_up_to_its_checkpoint, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
