/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys that change on disk while a client lives. */
#include "tests/unit/client/rig.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void copy_file(const char *folder, const char *from, const char *to)
{
    struct ward_buffer content;
    ward_buffer_init(&content, 1 << 20);
    file_read(in_folder(folder, from), &content);
    file_write(in_folder(folder, "new"), ward_buffer_view(&content));
    char path[512];
    (void)snprintf(path, sizeof(path), "%s", in_folder(folder, to));
    assert_int_equal(rename(in_folder(folder, "new"), path), 0);
    ward_buffer_fini(&content);
}

static long serial(const struct pki_person *person)
{
    return ASN1_INTEGER_get(X509_get0_serialNumber(person->certificate));
}

/* A client whose files are copies of alice's. */
static int start(void **state)
{
    struct rig *rig = *state;
    copy_file(rig->folder, "alice.pem", "me.pem");
    copy_file(rig->folder, "alice.key", "me.key");
    assert_int_equal(rig_start(state), 0);
    ward_client_free(rig->client);
    rig->client = rig_client(rig, stub_address(rig->server), "me", NULL);
    return 0;
}

/* Ends the connection that is open, so that the next call makes one. */
static void reconnect(struct rig *rig)
{
    rig->script.calls = 0;
    rig->script.first = STUB_GOAWAY;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(rig_list(rig), WARD_RC_OK);
}

static void a_new_certificate_is_shown_by_the_next_connection(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(stub_last_serial(rig->server), serial(&rig->pki.alice));
    copy_file(rig->folder, "bob.pem", "me.pem");
    copy_file(rig->folder, "bob.key", "me.key");
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(stub_connections(rig->server), 1); /* the old one goes on */
    reconnect(rig);
    assert_int_equal(stub_last_serial(rig->server), serial(&rig->pki.bob));
}

static void half_of_a_pair_leaves_the_old_one_in_force(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    copy_file(rig->folder, "bob.pem", "me.pem");
    reconnect(rig);
    assert_int_equal(stub_last_serial(rig->server), serial(&rig->pki.alice));
    file_write(in_folder(rig->folder, "me.key"), WARD_BYTES_LITERAL("-----BEGIN"));
    reconnect(rig);
    assert_int_equal(stub_last_serial(rig->server), serial(&rig->pki.alice));
    assert_int_equal(unlink(in_folder(rig->folder, "me.key")), 0);
    reconnect(rig);
    assert_int_equal(stub_last_serial(rig->server), serial(&rig->pki.alice));
    copy_file(rig->folder, "bob.key", "me.key");
    reconnect(rig);
    assert_int_equal(stub_last_serial(rig->server), serial(&rig->pki.bob));
}

static void a_CA_that_is_taken_away_is_believed_no_longer(void **state)
{
    struct rig *rig = *state;
    copy_file(rig->folder, "ca.pem", "kept.pem");
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    copy_file(rig->folder, "other-ca.pem", "ca.pem");
    rig->script.calls = 0;
    rig->script.first = STUB_GOAWAY;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(rig_list(rig), WARD_RC_UNAUTHENTICATED);
    copy_file(rig->folder, "kept.pem", "ca.pem");
    assert_int_equal(rig_list(rig), WARD_RC_OK);
}

static void refuses_key(struct rig *rig, const char *key, const char *text)
{
    ward_config *config = rig_config(rig, stub_address(rig->server), "me", NULL);
    assert_int_equal(ward_config_set_key_file(config, key), WARD_RC_OK);
    ward_client *client = NULL;
    assert_int_equal(ward_client_new(config, &client, &rig->error), WARD_RC_INVALID_ARGUMENT);
    if (strstr(rig->error.message, text) == NULL || strstr(rig->error.message, "1234") != NULL) {
        fail_msg("%s: %s", key, rig->error.message);
    }
    assert_string_equal(rig->error.field, "key");
    ward_config_free(config);
}

static void a_bad_uri_is_named_without_its_pin(void **state)
{
    struct rig *rig = *state;
    refuses_key(rig, "pkcs11:id", "not a PKCS#11 URI");
    refuses_key(rig, "pkcs11:id=%zz?pin-value=1234", "not a PKCS#11 URI");
    refuses_key(rig, "pkcs11:?module-path=/nowhere/none.so&pin-value=1234", "module-path");
    refuses_key(rig, "pkcs11:colour=red?module-path=/nowhere/none.so", "not known");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, rig_stop)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* the stub's; the client never raises it */
    const struct CMUnitTest tests[] = {
        CASE(a_new_certificate_is_shown_by_the_next_connection),
        CASE(half_of_a_pair_leaves_the_old_one_in_force),
        CASE(a_CA_that_is_taken_away_is_believed_no_longer),
        CASE(a_bad_uri_is_named_without_its_pin),
    };
    return cmocka_run_group_tests(tests, rig_make_folder, rig_drop_folder);
}
