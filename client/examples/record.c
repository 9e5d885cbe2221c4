/* SPDX-License-Identifier: Apache-2.0 */
/* Storing a record and reading it.
 *
 *   record put COLLECTION SUBJECT ID < patient.json
 *   record get COLLECTION SUBJECT ID [FIELD...]      without FIELD: the whole record, as it was put
 *
 * The subject is a pseudonym of the patient, never a medical record number. The purpose is part of
 * every call: policy decides by it, and the audit log names it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ward/ward.h>

#define JSON_MAX_SIZE (1u << 20)

static const ward_pair purpose = {"purpose", "TREAT"};

static int say(const char *what, const ward_error *error)
{
    (void)fprintf(stderr, "%s: %s: %s\n", what, ward_rc_name(error->code), error->message);
    if (error->field[0] != 0) {
        (void)fprintf(stderr, "  look at: %s\n", error->field);
    }
    return 1;
}

static ward_client *connect_to_ward(void)
{
    ward_client *client = NULL;
    ward_error error = {.message = "no memory"};
    ward_config *config = ward_config_new();
    if (config == NULL || ward_config_set_server(config, getenv("WARD_SERVER")) != WARD_RC_OK ||
        ward_config_set_ca_file(config, getenv("WARD_CA")) != WARD_RC_OK ||
        ward_config_set_certificate_file(config, getenv("WARD_CERTIFICATE")) != WARD_RC_OK ||
        ward_config_set_key_file(config, getenv("WARD_KEY")) != WARD_RC_OK ||
        ward_client_new(config, &client, &error) != WARD_RC_OK) {
        (void)say("connecting", &error);
    }
    ward_config_free(config);
    return client;
}

static int put(ward_client *client, char **names)
{
    char *json = malloc(JSON_MAX_SIZE);
    size_t size = json == NULL ? 0 : fread(json, 1, JSON_MAX_SIZE, stdin);
    const ward_put_request request = {names[0], names[1], names[2], json, size};
    const ward_call call = {.on_behalf_of = "nurse-17", .reason = "an example"};
    ward_records *records = NULL;
    ward_error error;
    int failed = 0;
    /* Should the connection break, the call is made again under the same request id: the record
     * is stored once. */
    if (ward_put_record(client, &call, &purpose, 1, &request, &records, &error) != WARD_RC_OK) {
        failed = say("storing", &error);
    } else {
        (void)printf("version %u\n", records->items[0]->version);
    }
    ward_records_free(records);
    free(json);
    return failed;
}

static int get(ward_client *client, char **names, char **fields, size_t n_fields)
{
    static const char *const whole[] = {"*"};
    const ward_get_request request = {.collection = names[0],
                                      .subject = names[1],
                                      .id = names[2],
                                      .fields = n_fields == 0 ? whole : (const char *const *)fields,
                                      .n_fields = n_fields == 0 ? 1 : n_fields};
    ward_records *records = NULL;
    ward_error error;
    if (ward_get_record(client, NULL, &purpose, 1, &request, &records, &error) != WARD_RC_OK) {
        return say("reading", &error);
    }
    const ward_record_result *result = records->items[0];
    if (result->json_size > 0) { /* the whole was asked for */
        (void)fwrite(result->json, 1, result->json_size, stdout);
    }
    for (size_t i = 0; i < result->n_values; i++) {
        const ward_record_value *value = result->values[i];
        (void)printf("%s: %.*s\n", value->name, (int)value->json_size, (const char *)value->json);
    }
    ward_records_free(records);
    return 0;
}

int main(int argc, char **argv)
{
    int putting = argc == 5 && strcmp(argv[1], "put") == 0;
    if (!putting && !(argc >= 5 && strcmp(argv[1], "get") == 0)) {
        (void)fprintf(stderr, "usage: record put COLLECTION SUBJECT ID\n"
                              "       record get COLLECTION SUBJECT ID [FIELD...]\n");
        return 2;
    }
    ward_client *client = connect_to_ward();
    if (client == NULL) {
        return 1;
    }
    int failed =
        putting ? put(client, argv + 2) : get(client, argv + 2, argv + 5, (size_t)(argc - 5));
    ward_client_free(client);
    return failed;
}
