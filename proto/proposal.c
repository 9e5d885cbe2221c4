/* SPDX-License-Identifier: Apache-2.0 */
/* What officers read, sign and later see run, byte for byte. There is one text for each proposal:
 * what is read is printed again and must come out the same. Must not judge whether a proposal is
 * wise, allowed or still valid; policy and the operation do. */
#include "proto/proposal.h"

#include "base/digest.h"
#include "proto/canonical.h"
#include "proto/signature.h"
#include "proto/wire_limits.h"

#define TYPE "ward proposal 1"
#define TYPE_WITH_TERMS "ward proposal 2"
#define PAYLOAD_TYPE "application/vnd.ward.proposal+json; decision="
#define PAYLOAD_REASON "; reason="
#define PAYLOAD_TYPE_MAX 256u
#define NOT_CANONICAL "proposal: not canonical"

enum member {
    M_TYPE,
    M_DEPLOYMENT,
    M_ID,
    M_ACTION,
    M_OBJECT,
    M_PARAMETERS,
    M_POLICY,
    M_EPOCH,
    M_PROPOSER,
    M_PERSON,
    M_CREATED,
    M_EXPIRES,
    M_APPROVALS,
    M_TERMS, /* not there when there are none */
    M_REASON,
    M_CONSEQUENCES,
    M_COUNT,
};

static const char *const member_names[M_COUNT] = {
    "type",      "deployment", "id",       "action",       "object",  "parameters",
    "policy",    "epoch",      "proposer", "person",       "created", "expires",
    "approvals", "terms",      "reason",   "consequences",
};

static void add_name(enum member member, struct ward_buffer *out)
{
    ward_buffer_add_u8(out, member == M_TYPE ? '{' : ',');
    ward_canonical_text(out, ward_bytes_str(member_names[member]));
    ward_buffer_add_u8(out, ':');
}

static void add_text(enum member member, struct ward_bytes text, struct ward_buffer *out)
{
    add_name(member, out);
    ward_canonical_text(out, text);
}

static void add_id(enum member member, const struct ward_id *id, struct ward_buffer *out)
{
    char text[WARD_ID_TEXT_SIZE];
    ward_id_print(id, text);
    add_text(member, ward_bytes_str(text), out);
}

static void add_time(enum member member, int64_t wall_us, struct ward_buffer *out)
{
    char text[WARD_TIME_TEXT_SIZE];
    ward_time_print(wall_us, text);
    add_text(member, ward_bytes_str(text), out);
}

/* Sorted by name, whatever the order they were given in. */
static void add_params(enum member member, const struct ward_proposal_param *params, size_t n,
                       struct ward_buffer *out)
{
    const struct ward_proposal_param *sorted[WARD_PROPOSAL_PARAMS_MAX];
    if (n > WARD_PROPOSAL_PARAMS_MAX) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        while (at > 0 && ward_bytes_cmp(sorted[at - 1]->name, params[i].name) > 0) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = &params[i];
    }
    add_name(member, out);
    ward_buffer_add_u8(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            ward_buffer_add_u8(out, ',');
        }
        ward_canonical_text(out, sorted[i]->name);
        ward_buffer_add_u8(out, ':');
        if (sorted[i]->text.data != NULL) {
            ward_canonical_text(out, sorted[i]->text);
        } else {
            ward_canonical_int(out, sorted[i]->number);
        }
    }
    ward_buffer_add_u8(out, '}');
}

void ward_proposal_print(const struct ward_proposal *proposal, struct ward_buffer *out)
{
    bool terms = proposal->n_terms > 0;
    add_text(M_TYPE, ward_bytes_str(terms ? TYPE_WITH_TERMS : TYPE), out);
    add_id(M_DEPLOYMENT, &proposal->deployment, out);
    add_id(M_ID, &proposal->id, out);
    add_text(M_ACTION, proposal->action, out);
    add_text(M_OBJECT, proposal->object, out);
    add_params(M_PARAMETERS, proposal->parameters, proposal->n_parameters, out);
    add_name(M_POLICY, out);
    ward_canonical_hex_after(out, WARD_BYTES_LITERAL("\""), WARD_BYTES_ARRAY(proposal->policy));
    add_name(M_EPOCH, out);
    ward_canonical_uint(out, proposal->epoch);
    add_text(M_PROPOSER, proposal->proposer, out);
    add_text(M_PERSON, proposal->person, out);
    add_time(M_CREATED, proposal->created_us, out);
    add_time(M_EXPIRES, proposal->expires_us, out);
    add_name(M_APPROVALS, out);
    ward_canonical_uint(out, proposal->approvals);
    if (terms) {
        add_params(M_TERMS, proposal->terms, proposal->n_terms, out);
    }
    add_text(M_REASON, proposal->reason, out);
    add_params(M_CONSEQUENCES, proposal->consequences, proposal->n_consequences, out);
    ward_buffer_add_u8(out, '}');
}

