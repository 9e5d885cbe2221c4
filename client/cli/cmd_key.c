/* SPDX-License-Identifier: Apache-2.0 */
/* ward key: key-encryption keys, which live in the HSM and never leave it. Here is how they are
 * made and rotated. */
#include "client/cli/cmd_key.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/proposal.h"

#define ROTATION_DAYS_DEFAULT 365
#define ROTATION_DAYS_MAX 36500

/* ---- create, rotate ---- */

/* The key, or the proposal that waits and what it will bring about; takes keys. */
static int finish_guarded(struct cli *cli, ward_keys *keys, const struct cli_asked *asked,
                          const char *meaning)
{
    if (keys->proposal != NULL) {
        (void)fprintf(stderr, "%s\n", meaning);
    }
    int exit = keys->proposal != NULL ? cli_propose(cli, keys->proposal, asked)
                                      : cli_key_print(cli, keys->items[0], NULL, NULL);
    ward_keys_free(keys);
    return exit;
}

/* As proposals have it: the number of ward.v1.KeyPurpose. Another word than these two was refused.
 */
static uint64_t purpose_number(const char *purpose)
{
    return strcmp(purpose, "records") == 0 ? 2 : 1;
}

static int run_create(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    const char *purpose = NULL, *reason = NULL;
    uint64_t days = ROTATION_DAYS_DEFAULT;
    bool wait = false;
    const struct cli_option options[] = {
        {"purpose", CLI_TEXT, &purpose, "PURPOSE",
         "data-keys: wraps keys given to applications; records: wraps patients' keys", 0, 0, true},
        {"rotation-days", CLI_NUMBER, &days, "DAYS", "Rotates by itself after so many days (365)",
         1, ROTATION_DAYS_MAX, false},
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers read it", 0, 0, false},
        {"wait", CLI_FLAG, &wait, NULL, "If it needs approval, wait for it", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME", .doc = "Makes a key-encryption key in the HSM.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    ward_keys *keys = NULL;
    ward_error error;
    if (ward_create_key(cli->client, &call, names.texts[0], purpose, (uint32_t)days, &keys,
                        &error) != WARD_RC_OK) {
        return cli_fail_call("creating the key", &error);
    }
    const struct cli_asked asked = {
        .action = "key.create",
        .object = names.texts[0],
        .reason = reason,
        .numbers = {{"purpose", purpose_number(purpose)}, {"rotation_period_days", days}},
        .wait = wait};
    return finish_guarded(cli, keys, &asked,
                          "The key will be made in the HSM, and can never leave it.");
}

/* What the proposal says will come of it. */
struct rotation {
    int64_t version, rows;
};

static int read_rotation(const ward_proposal_info *info, struct rotation *ret)
{
    *ret = (struct rotation){0};
    struct cli_proposal proposal;
    int exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    const struct ward_proposal *parsed = &proposal.parsed;
    /* What it does not say stays 0, and is not spoken of. */
    (void)ward_proposal_number(parsed->consequences, parsed->n_consequences, "new_version",
                               &ret->version);
    (void)ward_proposal_number(parsed->consequences, parsed->n_consequences,
                               "subject_keys_to_rewrap", &ret->rows);
    cli_proposal_close(&proposal);
    return CLI_DONE;
}

/* To standard error, as all that is said on the way: the outcome stands on standard output. */
static int tell_rotated(struct cli *cli, const char *name, const struct rotation *rotation,
                        bool wait)
{
    if (!wait || rotation->version <= 0 || rotation->version > UINT32_MAX) {
        return CLI_DONE;
    }
    (void)fprintf(stderr, "Version %u of %s wraps from now on.\n", (unsigned)rotation->version,
                  name);
    if (rotation->rows <= 0) {
        return CLI_DONE;
    }
    int exit = cli_key_wait_rewrapped(cli, name, (uint32_t)rotation->version);
    if (exit == CLI_DONE) {
        (void)fprintf(stderr, "Its stored rows are under it.\n");
    }
    return exit;
}

static int run_rotate(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    const char *reason = NULL;
    bool wait = false;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers read it", 0, 0, false},
        {"wait", CLI_FLAG, &wait, NULL, "Wait until it is approved and done", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc =
                  "Proposes a new version of a key. It runs when other officers have approved it.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    ward_keys *keys = NULL;
    ward_error error;
    if (ward_rotate_key(cli->client, &call, names.texts[0], &keys, &error) != WARD_RC_OK) {
        return cli_fail_call("rotating the key", &error);
    }
    const struct cli_asked asked = {
        .action = "key.rotate", .object = names.texts[0], .reason = reason, .wait = wait};
    if (keys->proposal == NULL) {
        return finish_guarded(cli, keys, &asked, NULL);
    }
    struct rotation rotation;
    exit = read_rotation(keys->proposal, &rotation);
    if (exit != CLI_DONE) {
        ward_keys_free(keys);
        return exit;
    }
    exit = finish_guarded(
        cli, keys, &asked,
        rotation.rows > 0 ? "A new version will wrap from then on. What older ones wrapped still "
                            "opens, and stored rows move to the new one by themselves."
                          : "A new version will wrap from then on. What older ones wrapped still "
                            "opens.");
    return exit == CLI_DONE ? tell_rotated(cli, names.texts[0], &rotation, wait) : exit;
}

static const struct cli_verb verbs[] = {
    {"create", run_create, "make a key in the HSM"},
    {"show", cli_key_show, "one key, its versions and their rows"},
    {"list", cli_key_list, "all keys that this identity may see"},
    {"versions", cli_key_versions, "the versions of a key, their states and dates"},
    {"rewrap", cli_key_rewrap, "move every stored row to the active version, and watch it"},
    {"rekey", cli_key_rekey, "encrypt every record anew under new subject keys, and watch it"},
    {"usage", cli_key_usage, "what each version was used for, and what is left of it"},
    {"rotate", run_rotate, "propose a new version; other officers approve it"},
    {"change", cli_key_change, "propose another rotation period"},
    {"disable", cli_key_disable, "stop every use of a key, at once"},
    {"enable", cli_key_enable, "propose that a disabled key is used again"},
    {"suspend", cli_key_suspend, "stop every use of a version, at once"},
    {"resume", cli_key_resume, "propose that a suspended version is used again"},
    {"deactivate", cli_key_deactivate, "propose that a version wraps no more"},
    {"compromise", cli_key_compromise, "say that a version is compromised, at once"},
    {"schedule-destroy", cli_key_schedule_destroy, "propose that a version is destroyed for good"},
    {"cancel-destroy", cli_key_cancel_destroy, "stop a destruction that waits, at once"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_key = {
    "key", verbs, NULL, "Key-encryption keys: they live in the HSM and never leave it."};
