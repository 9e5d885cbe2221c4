/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes and checkpoints: the published example, our own, and every way of bending one. */
#include "tests/unit/proto/vectors.h"

#include <string.h>

#include "proto/note.h"

enum { EXAMPLE, ED25519, ECDSA };

static json_t *vector(size_t i)
{
    return json_array_get(vectors_load("note.json"), i);
}

static struct ward_note_key key_of(const json_t *json)
{
    struct ward_note_key key;
    assert_ok(ward_note_key_parse(vector_str(json, "vkey"), &key));
    return key;
}

static void the_example_of_signed_note_opens(void **state)
{
    json_t *json = vector(EXAMPLE);
    struct ward_note_key key = key_of(json);
    struct ward_bytes text;
    assert_ok(ward_note_open(vector_text(*state, json, "note"), &key, &text));
    assert_text(text, vector_str(json, "text"));
    struct ward_checkpoint checkpoint;
    assert_refusal(ward_note_verify(vector_text(*state, json, "note"), &key, &checkpoint),
                   WARD_E_INVALID, "checkpoint: not three lines");
}

static void checkpoints_verify_and_are_written_the_same(void **state)
{
    for (size_t i = ED25519; i <= ECDSA; i++) {
        json_t *json = vector(i);
        struct ward_note_key key = key_of(json);
        const json_t *expected = json_object_get(json, "checkpoint");
        struct ward_checkpoint checkpoint;
        assert_ok(ward_note_verify(vector_text(*state, json, "note"), &key, &checkpoint));
        assert_string_equal(checkpoint.origin, vector_str(expected, "origin"));
        assert_int_equal(checkpoint.size, vector_int(expected, "size"));
        assert_bytes(WARD_BYTES_ARRAY(checkpoint.root), vector_hex(*state, expected, "root"));

        ward_auto(ward_buffer_fini) struct ward_buffer body, note;
        ward_buffer_init(&body, WARD_NOTE_MAX);
        ward_buffer_init(&note, WARD_NOTE_MAX);
        ward_checkpoint_body(&checkpoint, &body);
        assert_text(ward_buffer_view(&body), vector_str(json, "text"));
        const char *line = strrchr(vector_str(json, "note"), ' ') + 1;
        uint8_t identified[512];
        size_t size = 0;
        assert_true(ward_base64_decode(line, strlen(line) - 1, identified, &size));
        ward_note_finish(ward_buffer_view(&body), &key, WARD_BYTES(identified + 4, size - 4),
                         &note);
        struct ward_checkpoint again;
        assert_ok(ward_note_verify(ward_buffer_view(&note), &key, &again));
        if (i == ED25519) {
            assert_text(ward_buffer_view(&note), vector_str(json, "note"));
        }
    }
}

static void signed_texts_that_are_no_checkpoint_are_refused(void **state)
{
    json_t *vectors = vectors_load("note.json"), *json;
    size_t i, refused = 0;
    json_array_foreach(vectors, i, json)
    {
        if (vector_str(json, "refused") != NULL) {
            struct ward_note_key key = key_of(json);
            struct ward_checkpoint checkpoint;
            assert_refusal(ward_note_verify(vector_text(*state, json, "note"), &key, &checkpoint),
                           WARD_E_INVALID, vector_str(json, "refused"));
            refused++;
        }
    }
    assert_true(refused > 0);
}

static void keys_print_as_they_were_read(void **state)
{
    (void)state;
    for (size_t i = EXAMPLE; i <= ECDSA; i++) {
        json_t *json = vector(i);
        struct ward_note_key key = key_of(json), again;
        char text[512];
        ward_note_key_print(&key, text);
        assert_string_equal(text, vector_str(json, "vkey"));
        assert_ok(ward_note_key_init(key.name, key.algorithm,
                                     WARD_BYTES(key.public_key, key.public_key_size), &again));
        assert_memory_equal(again.id, key.id, 4);
    }
}

static void a_note_with_any_bit_flipped_is_refused(void **state)
{
    for (size_t i = EXAMPLE; i <= ECDSA; i++) {
        json_t *json = vector(i);
        struct ward_note_key key = key_of(json);
        struct ward_bytes note = vector_text(*state, json, "note"), text;
        const uint8_t *witness =
            (const uint8_t *)strstr((const char *)note.data, "\xe2\x80\x94 witness");
        uint8_t bent[WARD_NOTE_MAX];
        for (size_t bit = 0; bit < note.size * 8; bit++) {
            const uint8_t *at = note.data + bit / 8;
            if (witness != NULL && at >= witness &&
                at < (const uint8_t *)strchr((const char *)witness, '\n')) {
                continue; /* another key's line is not ours to judge */
            }
            memcpy(bent, note.data, note.size);
            bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_code(ward_note_open(WARD_BYTES(bent, note.size), &key, &text), WARD_E_INVALID);
        }
    }
}

