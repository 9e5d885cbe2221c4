/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals: one text each, signatures over exactly it and over one decision. */
#include "tests/unit/proto/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "proto/proposal.h"

static json_t *vector(size_t i)
{
    return json_array_get(vectors_load("proposal.json"), i);
}

static ward_status parse_text(void **state, const char *text)
{
    struct ward_proposal proposal;
    return ward_proposal_parse(ward_bytes_str(text), *state, &proposal);
}

static void vectors_hold(void **state)
{
    static const char *const decisions[] = {"propose", "approve", "reject"};
    for (size_t i = 0; i < 2; i++) {
        json_t *json = vector(i);
        struct ward_bytes payload = vector_text(*state, json, "payload");
        struct ward_proposal proposal;
        assert_ok(ward_proposal_parse(payload, *state, &proposal));
        const json_t *fields = json_object_get(json, "proposal");
        assert_text(proposal.action, vector_str(fields, "action"));
        assert_text(proposal.object, vector_str(fields, "object"));
        assert_text(proposal.proposer, vector_str(fields, "proposer"));
        assert_text(proposal.person, vector_str(fields, "person"));
        assert_text(proposal.reason, vector_str(fields, "reason"));
        assert_int_equal(proposal.epoch, vector_int(fields, "epoch"));
        assert_int_equal(proposal.approvals, vector_int(fields, "approvals"));
        assert_bytes(WARD_BYTES_ARRAY(proposal.policy), vector_hex(*state, fields, "policy"));

        ward_auto(ward_buffer_fini) struct ward_buffer again;
        ward_buffer_init(&again, WARD_PROPOSAL_MAX);
        ward_proposal_print(&proposal, &again);
        assert_bytes(ward_buffer_view(&again), payload);
        uint8_t digest[32];
        assert_ok(ward_proposal_digest(payload, digest));
        assert_bytes(WARD_BYTES_ARRAY(digest), vector_hex(*state, json, "digest"));
        for (int d = WARD_DECISION_PROPOSE; d <= WARD_DECISION_REJECT; d++) {
            assert_string_equal(ward_decision_kind_name((enum ward_decision_kind)d), decisions[d]);
            ward_auto(ward_buffer_fini) struct ward_buffer pae;
            ward_buffer_init(&pae, WARD_PROPOSAL_MAX);
            ward_proposal_pae(payload, (enum ward_decision_kind)d, WARD_NO_REASON, &pae);
            assert_bytes(ward_buffer_view(&pae),
                         vector_hex(*state, json_object_get(json, "pae"), decisions[d]));
        }
    }
}

static enum ward_decision_kind decision_of(const json_t *signature)
{
    const char *name = vector_str(signature, "decision");
    int d = WARD_DECISION_PROPOSE;
    while (strcmp(ward_decision_kind_name((enum ward_decision_kind)d), name) != 0) {
        d++;
    }
    return (enum ward_decision_kind)d;
}

static void signatures_hold_for_one_decision_and_one_payload(void **state)
{
    json_t *json = vector(0), *signature;
    struct ward_bytes payload = vector_text(*state, json, "payload");
    size_t i;
    json_array_foreach(json_object_get(json, "signatures"), i, signature)
    {
        struct ward_bytes certificate = vector_hex(*state, signature, "certificate");
        struct ward_bytes bytes = vector_hex(*state, signature, "signature");
        for (int d = WARD_DECISION_PROPOSE; d <= WARD_DECISION_REJECT; d++) {
            ward_status status = ward_proposal_verify(payload, (enum ward_decision_kind)d,
                                                      WARD_NO_REASON, certificate, bytes);
            if (d == (int)decision_of(signature)) {
                assert_ok(status);
            } else {
                assert_refusal(status, WARD_E_INVALID, "signature: does not verify");
            }
        }
        struct ward_bytes shorter = WARD_BYTES(payload.data, payload.size - 1);
        assert_refusal(ward_proposal_verify(shorter, decision_of(signature), WARD_NO_REASON,
                                            certificate, bytes),
                       WARD_E_INVALID, "signature: does not verify");
    }
}

