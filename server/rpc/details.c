/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the messages that gRPC libraries look for. It knows the form of our refusals, "field:
 * rule", and no request. */
#include "server/rpc/details.h"

#include <stdio.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/grpc.h"

#define DETAIL_MAX 512 /* of one */
#define FIELD_MAX 64
#define FACT_MAX 128
#define TEXT_MAX 256
#define UNAVAILABLE_RETRY_MS 1000
#define TYPE(name) "type.googleapis.com/google.rpc." name

struct details {
    Google__Protobuf__Any any[3];
    Google__Protobuf__Any *pointers[3];
    uint8_t bytes[3][DETAIL_MAX];
    size_t n;
};

/* One that does not fit is left out: the plain message has it. */
static void add(struct details *details, const char *type, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > DETAIL_MAX) {
        return;
    }
    size_t i = details->n++;
    google__protobuf__any__init(&details->any[i]);
    details->any[i].type_url = (char *)type; /* constant, and only read */
    details->any[i].value.data = details->bytes[i];
    details->any[i].value.len = protobuf_c_message_pack(message, details->bytes[i]);
    details->pointers[i] = &details->any[i];
}

/* One of the pairs, as google.rpc has them: both sides are texts. */
struct fact {
    Google__Rpc__ErrorInfo__MetadataEntry entry;
    char value[FACT_MAX];
};

static void put_fact(const struct ward_leaf_pair *from, struct fact *fact)
{
    google__rpc__error_info__metadata_entry__init(&fact->entry);
    if (from->text.data != NULL) {
        (void)snprintf(fact->value, sizeof(fact->value), "%.*s", (int)from->text.size,
                       (const char *)from->text.data); /* cut is fine */
    } else {
        (void)snprintf(fact->value, sizeof(fact->value), "%lld", (long long)from->number);
    }
    fact->entry.key = (char *)from->name; /* constant, and only read */
    fact->entry.value = fact->value;
}

static void add_info(struct details *details, ward_status status, const struct ward_details *with)
{
    /* To be decided again is a matter of ours; a caller sees that somebody else was faster. */
    enum ward_code code = status.code == WARD_E_STALE ? WARD_E_CONFLICT : status.code;
    struct fact facts[WARD_DETAILS_FACTS_MAX];
    Google__Rpc__ErrorInfo__MetadataEntry *entries[WARD_DETAILS_FACTS_MAX];
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = (char *)ward_code_name(code);
    info.domain = (char *)"ward";
    info.metadata = entries;
    for (size_t i = 0; i < with->n_facts && i < WARD_DETAILS_FACTS_MAX; i++) {
        put_fact(&with->facts[i], &facts[i]);
        entries[info.n_metadata++] = &facts[i].entry;
    }
    add(details, TYPE("ErrorInfo"), &info.base);
}

/* The field's name in front of ": ", or 0. */
static size_t field_size(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    return size > 0 && size < FIELD_MAX && text[size] == ':' && text[size + 1] == ' ' ? size : 0;
}

static void add_violation(struct details *details, ward_status status)
{
    const char *text = ward_grpc_message_of(status);
    size_t size = field_size(text);
    if (status.code != WARD_E_INVALID || size == 0 || strlen(text) > TEXT_MAX) {
        return;
    }
    char field[FIELD_MAX];
    memcpy(field, text, size);
    field[size] = '\0';
    Google__Rpc__BadRequest__FieldViolation violation =
        GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    violation.field = field;
    violation.description = (char *)text + size + 2;
    Google__Rpc__BadRequest__FieldViolation *violations[] = {&violation};
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    bad.field_violations = violations;
    bad.n_field_violations = 1;
    add(details, TYPE("BadRequest"), &bad.base);
}

static void add_retry(struct details *details, ward_status status, uint32_t retry_after_ms)
{
    enum ward_grpc_code code = ward_grpc_code_of(status);
    uint32_t ms = retry_after_ms;
    if (ms == 0 && code == WARD_GRPC_UNAVAILABLE) {
        ms = UNAVAILABLE_RETRY_MS;
    }
    if (ms == 0 || (code != WARD_GRPC_UNAVAILABLE && code != WARD_GRPC_RESOURCE_EXHAUSTED)) {
        return; /* a message that is too large is so for ever */
    }
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = ms / 1000;
    delay.nanos = (int32_t)(ms % 1000) * 1000000;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    retry.retry_delay = &delay;
    add(details, TYPE("RetryInfo"), &retry.base);
}

/* Refused by what the policy says, not by what it was asked for. */
static bool is_of_policy(ward_status status)
{
    static const char prefix[] = "policy: ";
    const char *text = ward_status_refusal(status);
    return status.code == WARD_E_DENIED && text != NULL &&
           strncmp(text, prefix, sizeof(prefix) - 1) == 0;
}

size_t ward_details_rule(ward_status status, enum ward_action action, const char *rule,
                         struct ward_leaf_pair out[static 2])
{
    if (rule == NULL || !is_of_policy(status)) {
        return 0;
    }
    out[0] =
        (struct ward_leaf_pair){.name = "action", .text = ward_bytes_str(ward_action_name(action))};
    out[1] = (struct ward_leaf_pair){.name = "rule", .text = ward_bytes_str(rule)};
    return 2;
}

size_t ward_details_text(ward_status status, const struct ward_details *with,
                         char out[static WARD_DETAILS_TEXT_MAX])
{
    out[0] = '\0';
    if (ward_ok(status)) {
        return 0;
    }
    struct details details = {.n = 0};
    add_info(&details, status, with);
    add_violation(&details, status);
    add_retry(&details, status, with->retry_after_ms);
    Google__Rpc__Status whole = GOOGLE__RPC__STATUS__INIT;
    whole.code = (int32_t)ward_grpc_code_of(status);
    whole.message = (char *)ward_grpc_message_of(status);
    whole.details = details.pointers;
    whole.n_details = details.n;
    uint8_t packed[WARD_DETAILS_MAX];
    size_t size = protobuf_c_message_get_packed_size(&whole.base);
    if (size > sizeof(packed)) {
        return 0;
    }
    ward_base64_encode(WARD_BYTES(packed, protobuf_c_message_pack(&whole.base, packed)), out);
    size_t text = strcspn(out, "=");
    out[text] = '\0';
    return text;
}
