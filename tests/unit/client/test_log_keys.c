/* SPDX-License-Identifier: Apache-2.0 */
/* A log that changed its key twice, and all that somebody could have forged on the way from one key
 * to the next. */
#include <openssl/evp.h>
#include <stdio.h>

#include "client/cli/audit_log_keys.h"
#include "tests/unit/client/check.h"

#define KEYS 4 /* the log's three, and somebody's */
#define SIZE 20u
static const uint64_t changes[] = {5, 12}; /* the entries that tell of keys 2 and 3 */

static struct signer {
    EVP_PKEY *pair;
    struct ward_note_key key;
} signers[KEYS];
static struct ward_digest *digest;

static int start(void **state)
{
    (void)state;
    assert_ok(ward_digest_new(&digest));
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t public_key[32];
        size_t size = sizeof(public_key);
        signers[i].pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        assert_int_equal(EVP_PKEY_get_raw_public_key(signers[i].pair, public_key, &size), 1);
        assert_ok(ward_note_key_init("test.ward", WARD_NOTE_ED25519, WARD_BYTES_ARRAY(public_key),
                                     &signers[i].key));
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++) {
        EVP_PKEY_free(signers[i].pair);
    }
    ward_digest_free(digest);
    return 0;
}

/* What is made otherwise than it should be; zero: nothing. */
struct forgery {
    const char *name;
    size_t by[2];     /* who signs handover 2 in the place of keys 1 and 2; from 1, 0: as it is */
    bool alone;       /* only the first of them */
    uint64_t size;    /* of handover 2 */
    bool other_root;  /* of handover 2 */
    size_t named;     /* the key that entry 5 names as the new one; from 1 */
    size_t followed;  /* the key that entry 12 names as the one before; from 1 */
    bool altered;     /* entry 3 is another than was signed */
    bool skips;       /* entry 12 says version 4 */
    bool refused;     /* entry 5 was not allowed */
    size_t handovers; /* how many there are; 0: two */
    bool swapped;     /* the two stand in each other's place */
    size_t last;      /* who signed the newest checkpoint; from 1, 0: key 3 */
    const char *expected; /* the kind of the fault, and a part of its text */
    const char *text;
};

struct log {
    struct audit_leaves leaves;
    struct audit_handovers handovers;
    struct ward_merkle trees[SIZE + 1], tree;
};

static struct ward_bytes entry(const struct forgery *forgery, uint64_t seq, char *out, size_t max)
{
    char from[WARD_VKEY_MAX], to[WARD_VKEY_MAX];
    if (seq != changes[0] && seq != changes[1]) {
        (void)snprintf(out, max, "{\"seq\":%d,\"action\":\"key.list\",\"outcome\":\"allowed\"}",
                       (int)seq);
        return ward_bytes_str(out);
    }
    size_t n = seq == changes[0] ? 1 : 2;
    size_t before = n == 2 && forgery->followed > 0 ? forgery->followed : n;
    size_t after = n == 1 && forgery->named > 0 ? forgery->named : n + 1;
    ward_note_key_print(&signers[before - 1].key, from);
    ward_note_key_print(&signers[after - 1].key, to);
    (void)snprintf(
        out, max,
        "{\"seq\":%d,\"action\":\"approval.approve\",\"outcome\":\"%s\",\"detail\":{"
        "\"executed\":\"audit.rotate-log-key\",\"key\":\"ward/log\",\"from_version\":%zu,"
        "\"to_version\":%zu,\"from_vkey\":\"%s\",\"to_vkey\":\"%s\"}}",
        (int)seq, n == 1 && forgery->refused ? "refused" : "allowed", n,
        n + 1 + (n == 2 && forgery->skips), from, to);
    return ward_bytes_str(out);
}

static void sign_line(const struct signer *signer, struct ward_bytes body, bool first,
                      struct ward_buffer *note)
{
    uint8_t signature[64];
    size_t size = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, signer->pair), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &size, body.data, body.size), 1);
    EVP_MD_CTX_free(context);
    if (first) {
        ward_note_finish(body, &signer->key, WARD_BYTES_ARRAY(signature), note);
    } else {
        ward_note_cosign(&signer->key, WARD_BYTES_ARRAY(signature), note);
    }
}