static void a_signature_with_any_bit_flipped_does_not_verify(void **state)
{
    json_t *json = vector(0), *signature;
    struct ward_bytes payload = vector_text(*state, json, "payload");
    size_t i;
    json_array_foreach(json_object_get(json, "signatures"), i, signature)
    {
        struct ward_bytes certificate = vector_hex(*state, signature, "certificate");
        struct ward_bytes bytes = vector_hex(*state, signature, "signature");
        uint8_t bent[513] = {0};
        memcpy(bent, bytes.data, bytes.size);
        for (size_t bit = 0; bit < bytes.size * 8; bit++) {
            bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_refusal(ward_proposal_verify(payload, decision_of(signature), WARD_NO_REASON,
                                                certificate, WARD_BYTES(bent, bytes.size)),
                           WARD_E_INVALID, "signature: does not verify");
            bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        const size_t sizes[] = {0, 1, bytes.size - 1, bytes.size + 1, 512, 513};
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            assert_refusal(ward_proposal_verify(payload, decision_of(signature), WARD_NO_REASON,
                                                certificate, WARD_BYTES(bent, sizes[k])),
                           WARD_E_INVALID, "signature: does not verify");
        }
    }
}

static void a_certificate_that_is_not_exactly_der_is_refused(void **state)
{
    json_t *json = vector(0);
    const json_t *signature = json_array_get(json_object_get(json, "signatures"), 0);
    struct ward_bytes payload = vector_text(*state, json, "payload");
    struct ward_bytes bytes = vector_hex(*state, signature, "signature"), longer;
    struct ward_bytes certificate = vector_hex(*state, signature, "certificate");
    assert_ok(ward_arena_copy(*state, certificate, &longer)); /* a NUL follows */
    longer.size++;
    const struct ward_bytes bad[] = {
        {NULL, 0}, WARD_BYTES(certificate.data, certificate.size - 1), longer};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refusal(
            ward_proposal_verify(payload, WARD_DECISION_PROPOSE, WARD_NO_REASON, bad[i], bytes),
            WARD_E_INVALID, "signature: certificate is not DER");
    }
}

