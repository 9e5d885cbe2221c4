/* SPDX-License-Identifier: Apache-2.0 */
/* What the load consists of: for each name the messages, encoded beforehand, and the keys and
 * records that they need. Must not know how they are driven. */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "client/cli/bench.h"
#include "client/message.h"
#include "ward/v1/data_keys.pb-c.h"
#include "ward/v1/records.pb-c.h"

#define ROWS_MAX 100
#define REWRAPS 64
#define NUMBER "0000000000"

/* 1 KB, in the shape of a small observation. */
#define FILLER                                                                                 \
    "The quick brown fox jumps over the lazy dog, and the lazy dog, who has seen many foxes, " \
    "sleeps on; "
static const char record_json[] =
    "{\"resourceType\":\"Observation\",\"id\":\"bench\",\"status\":\"final\","
    "\"code\":{\"text\":\"Body weight\"},\"valueQuantity\":{\"value\":72.50,\"unit\":\"kg\"},"
    "\"note\":[{\"text\":\"" FILLER FILLER FILLER FILLER FILLER FILLER FILLER FILLER "\"}]}";

/* Requests built here are packed at once, so their parts may live on the stack. */
static ProtobufCMessage *as_message(void *message)
{
    return message;
}

static int pack(void *request, struct bench_message *message)
{
    ward_error error;
    return ward_message_pack(as_message(request), &message->bytes, &error) == WARD_RC_OK
               ? CLI_DONE
               : cli_fail_call("preparing", &error);
}

/* Where the numbers stand, found again in the packed bytes. */
static int find_numbers(struct bench_message *message, const char *before)
{
    char text[128];
    int size = snprintf(text, sizeof(text), "%s" NUMBER, before);
    const uint8_t *at = message->bytes.data, *end = at + message->bytes.size;
    while (message->n_numbers < ROWS_MAX &&
           (at = memmem(at, (size_t)(end - at), text, (size_t)size)) != NULL) {
        message->numbers[message->n_numbers++] =
            (size_t)(at - message->bytes.data) + (size_t)size - BENCH_NUMBER_DIGITS;
        at += size;
    }
    return message->n_numbers > 0
               ? CLI_DONE
               : cli_fail(CLI_FAILED, NULL, NULL, "preparing: no number in the message");
}

/* Names of one run never meet those of another. */
static int run_name(char out[static 16])
{
    uint8_t random[4];
    char hex[9];
    if (!ward_ok(ward_random(random, sizeof(random)))) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no randomness");
    }
    ward_hex_encode(WARD_BYTES_ARRAY(random), hex);
    (void)snprintf(out, 16, "bench-%s", hex);
    return CLI_DONE;
}

#define CONTEXT(Entry, ENTRY_INIT, in, entries, pointers)                      \
    Entry entries[CLI_PAIRS_MAX], *pointers[CLI_PAIRS_MAX];                    \
    for (size_t c_ = 0; c_ < (in)->context->n; c_++) {                         \
        entries[c_] = (Entry)ENTRY_INIT;                                       \
        entries[c_].key = ward_message_text((in)->context->pairs[c_].key);     \
        entries[c_].value = ward_message_text((in)->context->pairs[c_].value); \
        pointers[c_] = &entries[c_];                                           \
    }

/* ---- data keys ---- */

static int prepare_generate(const struct bench_in *in, struct bench_message *messages, size_t n,
                            uint32_t count)
{
    CONTEXT(Ward__V1__GenerateDataKeysItem__ContextEntry,
            WARD__V1__GENERATE_DATA_KEYS_ITEM__CONTEXT_ENTRY__INIT, in, entries, pointers)
    Ward__V1__GenerateDataKeysItem item = WARD__V1__GENERATE_DATA_KEYS_ITEM__INIT, *items = &item;
    Ward__V1__GenerateDataKeysRequest request = WARD__V1__GENERATE_DATA_KEYS_REQUEST__INIT;
    item.key = ward_message_text(in->key);
    item.context = pointers;
    item.n_context = in->context->n;
    item.count = count;
    request.items = &items;
    request.n_items = 1;
    for (size_t i = 0; i < n; i++) {
        int exit = pack(&request, &messages[i]);
        if (exit != CLI_DONE) {
            return exit;
        }
    }
    return CLI_DONE;
}

static int prepare_generate1(struct cli *cli, const struct bench_in *in,
                             struct bench_message *messages, size_t n)
{
    (void)cli;
    return prepare_generate(in, messages, n, 1);
}

static int prepare_generate64(struct cli *cli, const struct bench_in *in,
                              struct bench_message *messages, size_t n)
{
    (void)cli;
    return prepare_generate(in, messages, n, 64);
}