/* Of the change to key n + 1: as the daemon makes it, but for what is forged of the first. */
static void make_handover(const struct forgery *forgery, const struct ward_merkle *trees, size_t n,
                          struct ward_buffer *note)
{
    bool forged = n == 1;
    struct ward_checkpoint checkpoint = {.origin = "test.ward", .size = changes[n - 1] + 2};
    if (forged && forgery->size > 0) {
        checkpoint.size = forgery->size;
    }
    assert_ok(ward_merkle_root(digest, &trees[checkpoint.size < SIZE ? checkpoint.size : SIZE],
                               checkpoint.root));
    checkpoint.root[0] ^= forged && forgery->other_root;
    struct ward_buffer body;
    ward_buffer_init(&body, 4096);
    ward_checkpoint_body(&checkpoint, &body);
    size_t first = forged && forgery->by[0] > 0 ? forgery->by[0] : n + 1;
    size_t second = forged && forgery->by[1] > 0 ? forgery->by[1] : n;
    sign_line(&signers[first - 1], ward_buffer_view(&body), true, note);
    if (!forged || !forgery->alone) {
        sign_line(&signers[second - 1], ward_buffer_view(&body), false, note);
    }
    ward_buffer_fini(&body);
}

/* The trees as they were signed. */
static void grow(const struct forgery *forgery, struct log *log)
{
    for (uint64_t i = 0; i < SIZE; i++) {
        char json[2048];
        uint8_t hash[32];
        assert_ok(ward_merkle_leaf(digest, entry(forgery, i, json, sizeof(json)), hash));
        assert_ok(ward_merkle_append(digest, &log->tree, hash));
        log->trees[i + 1] = log->tree;
    }
}

static void add_handovers(const struct forgery *forgery, struct log *log)
{
    size_t n = forgery->handovers == 0 ? 2 : forgery->handovers - 1;
    for (size_t i = 1; i <= n; i++) {
        struct ward_buffer note;
        size_t which = i > 2 ? 2 : forgery->swapped ? 3 - i : i;
        ward_buffer_init(&note, 4096);
        make_handover(forgery, log->trees, which, &note);
        assert_ok(audit_handovers_add(&log->handovers, log->leaves.arena, ward_buffer_view(&note)));
        ward_buffer_fini(&note);
    }
}

/* The entries as they are found. */
static void read_leaves(const struct forgery *forgery, struct log *log)
{
    struct ward_merkle tree = {0};
    for (uint64_t i = 0; i < SIZE; i++) {
        char json[2048];
        uint8_t hash[32];
        struct ward_bytes leaf = entry(forgery, i, json, sizeof(json));
        if (i == 3 && forgery->altered) {
            json[leaf.size - 3] = 'D';
        }
        assert_ok(ward_merkle_leaf(digest, leaf, hash));
        assert_ok(audit_leaves_add(&log->leaves, leaf, i, hash));
        assert_ok(ward_merkle_append(digest, &tree, hash));
        assert_ok(audit_handovers_follow(&log->handovers, digest, &tree));
    }
}

static bool check(const struct forgery *forgery, const struct ward_note_key *trusted,
                  bool *ret_trusted, struct audit_log_key_fault *ret_fault)
{
    struct log log = {0};
    assert_ok(audit_leaves_init(&log.leaves));
    grow(forgery, &log);
    add_handovers(forgery, &log);
    read_leaves(forgery, &log);
    size_t last = forgery->last > 0 ? forgery->last : 3;
    bool sound = audit_log_keys_check(&log.leaves, &log.handovers, SIZE, &signers[last - 1].key,
                                      trusted, ret_trusted, ret_fault);
    audit_leaves_fini(&log.leaves);
    return sound;
}