static void a_cut_note_is_refused(void **state)
{
    json_t *json = vector(ED25519);
    struct ward_note_key key = key_of(json);
    struct ward_bytes note = vector_text(*state, json, "note"), text;
    for (size_t size = 0; size < note.size; size++) {
        assert_code(ward_note_open(WARD_BYTES(note.data, size), &key, &text), WARD_E_INVALID);
    }
}

static void a_note_of_another_key_is_refused(void **state)
{
    json_t *ed25519 = vector(ED25519), *ecdsa = vector(ECDSA);
    struct ward_note_key key = key_of(ecdsa);
    struct ward_checkpoint checkpoint;
    assert_refusal(ward_note_verify(vector_text(*state, ed25519, "note"), &key, &checkpoint),
                   WARD_E_INVALID, "checkpoint: not signed by this key");
    /* Same id, other key: found by its id, and does not verify. */
    struct ward_note_key other = key_of(ed25519);
    other.public_key[0] ^= 1;
    ward_status status =
        ward_note_verify(vector_text(*state, ed25519, "note"), &other, &checkpoint);
    assert_code(status, WARD_E_INVALID);
}

static ward_status open_text(const struct ward_note_key *key, const char *note)
{
    struct ward_bytes text;
    return ward_note_open(ward_bytes_str(note), key, &text);
}

static void notes_of_another_form_are_refused(void **state)
{
    json_t *json = vector(EXAMPLE);
    struct ward_note_key key = key_of(json);
    const char *note = vector_str(json, "note");
    const char *line = strstr(note, "\xe2\x80\x94");
    const char *bad[] = {
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        ward_arena_printf(*state, "text\n%s", line),
        ward_arena_printf(*state, "%s ", note),
        ward_arena_printf(*state, "%s\n", note),
        ward_arena_printf(*state, "%s- other AAAAAAAA\n", note),
        ward_arena_printf(*state, "%s\xe2\x80\x94 other\n", note),
        ward_arena_printf(*state, "%s\xe2\x80\x94 other AAAA\n", note),
        ward_arena_printf(*state, "%s\xe2\x80\x94  AAAAAAAA\n", note),
        ward_arena_printf(*state, "%s\xe2\x80\x94 other AAAAAAA\n", note),
        ward_arena_printf(*state, "%s\xe2\x80\x94 other AAAA AAAA\n", note),
        ward_arena_printf(*state, "\t%s", note),
        ward_arena_printf(*state, "\xff%s", note),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_code(open_text(&key, bad[i]), WARD_E_INVALID);
    }
    assert_ok(open_text(&key, note));
}

static void other_keys_lines_do_no_harm_and_sixteen_fit(void **state)
{
    json_t *json = vector(EXAMPLE);
    struct ward_note_key key = key_of(json);
    const char *note = vector_str(json, "note");
    for (int i = 0; i < 15; i++) {
        note = ward_arena_printf(
            *state,
            "%s\xe2\x80\x94 other.example/%d "
            "AQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBAQIDBA"
            "QIDBAQIDBAQI\n",
            note, i);
    }
    assert_ok(open_text(&key, note));
    /* Our own line twice is as good as once; a second one that does not verify spoils it. */
    const char *line = strstr(note, "\xe2\x80\x94");
    assert_ok(open_text(
        &key, ward_arena_printf(*state, "%s%.*s\n", note, (int)(strchr(line, '\n') - line), line)));
    const char *forged = ward_arena_printf(*state,
                                           "%s\xe2\x80\x94 example.com/foo "
                                           "Uw2QOgn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1"
                                           "ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
                                           vector_str(json, "note"));
    assert_refusal(open_text(&key, forged), WARD_E_INVALID,
                   "checkpoint: signature does not verify");
    static char large[WARD_NOTE_MAX + 2];
    memset(large, 'x', WARD_NOTE_MAX);
    large[WARD_NOTE_MAX] = '\n';
    assert_refusal(open_text(&key, large), WARD_E_INVALID, "checkpoint: not a signed note");
}