static bool read_id(struct ward_bytes json, struct ward_id *ret)
{
    return json.size == WARD_ID_TEXT_SIZE + 1 && json.data[0] == '"' &&
           ward_id_parse(WARD_BYTES(json.data + 1, json.size - 2), ret);
}

static bool read_time(struct ward_bytes json, int64_t *ret)
{
    return json.size == WARD_TIME_TEXT_SIZE + 1 && json.data[0] == '"' &&
           ward_time_parse((const char *)json.data + 1, json.size - 2, ret);
}

static bool read_policy(struct ward_bytes json, uint8_t out[static 32])
{
    return json.size == 66 && json.data[0] == '"' &&
           ward_hex_decode((const char *)json.data + 1, 64, out, 32);
}

static bool read_uint(struct ward_bytes json, int64_t max, uint64_t *ret)
{
    int64_t value = 0;
    if (!ward_canonical_read_int(json, &value) || value < 0 || value > max) {
        return false;
    }
    *ret = (uint64_t)value;
    return true;
}

/* The name of a scanned member still has its quotes around it. */
static struct ward_bytes quoted(struct ward_bytes name)
{
    return WARD_BYTES(name.data - 1, name.size + 2);
}

static bool read_params(struct ward_bytes json, struct ward_arena *arena, bool texts,
                        struct ward_proposal_param *params, size_t *ret_n)
{
    struct ward_json_slice slices[WARD_PROPOSAL_PARAMS_MAX];
    size_t n = 0;
    if (!ward_ok(ward_json_scan(json, slices, WARD_PROPOSAL_PARAMS_MAX, &n))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct ward_proposal_param param = {0};
        if (!ward_canonical_read_text(quoted(slices[i].name), arena, &param.name)) {
            return false;
        }
        if (!ward_canonical_read_int(slices[i].value, &param.number) &&
            !(texts && ward_canonical_read_text(slices[i].value, arena, &param.text))) {
            return false;
        }
        params[i] = param;
    }
    *ret_n = n;
    return true;
}

/* That the type fits what is there shows when it is printed again. */
static bool read_all(const struct ward_json_slice *slices, struct ward_arena *arena,
                     struct ward_proposal *p)
{
    uint64_t approvals = 0;
    bool good =
        read_id(slices[M_DEPLOYMENT].value, &p->deployment) &&
        read_id(slices[M_ID].value, &p->id) &&
        ward_canonical_read_text(slices[M_ACTION].value, arena, &p->action) &&
        ward_canonical_read_text(slices[M_OBJECT].value, arena, &p->object) &&
        read_params(slices[M_PARAMETERS].value, arena, true, p->parameters, &p->n_parameters) &&
        read_policy(slices[M_POLICY].value, p->policy) &&
        read_uint(slices[M_EPOCH].value, INT64_MAX, &p->epoch) &&
        ward_canonical_read_text(slices[M_PROPOSER].value, arena, &p->proposer) &&
        ward_canonical_read_text(slices[M_PERSON].value, arena, &p->person) &&
        read_time(slices[M_CREATED].value, &p->created_us) &&
        read_time(slices[M_EXPIRES].value, &p->expires_us) &&
        read_uint(slices[M_APPROVALS].value, UINT32_MAX, &approvals) &&
        (slices[M_TERMS].value.size == 0 ||
         read_params(slices[M_TERMS].value, arena, true, p->terms, &p->n_terms)) &&
        ward_canonical_read_text(slices[M_REASON].value, arena, &p->reason) &&
        read_params(slices[M_CONSEQUENCES].value, arena, false, p->consequences,
                    &p->n_consequences);
    p->approvals = (uint32_t)approvals;
    return good;
}

/* Each in its place; the terms may be left out. */
static bool read_members(struct ward_bytes payload, struct ward_json_slice ret[M_COUNT])
{
    struct ward_json_slice found[M_COUNT];
    size_t n = 0, at = 0;
    if (!ward_ok(ward_json_scan(payload, found, M_COUNT, &n)) || n < M_COUNT - 1) {
        return false;
    }
    for (size_t i = 0; i < M_COUNT; i++) {
        ret[i] = (struct ward_json_slice){0};
        if (i == M_TERMS && n == M_COUNT - 1) {
            continue;
        }
        if (!ward_bytes_eq(found[at].name, ward_bytes_str(member_names[i]))) {
            return false;
        }
        ret[i] = found[at++];
    }
    return true;
}

ward_status ward_proposal_parse(struct ward_bytes payload, struct ward_arena *arena,
                                struct ward_proposal *ret)
{
    struct ward_json_slice slices[M_COUNT];
    WARD_REQUIRE(payload.size <= WARD_PROPOSAL_MAX && read_members(payload, slices), NOT_CANONICAL);
    struct ward_proposal *proposal = WARD_ARENA_NEW(arena, struct ward_proposal);
    WARD_ENSURE(proposal != NULL, WARD_E_EXHAUSTED);
    WARD_REQUIRE(read_all(slices, arena, proposal), NOT_CANONICAL);