static void each_of_its_keys_leads_to_the_last(void **state)
{
    (void)state;
    const struct forgery none = {0};
    for (size_t i = 0; i < KEYS; i++) {
        struct audit_log_key_fault fault;
        bool trusted = false;
        assert_true(check(&none, &signers[i].key, &trusted, &fault));
        assert_int_equal(trusted, i < 3);
    }
    struct audit_log_key_fault fault;
    bool trusted = true;
    assert_true(check(&none, NULL, &trusted, &fault));
    assert_false(trusted);
}

static void what_is_forged_is_refused(void **state)
{
    (void)state;
    static const struct forgery forgeries[] = {
        {.name = "by the new key alone",
         .alone = true,
         .expected = "unsigned",
         .text = "of before the change"},
        {.name = "by the old key alone",
         .by = {1},
         .alone = true,
         .expected = "unsigned",
         .text = "of after the change"},
        {.name = "by somebody and the new key",
         .by = {2, 4},
         .expected = "unsigned",
         .text = "of before the change"},
        {.name = "by the old key and somebody",
         .by = {1, 4},
         .expected = "unsigned",
         .text = "of after the change"},
        {.name = "of before the entry",
         .size = 5,
         .expected = "unsigned",
         .text = "does not cover"},
        {.name = "larger than the log",
         .size = SIZE + 1,
         .expected = "unsigned",
         .text = "does not cover"},
        {.name = "another root", .other_root = true, .expected = "unsigned", .text = "its root"},
        {.name = "an entry was altered", .altered = true, .expected = "unsigned", .text = "root"},
        {.name = "the entry names somebody's key",
         .named = 4,
         .expected = "unsigned",
         .text = "of after the change"},
        {.name = "the entry names the same key",
         .named = 1,
         .expected = "unsigned",
         .text = "not from the one before"},
        {.name = "the next entry follows the first key",
         .followed = 1,
         .expected = "unsigned",
         .text = "not from the one before"},
        {.name = "a version is left out",
         .skips = true,
         .expected = "unsigned",
         .text = "not from the one before"},
        {.name = "no entry names the key",
         .refused = true,
         .expected = "unsigned",
         .text = "not from the one before"},
        {.name = "no handover", .handovers = 1, .expected = "missing", .text = "not here"},
        {.name = "the last handover is gone",
         .handovers = 2,
         .expected = "missing",
         .text = "not here"},
        {.name = "one too many", .handovers = 4, .expected = "extra", .text = "no entry"},
        {.name = "in the wrong order", .swapped = true, .expected = "unsigned", .text = "signed"},
        {.name = "the old key signs on", .last = 2, .expected = "unsigned", .text = "lead to"},
        {.name = "somebody signs on", .last = 4, .expected = "unsigned", .text = "lead to"},
    };
    for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
        for (size_t k = 0; k < 3; k++) {
            struct audit_log_key_fault fault = {0};
            bool trusted = false, sound = check(&forgeries[i], &signers[k].key, &trusted, &fault);
            if (sound || strcmp(fault.kind, forgeries[i].expected) != 0 ||
                strstr(fault.text, forgeries[i].text) == NULL) {
                fail_msg("%s: %s, %s", forgeries[i].name, sound ? "sound" : fault.kind,
                         sound ? "" : fault.text);
            }
        }
    }
}

/* As a daemon that believed its database would give them: what is none stands before, between and
 * behind those that are. */
