/* SPDX-License-Identifier: Apache-2.0 */
/* ward key: the commands on a key that exists. Each asks for a draft, holds it against what was
 * asked, and signs it; the numbers that an officer reads are those that are signed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd_key.h"
#include "client/cli/proposal.h"
#include "proto/wire_limits.h"

#define ROTATION_DAYS_MAX 36500

/* What was asked for. */
struct asked {
    const char *action;  /* "key.suspend" */
    const char *tried;   /* "suspending the version" */
    const char *meaning; /* what it brings about, for the one who is about to sign */
    const char *name, *reason;
    uint32_t version;   /* 0: the key as a whole, or whichever the daemon takes it to mean */
    const char *number; /* a parameter besides, and its value; NULL: none, or left to policy */
    uint64_t value;
    bool wait;
    const char *confirm; /* what cannot be taken back is asked about: the word to type */
};

/* A number of one to ten digits from 1 on. */
static int read_version(const char *text, uint32_t *ret)
{
    char *end = NULL;
    size_t size = strlen(text);
    unsigned long long number =
        size > 0 && size <= 10 && strspn(text, "0123456789") == size ? strtoull(text, &end, 10) : 0;
    if (number == 0 || number > UINT32_MAX) {
        return cli_fail(CLI_USAGE, NULL, "`ward key versions NAME` lists them.",
                        "the version is not a number from 1 on");
    }
    *ret = (uint32_t)number;
    return CLI_DONE;
}

typedef ward_rc ask_call(ward_client *client, const ward_call *call, const struct asked *asked,
                         ward_proposals **ret, ward_error *error);

/* libward's calls, by what they take besides the name. */
#define ASK_KEY(verb)                                                                             \
    static ward_rc ask_##verb(ward_client *client, const ward_call *call,                         \
                              const struct asked *asked, ward_proposals **ret, ward_error *error) \
    {                                                                                             \
        return ward_##verb(client, call, asked->name, ret, error);                                \
    }
#define ASK_VERSION(verb)                                                                         \
    static ward_rc ask_##verb(ward_client *client, const ward_call *call,                         \
                              const struct asked *asked, ward_proposals **ret, ward_error *error) \
    {                                                                                             \
        return ward_##verb(client, call, asked->name, asked->version, ret, error);                \
    }
ASK_KEY(disable_key)
ASK_KEY(enable_key)
ASK_VERSION(suspend_key)
ASK_VERSION(resume_key)
ASK_VERSION(deactivate_key)
ASK_VERSION(compromise_key)
ASK_VERSION(cancel_key_destruction)

static ward_rc ask_change_key(ward_client *client, const ward_call *call, const struct asked *asked,
                              ward_proposals **ret, ward_error *error)
{
    return ward_change_key(client, call, asked->name, (uint32_t)asked->value, ret, error);
}

static ward_rc ask_schedule_key_destruction(ward_client *client, const ward_call *call,
                                            const struct asked *asked, ward_proposals **ret,
                                            ward_error *error)
{
    return ward_schedule_key_destruction(client, call, asked->name, asked->version,
                                         (uint32_t)asked->value, ret, error);
}

/* The daemon's answer is held against what was asked. */
static int propose(struct cli *cli, const struct asked *asked, const ward_proposal_info *proposal)
{
    struct cli_asked compared = {.action = asked->action,
                                 .object = asked->name,
                                 .reason = asked->reason,
                                 .wait = asked->wait,
                                 .confirm = asked->confirm};
    size_t n = 0;
    if (asked->version != 0) {
        compared.numbers[n].name = "version";
        compared.numbers[n++].number = asked->version;
    }
    if (asked->number != NULL) {
        compared.numbers[n].name = asked->number;
        compared.numbers[n].number = asked->value;
    }
    (void)fprintf(stderr, "%s\n", asked->meaning);
    int exit = cli_propose(cli, proposal, &compared);
    if (exit == CLI_DONE && strcmp(asked->action, "key.compromise") == 0) {
        cli_key_warn_owed(cli, asked->name);
    }
    return exit;
}