static int pack_unwraps(const struct bench_in *in, const ward_data_keys *keys,
                        struct bench_message *messages, size_t n)
{
    CONTEXT(Ward__V1__UnwrapDataKeysItem__ContextEntry,
            WARD__V1__UNWRAP_DATA_KEYS_ITEM__CONTEXT_ENTRY__INIT, in, entries, pointers)
    for (size_t i = 0; i < n; i++) {
        size_t size = 0;
        const void *wrapped =
            ward_data_keys_wrapped(keys, 0, i % ward_data_keys_count(keys, 0), &size);
        Ward__V1__UnwrapDataKeysItem item = WARD__V1__UNWRAP_DATA_KEYS_ITEM__INIT, *items = &item;
        Ward__V1__UnwrapDataKeysRequest request = WARD__V1__UNWRAP_DATA_KEYS_REQUEST__INIT;
        item.wrapped = (ProtobufCBinaryData){size, (uint8_t *)wrapped};
        item.context = pointers;
        item.n_context = in->context->n;
        request.items = &items;
        request.n_items = 1;
        int exit = pack(&request, &messages[i]);
        if (exit != CLI_DONE) {
            return exit;
        }
    }
    return CLI_DONE;
}

/* Wrapped keys, without their plaintext. */
static int make_wrapped(struct cli *cli, const struct bench_in *in, size_t count,
                        ward_data_keys **ret)
{
    const ward_generate_request request = {.key = in->key,
                                           .context = in->context->pairs,
                                           .n_context = in->context->n,
                                           .count = (uint32_t)count,
                                           .without_plaintext = 1};
    ward_error error;
    if (ward_generate_data_keys(cli->client, NULL, &request, 1, ret, &error) != WARD_RC_OK) {
        return cli_fail_call("preparing wrapped keys", &error);
    }
    const char *text = "";
    error.code = ward_data_keys_code(*ret, 0, &text);
    error.answered = 1;
    (void)snprintf(error.message, sizeof(error.message), "%s", text);
    return error.code != WARD_RC_OK || ward_data_keys_count(*ret, 0) < count
               ? cli_fail_call("preparing wrapped keys", &error)
               : CLI_DONE;
}

static int prepare_unwrap(struct cli *cli, const struct bench_in *in,
                          struct bench_message *messages, size_t n)
{
    ward_data_keys *keys = NULL;
    int exit = make_wrapped(cli, in, n < 1000 ? n : 1000, &keys);
    if (exit == CLI_DONE) {
        exit = pack_unwraps(in, keys, messages, n);
    }
    ward_data_keys_free(keys);
    return exit;
}

/* To another context and back would need two messages: to one that the keys never had, again and
 * again, costs the same. */
static int pack_rewraps(const struct bench_in *in, const ward_data_keys *keys,
                        struct bench_message *messages, size_t n)
{
    CONTEXT(Ward__V1__RewrapDataKeysItem__ContextEntry,
            WARD__V1__REWRAP_DATA_KEYS_ITEM__CONTEXT_ENTRY__INIT, in, entries, pointers)
    char name[] = "bench", value[] = "rewrap";
    Ward__V1__Context__PairsEntry pair = WARD__V1__CONTEXT__PAIRS_ENTRY__INIT, *pairs = &pair;
    Ward__V1__Context context = WARD__V1__CONTEXT__INIT;
    pair.key = name;
    pair.value = value;
    context.pairs = &pairs;
    context.n_pairs = 1;
    Ward__V1__RewrapDataKeysItem items[REWRAPS], *item_pointers[REWRAPS];
    Ward__V1__RewrapDataKeysRequest request = WARD__V1__REWRAP_DATA_KEYS_REQUEST__INIT;
    for (size_t i = 0; i < REWRAPS; i++) {
        size_t size = 0;
        const void *wrapped = ward_data_keys_wrapped(keys, 0, i, &size);
        items[i] = (Ward__V1__RewrapDataKeysItem)WARD__V1__REWRAP_DATA_KEYS_ITEM__INIT;
        items[i].wrapped = (ProtobufCBinaryData){size, (uint8_t *)wrapped};
        items[i].context = pointers;
        items[i].n_context = in->context->n;
        items[i].new_context = &context;
        item_pointers[i] = &items[i];
    }
    request.items = item_pointers;
    request.n_items = REWRAPS;
    int exit = CLI_DONE;
    for (size_t i = 0; i < n && exit == CLI_DONE; i++) {
        exit = pack(&request, &messages[i]);
    }
    return exit;
}

static int prepare_rewrap64(struct cli *cli, const struct bench_in *in,
                            struct bench_message *messages, size_t n)
{
    ward_data_keys *keys = NULL;
    int exit = make_wrapped(cli, in, REWRAPS, &keys);
    if (exit == CLI_DONE) {
        exit = pack_rewraps(in, keys, messages, n);
    }
    ward_data_keys_free(keys);
    return exit;
}

/* ---- records ---- */