/* Replaces the first occurrence of `from`, which must be there. */
static const char *bend(void **state, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return ward_arena_printf(*state, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void parse_refuses_anything_not_canonical(void **state)
{
    static const struct {
        const char *from, *to;
    } bends[] = {
        {"{\"type\"", " {\"type\""},
        {"\",\"deployment\"", "\", \"deployment\""},
        {"\"epoch\":12", "\"epoch\": 12"},
        {"\"type\":\"ward proposal 1\",\"deployment\"", "\"deployment\""},
        {"\"type\":\"ward proposal 1\"", "\"type\":\"ward proposal 2\""},
        {"\"type\":\"ward proposal 1\"", "\"type\":1"},
        {"\"action\":\"key.rotate\",\"object\":\"phi/records\"",
         "\"object\":\"phi/records\",\"action\":\"key.rotate\""},
        {"\"action\":\"key.rotate\"", "\"action\":\"key.rotate\",\"action\":\"key.rotate\""},
        {"\"action\":\"key.rotate\"", "\"action\":\"key.rotate\",\"extra\":1"},
        {"\"action\":\"key.rotate\"", "\"action\":[\"key.rotate\"]"},
        {"\"action\":\"key.rotate\"", "\"action\":null"},
        {"\"action\":\"key.rotate\"", "\"Action\":\"key.rotate\""},
        {"\"action\":\"key.rotate\"", "\"action\":\"key.rot\\u0061te\""},
        {"\"action\":\"key.rotate\"", "\"\\u0061ction\":\"key.rotate\""},
        {"\"object\":\"phi/records\"", "\"object\":\"phi\\/records\""},
        {"\"version\":3", "\"version\":3.0"},
        {"\"version\":3", "\"version\":03"},
        {"\"version\":3", "\"version\":-0"},
        {"\"version\":3", "\"version\":true"},
        {"\"version\":3", "\"version\":{}"},
        {"\"version\":3", "\"version\":99999999999999999999"},
        {"\"version\":3", "\"version\":3,\"version\":3"},
        {"\"backend\":\"hsm-1\",\"reason-code\":\"scheduled\"",
         "\"reason-code\":\"scheduled\",\"backend\":\"hsm-1\""},
        {"\"parameters\":{", "\"parameters\":{ "},
        {"\"parameters\":{\"backend\":\"hsm-1\",\"reason-code\":\"scheduled\",\"version\":3}",
         "\"parameters\":[]"},
        {"\"rows\":1234", "\"rows\":\"1234\""},
        {"\"collections\":2,\"rows\":1234", "\"rows\":1234,\"collections\":2"},
        {"\"epoch\":12", "\"epoch\":-12"},
        {"\"epoch\":12", "\"epoch\":\"12\""},
        {"\"epoch\":12", "\"epoch\":1.2e1"},
        {"\"approvals\":1", "\"approvals\":4294967296"},
        {"\"approvals\":1", "\"approvals\":-1"},
        {"\"policy\":\"30", "\"policy\":\"3"},
        {"3a3b3c", "3A3b3c"},
        {"0d6b6e0a", "0D6b6e0a"},
        {"0d6b6e0a-", "0d6b6e0a"},
        {"22T00:19:22.123456Z", "22T00:19:22.123456+00:00"},
        {"22T00:19:22.123456Z", "22T00:19:22Z"},
        {"2026-11-22", "2026-13-22"},
        {"2026-11-22", "2026-02-30"},
        {"\\\"planned\\\"\\n", "\\\"planned\\\"\\u000a"},
        {"\\\"planned\\\"\\n", "\\\"planned\\\"\n"},
        {"\\\"planned\\\"\\n", "\xff"},
        {"}}", "}} "},
        {"}}", "}"},
        {"}}", "}}}"},
        {"}}", "},\"extra\":1}"},
    };
    const char *payload = vector_str(vector(0), "payload");
    assert_ok(parse_text(state, payload));
    for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++) {
        ward_status status = parse_text(state, bend(state, payload, bends[i].from, bends[i].to));
        if (ward_ok(status)) {
            fail_msg("taken: %s for %s", bends[i].to, bends[i].from);
        }
        assert_refusal(status, WARD_E_INVALID, "proposal: not canonical");
    }
}

/* With terms it is another type of payload, and without them it is not. */
static void terms_stand_where_they_must(void **state)
{
    struct ward_proposal proposal, again;
    assert_ok(ward_proposal_parse(vector_text(*state, vector(0), "payload"), *state, &proposal));
    proposal.terms[0] = (struct ward_proposal_param){WARD_BYTES_LITERAL(WARD_TERM_EXECUTE),
                                                     WARD_BYTES_LITERAL("manual"), 0};
    proposal.terms[1] = (struct ward_proposal_param){
        .name = WARD_BYTES_LITERAL(WARD_TERM_APPROVALS "privacy"), .number = 2};
    proposal.n_terms = 2;
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, WARD_PROPOSAL_MAX);
    ward_proposal_print(&proposal, &out);
    ward_buffer_add_u8(&out, 0);
    assert_false(out.failed);
    const char *payload = (const char *)out.data;
    const char *terms =
        "\"approvals\":1,\"terms\":{\"approvals.privacy\":2,\"execute\":\"manual\"}";
    assert_non_null(strstr(payload, "{\"type\":\"ward proposal 2\","));
    assert_non_null(strstr(payload, terms));
    assert_ok(ward_proposal_parse(ward_bytes_str(payload), *state, &again));
    assert_int_equal(again.n_terms, 2);
    assert_true(ward_bytes_eq(ward_proposal_text(again.terms, again.n_terms, WARD_TERM_EXECUTE),
                              WARD_BYTES_LITERAL("manual")));
    static const char *const bends[][2] = {
        {"ward proposal 2", "ward proposal 1"},
        {"ward proposal 2", "ward proposal 3"},
        {"{\"approvals.privacy\":2,\"execute\":\"manual\"}", "{}"},
        {"\"approvals.privacy\":2,\"execute\":\"manual\"",
         "\"execute\":\"manual\",\"approvals.privacy\":2"},
        {"\"approvals.privacy\":2", "\"approvals.privacy\":2,\"approvals.privacy\":2"},
        {"\"approvals.privacy\":2", "\"approvals.privacy\":02"},
        {"\"execute\":\"manual\"", "\"execute\":true"},
    };
    for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++) {
        assert_refusal(parse_text(state, bend(state, payload, bends[i][0], bends[i][1])),
                       WARD_E_INVALID, "proposal: not canonical");
    }
}