static int ask(struct cli *cli, const struct asked *asked, ask_call *call)
{
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call why = {.reason = asked->reason};
    ward_proposals *proposals = NULL;
    ward_error error;
    if (call(cli->client, &why, asked, &proposals, &error) != WARD_RC_OK) {
        return cli_fail_call(asked->tried, &error);
    }
    exit = propose(cli, asked, proposals->items[0]);
    ward_proposals_free(proposals);
    return exit;
}

/* ---- of the key as a whole ---- */

#define REASON(asked)                                                                             \
    {                                                                                             \
        "reason", CLI_TEXT, &(asked)->reason, "TEXT", "Why; officers and auditors read it", 0, 0, \
            true                                                                                  \
    }
#define WAIT(asked)                                                                               \
    {                                                                                             \
        "wait", CLI_FLAG, &(asked)->wait, NULL, "Wait until it is approved and done", 0, 0, false \
    }

static int run_whole(struct cli *cli, int argc, char **argv, struct asked *asked, const char *doc,
                     ask_call *call)
{
    struct cli_texts names = {.n = 0};
    const struct cli_option options[] = {REASON(asked), WAIT(asked)};
    CLI_PARSE(cli, argc, argv, .args = "NAME", .doc = doc, CLI_OPTIONS(options),
              .positional = &names, .min = 1, .max = 1);
    asked->name = names.texts[0];
    return ask(cli, asked, call);
}

int cli_key_disable(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.disable",
                          .tried = "disabling the key",
                          .meaning = "Nothing will wrap and nothing will open under any version "
                                     "of it until it is enabled again."};
    return run_whole(cli, argc, argv, &asked,
                     "Disables a key, at once and on your signature alone: no version of it wraps "
                     "or opens anything. Another officer reviews it.",
                     ask_disable_key);
}

int cli_key_enable(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.enable",
                          .tried = "enabling the key",
                          .meaning = "Each of its versions will do again what its state allows."};
    return run_whole(cli, argc, argv, &asked,
                     "Proposes that a disabled key is used again. It runs when other officers have "
                     "approved it.",
                     ask_enable_key);
}

int cli_key_change(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.change",
                          .tried = "changing the key",
                          .meaning = "It will rotate by itself after so many days.",
                          .number = "rotation_period_days"};
    struct cli_texts names = {.n = 0};
    const struct cli_option options[] = {
        {"rotation-days", CLI_NUMBER, &asked.value, "DAYS", "Rotates by itself after so many days",
         1, ROTATION_DAYS_MAX, true},
        REASON(&asked),
        WAIT(&asked),
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc = "Proposes another rotation period for a key. It runs when other officers have "
                     "approved it.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    asked.name = names.texts[0];
    return ask(cli, &asked, ask_change_key);
}

/* ---- of one version ---- */

/* min: 1 where the daemon knows which version is meant, 2 where it must be named. */
static int run_version(struct cli *cli, int argc, char **argv, struct asked *asked, const char *doc,
                       size_t min, ask_call *call)
{
    struct cli_texts texts = {.n = 0};
    bool yes = false;
    const struct cli_option options[] = {
        REASON(asked),
        WAIT(asked),
        {"yes", CLI_FLAG, &yes, NULL, "Do not ask: for scripts", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = min == 2 ? "NAME VERSION" : "NAME [VERSION]", .doc = doc,
              .options = options, .n_options = asked->confirm == NULL ? 2 : 3, .positional = &texts,
              .min = min, .max = 2);
    int exit = texts.n > 1 ? read_version(texts.texts[1], &asked->version) : CLI_DONE;
    if (exit == CLI_DONE && asked->confirm != NULL) {
        exit = cli_can_ask(yes, "Run it on a terminal, or give --yes.");
        asked->confirm = yes ? NULL : asked->confirm;
    }
    asked->name = texts.texts[0];
    return exit == CLI_DONE ? ask(cli, asked, call) : exit;
}

int cli_key_suspend(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.suspend",
                          .tried = "suspending the version",
                          .meaning = "The version will wrap nothing and open nothing until it is "
                                     "resumed. The key wraps again when it is resumed or rotated."};
    return run_version(cli, argc, argv, &asked,
                       "Suspends a version of a key, the active one unless another is named, at "
                       "once and on your signature alone. Another officer reviews it.",
                       1, ask_suspend_key);
}