static void bad_keys_are_refused(void **state)
{
    const char *good = vector_str(vector(EXAMPLE), "vkey");
    struct ward_note_key key;
    assert_ok(ward_note_key_parse(good, &key));
    size_t size = strlen(good);
    for (size_t from = 0; from < size; from++) { /* no part of a key is a key */
        assert_code(ward_note_key_parse(good + from + 1, &key), WARD_E_INVALID);
        const char *part = ward_arena_printf(*state, "%.*s", (int)from, good);
        assert_code(ward_note_key_parse(part, &key), WARD_E_INVALID);
        char bent[512];
        memcpy(bent, good, size + 1);
        bent[from]++;
        assert_code(ward_note_key_parse(bent, &key), WARD_E_INVALID);
    }
    assert_code(ward_note_key_parse(
                    "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", &key),
                WARD_E_INVALID);

    uint8_t bytes[92] = {0};
    char long_name[WARD_NOTE_NAME_MAX + 1];
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const char *names[] = {"", "a b", "a+b", "a\n", "a\tb", "\xc2\xa0", "a\x7f", long_name};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_refusal(ward_note_key_init(names[i], WARD_NOTE_ED25519, WARD_BYTES(bytes, 32), &key),
                       WARD_E_INVALID, "note key: name is not 1 to 127 visible ASCII without plus");
    }
    assert_code(ward_note_key_init("a", WARD_NOTE_ED25519, WARD_BYTES(bytes, 31), &key),
                WARD_E_INVALID);
    assert_code(ward_note_key_init("a", WARD_NOTE_ED25519, WARD_BYTES(bytes, 33), &key),
                WARD_E_INVALID);
    assert_code(ward_note_key_init("a", WARD_NOTE_ECDSA, WARD_BYTES(bytes, 91), &key),
                WARD_E_INVALID);
    assert_code(ward_note_key_init("a", 4, WARD_BYTES(bytes, 32), &key), WARD_E_INVALID);
    long_name[WARD_NOTE_NAME_MAX - 1] = '\0';
    assert_ok(ward_note_key_init(long_name, WARD_NOTE_ED25519, WARD_BYTES(bytes, 32), &key));
}

/* Text bodies that a key may have signed, yet are no checkpoint of this log. Nothing here can sign,
 * so the check is reached through the parts that do not depend on the signature: the body itself.
 */
static void raw_signatures_become_der(void **state)
{
    (void)state;
    static const struct {
        uint8_t r0, r31, s0, s31;
        size_t size;
        uint8_t head[4];
    } cases[] = {
        {0x01, 1, 0x01, 1, 70, {0x30, 68, 0x02, 32}},
        {0x80, 1, 0x01, 1, 71, {0x30, 69, 0x02, 33}},
        {0xff, 1, 0xff, 1, 72, {0x30, 70, 0x02, 33}},
        {0x00, 1, 0x00, 0x80, 9, {0x30, 7, 0x02, 1}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t raw[64] = {0}, der[80];
        size_t size = 0;
        raw[0] = cases[i].r0;
        raw[31] = cases[i].r31;
        raw[32] = cases[i].s0;
        raw[63] = cases[i].s31;
        assert_ok(ward_ecdsa_raw_to_der(raw, der, &size));
        assert_int_equal(size, cases[i].size);
        assert_memory_equal(der, cases[i].head, 4);
    }
    uint8_t zero[64] = {0}, der[80];
    size_t size = 0;
    assert_code(ward_ecdsa_raw_to_der(zero, der, &size), WARD_E_INVALID);
    zero[0] = 1;
    assert_code(ward_ecdsa_raw_to_der(zero, der, &size), WARD_E_INVALID);
}

static void a_signature_too_large_fails_the_buffer(void **state)
{
    (void)state;
    static const uint8_t signature[513];
    struct ward_note_key key = key_of(vector(EXAMPLE));
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, WARD_NOTE_MAX);
    ward_note_finish(WARD_BYTES_LITERAL("text\n"), &key, WARD_BYTES_ARRAY(signature), &out);
    assert_true(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_example_of_signed_note_opens),
        TEST(checkpoints_verify_and_are_written_the_same),
        TEST(signed_texts_that_are_no_checkpoint_are_refused),
        TEST(keys_print_as_they_were_read),
        TEST(a_note_with_any_bit_flipped_is_refused),
        TEST(a_cut_note_is_refused),
        TEST(a_note_of_another_key_is_refused),
        TEST(notes_of_another_form_are_refused),
        TEST(other_keys_lines_do_no_harm_and_sixteen_fit),
        TEST(bad_keys_are_refused),
        TEST(raw_signatures_become_der),
        TEST(a_signature_too_large_fails_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