static void what_stands_between_is_dropped(void **state)
{
    (void)state;
    static const struct forgery none, wrong = {.by = {2, 4}, .size = 6},
                                      new_alone = {.alone = true, .size = 8},
                                      other = {.other_root = true};
    struct log log = {0};
    struct audit_passed_over dropped = {.n = 0};
    assert_ok(audit_leaves_init(&log.leaves));
    grow(&none, &log);
    struct ward_buffer note;
    ward_buffer_init(&note, 4096);
    const struct forgery *made[] = {&other, &new_alone, &none, &wrong};
    for (size_t i = 0; i < 4; i++) {
        make_handover(made[i], log.trees, 1, &note);
        assert_ok(audit_handovers_add(&log.handovers, log.leaves.arena, ward_buffer_view(&note)));
        ward_buffer_reset(&note);
    }
    make_handover(&none, log.trees, 2, &note);
    assert_ok(audit_handovers_add(&log.handovers, log.leaves.arena, ward_buffer_view(&note)));
    ward_buffer_fini(&note);
    assert_ok(audit_handovers_add(&log.handovers, log.leaves.arena, ward_bytes_str("no note")));
    audit_handovers_sort(&log.handovers);
    read_leaves(&none, &log);
    audit_handovers_sift(&log.leaves, &log.handovers, SIZE, &dropped);
    struct audit_log_key_fault fault;
    bool trusted = false;
    size_t left = log.handovers.n;
    assert_int_equal(left + dropped.n, 6); /* the one behind the last is an extra one still */
    log.handovers.n = 2;
    assert_true(audit_log_keys_check(&log.leaves, &log.handovers, SIZE, &signers[2].key,
                                     &signers[0].key, &trusted, &fault));
    assert_true(trusted);
    assert_int_equal(dropped.sizes[0], 0);
    assert_int_equal(dropped.sizes[1], 6);
    audit_leaves_fini(&log.leaves);
}

static void where_a_handover_is_missing_nothing_is_dropped(void **state)
{
    (void)state;
    static const struct forgery none, wrong = {.by = {2, 4}};
    struct log log = {0};
    struct audit_passed_over dropped = {.n = 0};
    struct ward_buffer note;
    assert_ok(audit_leaves_init(&log.leaves));
    grow(&none, &log);
    ward_buffer_init(&note, 4096);
    make_handover(&wrong, log.trees, 1, &note);
    assert_ok(audit_handovers_add(&log.handovers, log.leaves.arena, ward_buffer_view(&note)));
    ward_buffer_fini(&note);
    audit_handovers_sort(&log.handovers);
    read_leaves(&none, &log);
    audit_handovers_sift(&log.leaves, &log.handovers, SIZE, &dropped);
    assert_int_equal(log.handovers.n, 1);
    assert_int_equal(dropped.n, 0);
    audit_leaves_fini(&log.leaves);
}

static void a_list_of_sizes_is_as_it_is_printed(void **state)
{
    (void)state;
    struct audit_passed_over rows = {.n = 0}, read;
    const uint64_t sizes[] = {12, 0, UINT64_MAX, 12, 7};
    for (size_t i = 0; i < 5; i++) {
        audit_passed_over_add(&rows, sizes[i]);
    }
    struct ward_buffer text;
    ward_buffer_init(&text, 4096);
    audit_passed_over_print(&rows, &text);
    assert_true(audit_passed_over_parse(ward_buffer_view(&text), &read));
    assert_int_equal(read.n, 4);
    assert_true(read.sizes[0] == 0 && read.sizes[1] == 7 && read.sizes[3] == UINT64_MAX);
    ward_buffer_fini(&text);
    static const char *const bad[] = {"",
                                      "\n",
                                      "7",
                                      "7\n\n",
                                      "07\n",
                                      "-1\n",
                                      "7 \n",
                                      "7\n7\n",
                                      "8\n7\n",
                                      "x\n",
                                      "+7\n",
                                      "7\r\n",
                                      "18446744073709551616\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (audit_passed_over_parse(ward_bytes_str(bad[i]), &read)) {
            fail_msg("%s", bad[i]);
        }
    }
    for (uint64_t i = 0; i < 2 * AUDIT_PASSED_OVER_MAX; i++) {
        audit_passed_over_add(&rows, i * 3);
    }
    assert_int_equal(rows.n, AUDIT_PASSED_OVER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_its_keys_leads_to_the_last),
        cmocka_unit_test(what_is_forged_is_refused),
        cmocka_unit_test(what_stands_between_is_dropped),
        cmocka_unit_test(where_a_handover_is_missing_nothing_is_dropped),
        cmocka_unit_test(a_list_of_sizes_is_as_it_is_printed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
