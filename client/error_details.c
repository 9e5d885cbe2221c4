/* SPDX-License-Identifier: Apache-2.0 */
/* Untrusted bytes of a header, in memory with a small budget. Must not decide anything: a hint is a
 * hint. */
#include "client/error_details.h"

#include <stdio.h>

#include "base/wipe_alloc.h"
#include "client/message.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define VALUE_MAX 8192u
#define BUDGET (64u * 1024)
#define RETRY_MAX_MS 3600000
#define FACT_MAX 192

/* Of at most two missing characters of padding. */
static bool decode(struct ward_bytes value, uint8_t out[static VALUE_MAX], size_t *size)
{
    char padded[VALUE_MAX + 4];
    size_t n = value.size;
    if (n == 0 || n > VALUE_MAX) {
        return false;
    }
    memcpy(padded, value.data, n);
    while (n % 4 != 0) {
        padded[n++] = '=';
    }
    return ward_base64_decode(padded, n, out, size);
}

static void copy_text(char *to, size_t room, const char *from)
{
    (void)snprintf(to, room, "%s", from); /* cut is fine */
    for (; *to != 0; to++) {
        *to = (unsigned char)*to < 0x20 || *to == 0x7f ? ' ' : *to;
    }
}

/* The numbers behind the sentence go to its end: " (rows 12, collections fhir)". What does not fit
 * is left out, and so is a list that came before the sentence. */
static void take_facts(const Google__Rpc__ErrorInfo *info, ward_error *error)
{
    size_t used = strnlen(error->message, sizeof(error->message));
    if (used == 0) {
        return;
    }
    for (size_t i = 0; i < info->n_metadata; i++) {
        const Google__Rpc__ErrorInfo__MetadataEntry *fact = info->metadata[i];
        char text[FACT_MAX];
        copy_text(text, sizeof(text), fact->key);
        size_t named = strlen(text);
        for (size_t c = 0; c < named; c++) {
            text[c] = text[c] == '_' ? ' ' : text[c];
        }
        if (named + 1 < sizeof(text)) {
            text[named] = ' ';
            copy_text(text + named + 1, sizeof(text) - named - 1, fact->value);
        }
        size_t size = strlen(text);
        if (used + size + 4 > sizeof(error->message)) {
            return;
        }
        char *at = error->message + used - (i > 0); /* over the bracket that closed the list */
        used = (size_t)(at - error->message) +
               (size_t)snprintf(at, sizeof(error->message) - (size_t)(at - error->message),
                                i > 0 ? ", %s)" : " (%s)", text);
    }
}

static void take_retry(const Google__Rpc__RetryInfo *info, ward_error *error)
{
    const Google__Protobuf__Duration *delay = info->retry_delay;
    if (delay == NULL || delay->seconds < 0 || delay->nanos < 0 || delay->nanos > 999999999) {
        return;
    }
    int64_t ms = delay->seconds > RETRY_MAX_MS / 1000
                     ? RETRY_MAX_MS
                     : delay->seconds * 1000 + (delay->nanos + 999999) / 1000000;
    error->retry_after_ms = (uint32_t)ms;
}

static bool is_type(const char *url, const char *name)
{
    static const char prefix[] = "type.googleapis.com/";
    return strncmp(url, prefix, sizeof(prefix) - 1) == 0 &&
           strcmp(url + sizeof(prefix) - 1, name) == 0;
}

static ProtobufCMessage *unpack(const Google__Protobuf__Any *any,
                                const ProtobufCMessageDescriptor *type, struct ward_arena *arena)
{
    ProtobufCMessage *message = NULL;
    struct ward_bytes bytes = WARD_BYTES(any->value.data, any->value.len);
    (void)ward_message_unpack(bytes, type, arena, &message, NULL); /* NULL says it */
    return message;
}

static void take_detail(const Google__Protobuf__Any *any, struct ward_arena *arena,
                        ward_error *error)
{
    if (is_type(any->type_url, "google.rpc.ErrorInfo")) {
        const ProtobufCMessage *info = unpack(any, &google__rpc__error_info__descriptor, arena);
        if (info != NULL) {
            copy_text(error->reason, sizeof(error->reason),
                      ((const Google__Rpc__ErrorInfo *)info)->reason);
            take_facts((const Google__Rpc__ErrorInfo *)info, error);
        }
    } else if (is_type(any->type_url, "google.rpc.BadRequest")) {
        const Google__Rpc__BadRequest *bad = (const Google__Rpc__BadRequest *)unpack(
            any, &google__rpc__bad_request__descriptor, arena);
        if (bad != NULL && bad->n_field_violations > 0) {
            copy_text(error->field, sizeof(error->field), bad->field_violations[0]->field);
        }
    } else if (is_type(any->type_url, "google.rpc.RetryInfo")) {
        const ProtobufCMessage *info = unpack(any, &google__rpc__retry_info__descriptor, arena);
        if (info != NULL) {
            take_retry((const Google__Rpc__RetryInfo *)info, error);
        }
    }
}

void ward_error_details(struct ward_bytes value, ward_error *error)
{
    uint8_t bytes[VALUE_MAX];
    size_t size = 0;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    ProtobufCMessage *message = NULL;
    if (!decode(value, bytes, &size) || !ward_ok(ward_arena_new(BUDGET, &arena)) ||
        ward_message_unpack(WARD_BYTES(bytes, size), &google__rpc__status__descriptor, arena,
                            &message, NULL) != WARD_RC_OK) {
        return;
    }
    const Google__Rpc__Status *status = (const Google__Rpc__Status *)message;
    for (size_t i = 0; i < status->n_details; i++) {
        take_detail(status->details[i], arena, error);
    }
}
