/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are well-formed, sent in the way that the script says. */
#include "tests/unit/client/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "ward/v1/data_keys.pb-c.h"
#include "ward/v1/keys.pb-c.h"
#include "ward/v1/records.pb-c.h"

/* ---- answers ---- */

static void pack(const void *message, struct ward_buffer *out)
{
    const ProtobufCMessage *base = message;
    size_t size = protobuf_c_message_get_packed_size(base);
    if (size > 0) {
        uint8_t *to = ward_buffer_reserve(out, size);
        assert_non_null(to);
        out->size += protobuf_c_message_pack(base, to);
    }
}

static void answer_generate(struct ward_buffer *out)
{
    uint8_t plaintext[32], wrapped[] = "a wrapped key";
    memset(plaintext, 0x5a, sizeof(plaintext));
    Ward__V1__DataKey key = WARD__V1__DATA_KEY__INIT, *keys = &key;
    key.plaintext = (ProtobufCBinaryData){sizeof(plaintext), plaintext};
    key.wrapped = (ProtobufCBinaryData){sizeof(wrapped), wrapped};
    Ward__V1__ItemError failed = WARD__V1__ITEM_ERROR__INIT;
    char text[] = "key: no such key";
    failed.code = 5;
    failed.message = text;
    Ward__V1__GenerateDataKeysResult fine = WARD__V1__GENERATE_DATA_KEYS_RESULT__INIT,
                                     bad = WARD__V1__GENERATE_DATA_KEYS_RESULT__INIT,
                                     *results[] = {&fine, &bad};
    fine.keys = &keys;
    fine.n_keys = 1;
    bad.error = &failed;
    Ward__V1__GenerateDataKeysResponse response = WARD__V1__GENERATE_DATA_KEYS_RESPONSE__INIT;
    response.results = results;
    response.n_results = 2;
    pack(&response, out);
}

static void answer_list(struct ward_buffer *out)
{
    char name[] = "app/demo", next[] = "app/demo";
    Ward__V1__Key key = WARD__V1__KEY__INIT, *keys = &key;
    key.name = name;
    key.purpose = WARD__V1__KEY_PURPOSE__KEY_PURPOSE_DATA_KEYS;
    Ward__V1__ListKeysResponse response = WARD__V1__LIST_KEYS_RESPONSE__INIT;
    response.keys = &keys;
    response.n_keys = 1;
    response.next_page_token = next;
    pack(&response, out);
}

static void answer_put(struct ward_buffer *out)
{
    Ward__V1__PutRecordsResult result = WARD__V1__PUT_RECORDS_RESULT__INIT, *results = &result;
    result.version = 7;
    Ward__V1__PutRecordsResponse response = WARD__V1__PUT_RECORDS_RESPONSE__INIT;
    response.results = &results;
    response.n_results = 1;
    pack(&response, out);
}

/* Only a put is looked into. */
static void note_request_id(struct script *script, const struct stub_call *call)
{
    if (strstr(call->path, "PutRecords") == NULL || script->calls >= 4) {
        return;
    }
    Ward__V1__PutRecordsRequest *request =
        ward__v1__put_records_request__unpack(NULL, call->message.size, call->message.data);
    assert_non_null(request);
    (void)snprintf(script->request_ids[script->calls], sizeof(script->request_ids[0]), "%s",
                   request->header == NULL ? "" : request->header->request_id);
    ward__v1__put_records_request__free_unpacked(request, NULL);
}

void rig_handle(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    struct script *script = context;
    (void)snprintf(script->path, sizeof(script->path), "%s", call->path);
    (void)snprintf(script->timeout, sizeof(script->timeout), "%s", call->timeout);
    script->largest = call->message.size > script->largest ? call->message.size : script->largest;
    note_request_id(script, call);
    reply->behaviour = script->calls++ == 0 ? script->first : script->then;
    if (reply->behaviour == STUB_ANSWER || reply->behaviour == STUB_BYTE_BY_BYTE) {
        reply->grpc_status =
            script->calls == 1 || script->then == script->first ? script->grpc_status : 0;
        reply->grpc_message = reply->grpc_status == 0 ? NULL : script->grpc_message;
        reply->grpc_details = reply->grpc_status == 0 ? NULL : script->grpc_details;
    }
    reply->http2_error = script->http2_error;
    reply->http_status = script->http_status;
    if (strstr(call->path, "Generate") != NULL) {
        answer_generate(&reply->answer);
    } else if (strstr(call->path, "ListKeys") != NULL) {
        answer_list(&reply->answer);
    } else if (strstr(call->path, "PutRecords") != NULL) {
        answer_put(&reply->answer);
    }
}

/* ---- the rig ---- */

ward_config *rig_config(struct rig *rig, const char *server, const char *person, const char *name)
{
    ward_config *config = ward_config_new();
    char certificate[64], key[64];
    (void)snprintf(certificate, sizeof(certificate), "%s.pem", person);
    (void)snprintf(key, sizeof(key), "%s.key", person);
    assert_int_equal(ward_config_set_server(config, server), WARD_RC_OK);
    assert_int_equal(ward_config_set_server_name(config, name), WARD_RC_OK);
    assert_int_equal(ward_config_set_ca_file(config, in_folder(rig->folder, "ca.pem")), WARD_RC_OK);
    assert_int_equal(ward_config_set_certificate_file(config, in_folder(rig->folder, certificate)),
                     WARD_RC_OK);
    assert_int_equal(ward_config_set_key_file(config, in_folder(rig->folder, key)), WARD_RC_OK);
    ward_config_set_timeout_ms(config, 5000);
    return config;
}

ward_client *rig_client(struct rig *rig, const char *server, const char *person, const char *name)
{
    ward_config *config = rig_config(rig, server, person, name);
    ward_client *client = NULL;
    assert_int_equal(ward_client_new(config, &client, &rig->error), WARD_RC_OK);
    ward_config_free(config);
    return client;
}

int rig_make_folder(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->folder = folder_make();
    pki_make(rig->folder, &rig->pki);
    *state = rig;
    return 0;
}

int rig_drop_folder(void **state)
{
    struct rig *rig = *state;
    pki_free(&rig->pki);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

int rig_start(void **state)
{
    struct rig *rig = *state;
    rig->script = (struct script){.http_status = "503"};
    rig->server = stub_start(&rig->pki, rig_handle, &rig->script);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", NULL);
    return 0;
}

int rig_start_apart(void **state)
{
    struct rig *rig = *state;
    rig->script = (struct script){.http_status = "503"};
    rig->server = stub_start_apart(&rig->pki, rig_handle, &rig->script);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", NULL);
    return 0;
}

int rig_stop(void **state)
{
    struct rig *rig = *state;
    ward_client_free(rig->client);
    stub_stop(rig->server);
    return 0;
}

ward_rc rig_list(struct rig *rig)
{
    ward_keys *keys = NULL;
    ward_rc rc = ward_list_keys(rig->client, NULL, 0, NULL, &keys, &rig->error);
    ward_keys_free(keys);
    return rc;
}

ward_rc rig_put(struct rig *rig)
{
    const ward_put_request request = {"fhir", "p1", "r1", "{}", 2};
    ward_records *records = NULL;
    ward_rc rc = ward_put_record(rig->client, NULL, NULL, 0, &request, &records, &rig->error);
    if (rc == WARD_RC_OK) {
        assert_int_equal(records->items[0]->version, 7);
    }
    ward_records_free(records);
    return rc;
}