    ward_auto(ward_buffer_fini) struct ward_buffer again;
    ward_buffer_init(&again, WARD_PROPOSAL_MAX);
    ward_proposal_print(proposal, &again);
    WARD_REQUIRE(!again.failed && ward_bytes_eq(ward_buffer_view(&again), payload), NOT_CANONICAL);
    *ret = *proposal;
    return WARD_OK;
}

static const struct ward_proposal_param *find(const struct ward_proposal_param *params, size_t n,
                                              const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(params[i].name, ward_bytes_str(name))) {
            return &params[i];
        }
    }
    return NULL;
}

bool ward_proposal_number(const struct ward_proposal_param *params, size_t n, const char *name,
                          int64_t *ret)
{
    const struct ward_proposal_param *param = find(params, n, name);
    if (param == NULL || param->text.data != NULL) {
        return false;
    }
    *ret = param->number;
    return true;
}

struct ward_bytes ward_proposal_text(const struct ward_proposal_param *params, size_t n,
                                     const char *name)
{
    const struct ward_proposal_param *param = find(params, n, name);
    return param == NULL ? (struct ward_bytes){NULL, 0} : param->text;
}

static const char *const decisions[] = {
    [WARD_DECISION_PROPOSE] = "propose", [WARD_DECISION_APPROVE] = "approve",
    [WARD_DECISION_REJECT] = "reject",   [WARD_DECISION_WITHDRAW] = "withdraw",
    [WARD_DECISION_EXECUTE] = "execute", [WARD_DECISION_REVIEW] = "review",
};
#define N_DECISIONS (sizeof(decisions) / sizeof(decisions[0]))

const char *ward_decision_kind_name(enum ward_decision_kind decision)
{
    return (size_t)decision < N_DECISIONS ? decisions[decision] : "";
}

bool ward_decision_kind_reasoned(enum ward_decision_kind decision)
{
    return decision == WARD_DECISION_REJECT || decision == WARD_DECISION_WITHDRAW ||
           decision == WARD_DECISION_REVIEW;
}

bool ward_decision_kind_find(struct ward_bytes name, enum ward_decision_kind *ret)
{
    for (size_t i = 0; i < N_DECISIONS; i++) {
        if (ward_bytes_eq(name, ward_bytes_str(decisions[i]))) {
            *ret = (enum ward_decision_kind)i;
            return true;
        }
    }
    return false;
}

ward_status ward_proposal_reason(struct ward_bytes reason, char hex[static 65],
                                 struct ward_bytes *ret)
{
    *ret = WARD_NO_REASON;
    if (reason.size > 0) {
        uint8_t hash[32];
        WARD_TRY(ward_proposal_digest(reason, hash));
        ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
        *ret = ward_bytes_str(hex);
    }
    return WARD_OK;
}

void ward_proposal_payload_type(enum ward_decision_kind decision, struct ward_bytes reason_digest,
                                struct ward_buffer *out)
{
    const char *name = ward_decision_kind_name(decision);
    if (name[0] == 0) {
        out->failed = true;
        return;
    }
    WARD_CANONICAL_LITERAL(out, PAYLOAD_TYPE);
    ward_buffer_add(out, ward_bytes_str(name));
    if (reason_digest.size > 0) {
        WARD_CANONICAL_LITERAL(out, PAYLOAD_REASON);
        ward_buffer_add(out, reason_digest);
    }
}

/* "DSSEv1" SP size SP payloadType SP size SP payload. */
void ward_proposal_pae(struct ward_bytes payload, enum ward_decision_kind decision,
                       struct ward_bytes reason_digest, struct ward_buffer *out)
{
    ward_auto(ward_buffer_fini) struct ward_buffer type;
    ward_buffer_init(&type, PAYLOAD_TYPE_MAX);
    ward_proposal_payload_type(decision, reason_digest, &type);
    if (type.failed) {
        out->failed = true;
        return;
    }
    WARD_CANONICAL_LITERAL(out, "DSSEv1 ");
    ward_canonical_uint(out, type.size);
    ward_buffer_add_u8(out, ' ');
    ward_buffer_add(out, ward_buffer_view(&type));
    ward_buffer_add_u8(out, ' ');
    ward_canonical_uint(out, payload.size);
    ward_buffer_add_u8(out, ' ');
    ward_buffer_add(out, payload);
}

ward_status ward_proposal_verify(struct ward_bytes payload, enum ward_decision_kind decision,
                                 struct ward_bytes reason_digest, struct ward_bytes certificate_der,
                                 struct ward_bytes signature)
{
    ward_auto(ward_buffer_fini) struct ward_buffer pae;
    ward_buffer_init(&pae, WARD_PROPOSAL_MAX + 256);
    ward_proposal_pae(payload, decision, reason_digest, &pae);
    WARD_REQUIRE(!pae.failed, NOT_CANONICAL);
    return ward_signature_verify_certificate(certificate_der, ward_buffer_view(&pae), signature);
}

ward_status ward_proposal_digest(struct ward_bytes bytes, uint8_t out[static 32])
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    return ward_sha256(digest, &bytes, 1, out);
}