static int pack_put(const struct bench_in *in, const char *run, size_t slot, uint32_t rows,
                    struct bench_message *message)
{
    CONTEXT(Ward__V1__PutRecordsRequest__ContextEntry,
            WARD__V1__PUT_RECORDS_REQUEST__CONTEXT_ENTRY__INIT, in, entries, pointers)
    Ward__V1__PutRecordsItem items[ROWS_MAX], *item_pointers[ROWS_MAX];
    Ward__V1__PutRecordsRequest request = WARD__V1__PUT_RECORDS_REQUEST__INIT;
    char subject[64], before[32], id[64];
    (void)snprintf(subject, sizeof(subject), "%s-%zu", run, slot);
    (void)snprintf(before, sizeof(before), "%s/", run);
    (void)snprintf(id, sizeof(id), "%s" NUMBER, before);
    for (uint32_t i = 0; i < rows; i++) {
        items[i] = (Ward__V1__PutRecordsItem)WARD__V1__PUT_RECORDS_ITEM__INIT;
        items[i].collection = ward_message_text(in->collection);
        items[i].subject = subject;
        items[i].id = id;
        items[i].json = (ProtobufCBinaryData){sizeof(record_json) - 1, (uint8_t *)record_json};
        item_pointers[i] = &items[i];
    }
    request.context = pointers;
    request.n_context = in->context->n;
    request.items = item_pointers;
    request.n_items = rows;
    int exit = pack(&request, message);
    return exit == CLI_DONE ? find_numbers(message, before) : exit;
}

static int prepare_put(const struct bench_in *in, struct bench_message *messages, size_t n,
                       uint32_t rows)
{
    char run[16];
    int exit = run_name(run);
    for (size_t i = 0; i < n && exit == CLI_DONE; i++) {
        exit = pack_put(in, run, i, rows, &messages[i]);
    }
    return exit;
}

static int prepare_put1(struct cli *cli, const struct bench_in *in, struct bench_message *messages,
                        size_t n)
{
    (void)cli;
    return prepare_put(in, messages, n, 1);
}

static int prepare_put100(struct cli *cli, const struct bench_in *in,
                          struct bench_message *messages, size_t n)
{
    (void)cli;
    return prepare_put(in, messages, n, 100);
}

static int store_one(struct cli *cli, const struct bench_in *in, const char *subject,
                     const char *id)
{
    const ward_put_request request = {in->collection, subject, id, record_json,
                                      sizeof(record_json) - 1};
    ward_records *records = NULL;
    ward_error error;
    if (ward_put_record(cli->client, NULL, in->context->pairs, in->context->n, &request, &records,
                        &error) != WARD_RC_OK) {
        return cli_fail_call("preparing records", &error);
    }
    ward_records_free(records);
    return CLI_DONE;
}

static int prepare_get(struct cli *cli, const struct bench_in *in, struct bench_message *messages,
                       size_t n)
{
    CONTEXT(Ward__V1__GetRecordsRequest__ContextEntry,
            WARD__V1__GET_RECORDS_REQUEST__CONTEXT_ENTRY__INIT, in, entries, pointers)
    char run[16], subject[64], whole[] = "*", *fields[] = {whole};
    int exit = run_name(run);
    for (size_t i = 0; i < n && exit == CLI_DONE; i++) {
        (void)snprintf(subject, sizeof(subject), "%s-%zu", run, i);
        exit = store_one(cli, in, subject, run);
        Ward__V1__GetRecordsItem item = WARD__V1__GET_RECORDS_ITEM__INIT, *items = &item;
        Ward__V1__GetRecordsRequest request = WARD__V1__GET_RECORDS_REQUEST__INIT;
        item.collection = ward_message_text(in->collection);
        item.subject = subject;
        item.id = run;
        item.fields = fields;
        item.n_fields = 1;
        request.context = pointers;
        request.n_context = in->context->n;
        request.items = &items;
        request.n_items = 1;
        if (exit == CLI_DONE) {
            exit = pack(&request, &messages[i]);
        }
    }
    return exit;
}

#define GENERATE "/ward.v1.DataKeys/GenerateDataKeys"
const struct bench_case bench_cases[] = {
    {"generate", GENERATE, 1, prepare_generate1},
    {"generate_batch64", GENERATE, 64, prepare_generate64, .results = 1},
    {"unwrap", "/ward.v1.DataKeys/UnwrapDataKeys", 1, prepare_unwrap},
    {"rewrap_batch64", "/ward.v1.DataKeys/RewrapDataKeys", REWRAPS, prepare_rewrap64},
    {"put", "/ward.v1.Records/PutRecords", 1, prepare_put1},
    {"put_batch100", "/ward.v1.Records/PutRecords", 100, prepare_put100},
    {"get", "/ward.v1.Records/GetRecords", 1, prepare_get},
    {"connect", NULL, 1, NULL},
    {"seal", .run = bench_seal},
    {"open", .run = bench_open},
    /* Latency has its own loads, whatever is asked for: one call alone, and 8 times 4. */
    {"latency_unloaded", GENERATE, 1, prepare_generate1, .connections = 1, .in_flight = 1},
    {"latency_loaded", GENERATE, 1, prepare_generate1, .connections = 8, .in_flight = 4},
};
const size_t bench_n_cases = sizeof(bench_cases) / sizeof(bench_cases[0]);