static void parse_refuses_every_proper_prefix(void **state)
{
    struct ward_bytes payload = vector_text(*state, vector(0), "payload");
    for (size_t size = 0; size < payload.size; size++) {
        struct ward_proposal proposal;
        assert_refusal(ward_proposal_parse(WARD_BYTES(payload.data, size), *state, &proposal),
                       WARD_E_INVALID, "proposal: not canonical");
    }
}

static void parse_refuses_too_many_parameters_and_too_much_text(void **state)
{
    const char *payload = vector_str(vector(1), "payload");
    const char *many =
        "\"parameters\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,"
        "\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1";
    assert_ok(parse_text(state, bend(state, payload, "\"parameters\":{", many)));
    const char *over = ward_arena_printf(*state, "%s,\"q\":1", many);
    assert_refusal(parse_text(state, bend(state, payload, "\"parameters\":{", over)),
                   WARD_E_INVALID, "proposal: not canonical");
    static char large[WARD_PROPOSAL_MAX];
    memset(large, 'x', sizeof(large) - 1);
    assert_refusal(parse_text(state, bend(state, payload, "key.rotate", large)), WARD_E_INVALID,
                   "proposal: not canonical");
}

static void parameters_are_found_by_name_and_type(void **state)
{
    struct ward_proposal p;
    int64_t number = 0;
    assert_ok(ward_proposal_parse(vector_text(*state, vector(0), "payload"), *state, &p));
    assert_true(ward_proposal_number(p.parameters, p.n_parameters, "version", &number));
    assert_int_equal(number, 3);
    assert_true(ward_proposal_number(p.consequences, p.n_consequences, "rows", &number));
    assert_int_equal(number, 1234);
    assert_false(ward_proposal_number(p.parameters, p.n_parameters, "backend", &number));
    assert_false(ward_proposal_number(p.parameters, p.n_parameters, "rows", &number));
    assert_text(ward_proposal_text(p.parameters, p.n_parameters, "backend"), "hsm-1");
    assert_null(ward_proposal_text(p.parameters, p.n_parameters, "version").data);
    assert_null(ward_proposal_text(p.parameters, p.n_parameters, "none").data);
}

static void order_of_parameters_does_not_matter_to_print(void **state)
{
    (void)state;
    struct ward_proposal p = {.n_parameters = 2};
    p.parameters[0] = (struct ward_proposal_param){.name = WARD_BYTES_LITERAL("b"), .number = -1};
    p.parameters[1] =
        (struct ward_proposal_param){WARD_BYTES_LITERAL("a"), WARD_BYTES_LITERAL(""), 0};
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, WARD_PROPOSAL_MAX);
    ward_proposal_print(&p, &out);
    ward_buffer_add_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data, "\"parameters\":{\"a\":\"\",\"b\":-1}"));
    p.n_parameters = WARD_PROPOSAL_PARAMS_MAX + 1;
    ward_proposal_print(&p, &out);
    assert_true(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(signatures_hold_for_one_decision_and_one_payload),
        TEST(a_signature_with_any_bit_flipped_does_not_verify),
        TEST(a_certificate_that_is_not_exactly_der_is_refused),
        TEST(parse_refuses_anything_not_canonical),
        TEST(terms_stand_where_they_must),
        TEST(parse_refuses_every_proper_prefix),
        TEST(parse_refuses_too_many_parameters_and_too_much_text),
        TEST(parameters_are_found_by_name_and_type),
        TEST(order_of_parameters_does_not_matter_to_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