int cli_key_resume(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.resume",
                          .tried = "resuming the version",
                          .meaning = "The version will be active again, or deactivated where the "
                                     "key has a newer one."};
    return run_version(cli, argc, argv, &asked,
                       "Proposes that a suspended version, the newest unless another is named, is "
                       "used again. It runs when other officers have approved it.",
                       1, ask_resume_key);
}

int cli_key_deactivate(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.deactivate",
                          .tried = "deactivating the version",
                          .meaning = "The version will wrap nothing more; what it wrapped still "
                                     "opens. The key wraps again when it is rotated."};
    return run_version(cli, argc, argv, &asked,
                       "Proposes that a version, the active one unless another is named, wraps no "
                       "more. It runs when other officers have approved it. It cannot be taken "
                       "back.",
                       1, ask_deactivate_key);
}

int cli_key_compromise(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.compromise",
                          .tried = "saying that the version is compromised",
                          .meaning = "The version will wrap nothing more. Where the key wraps with "
                                     "it, a new one is made at once. Its rows move first. What it "
                                     "had wrapped may be known all the same: where that is keys of "
                                     "records, `ward key rekey NAME --wait` is owed afterwards; "
                                     "where it is data keys, applications rewrap them, or encrypt "
                                     "anew what they had encrypted: `ward key usage NAME` says how "
                                     "many were issued.",
                          .confirm = "compromise"};
    return run_version(cli, argc, argv, &asked,
                       "Says that a version is compromised, at once and on your signature alone. "
                       "It raises an alarm; what it wrapped is moved off it, and its records are "
                       "to be rekeyed afterwards. It cannot be taken back, so it asks first. "
                       "Another officer reviews it.",
                       2, ask_compromise_key);
}

int cli_key_cancel_destroy(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.cancel-destroy",
                          .tried = "cancelling the destruction",
                          .meaning = "The version will go back to the state that it was in before "
                                     "its destruction was scheduled."};
    return run_version(cli, argc, argv, &asked,
                       "Stops the destruction of a version that waits for it, at once and on your "
                       "signature alone. Another officer reviews it.",
                       2, ask_cancel_key_destruction);
}

int cli_key_schedule_destroy(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {.action = "key.destroy",
                          .tried = "scheduling the destruction",
                          .meaning = "The version will open nothing from its approval on, and be "
                                     "destroyed for good when its days are over. Until then "
                                     "`ward key cancel-destroy` stops it."};
    struct cli_texts texts = {.n = 0};
    const struct cli_option options[] = {
        {"days", CLI_NUMBER, &asked.value, "DAYS",
         "How many days it waits, 7 to 30; what policy says unless given",
         WARD_DESTROY_WAITING_DAYS_MIN, WARD_DESTROY_WAITING_DAYS_MAX, false},
        REASON(&asked),
        WAIT(&asked),
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME VERSION",
              .doc = "Proposes that a version is destroyed for good. Refused while a stored row "
                     "needs it or while it opened something lately. It waits for its days when "
                     "other officers have approved it.",
              CLI_OPTIONS(options), .positional = &texts, .min = 2, .max = 2);
    int exit = read_version(texts.texts[1], &asked.version);
    asked.name = texts.texts[0];
    asked.number = asked.value == 0 ? NULL : "waiting_days";
    return exit == CLI_DONE ? ask(cli, &asked, ask_schedule_key_destruction) : exit;
}
