/* SPDX-License-Identifier: Apache-2.0 */
/* An officer's signature, and the proposer's half of a guarded operation. A private key in a file
 * is read by OpenSSL, used once and freed; one in a token signs there. */
#include "client/cli/proposal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "client/cli/pin.h"
#include "client/error.h"
#include "client/pkcs11/private_key.h"
#include "proto/wire_limits.h"

#define PAE_MAX (1024u * 1024)
#define WAIT_POLL_MS 1000

/* Encrypted keys are refused: no password is asked for, and none is taken from anywhere. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static EVP_PKEY *load_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
    (void)fclose(file);
    return key;
}

/* The key in the token, which must be our certificate's. */
static EVP_PKEY *open_token(const struct cli_profile *profile, ward_error *error)
{
    FILE *file = fopen(profile->certificate, "re");
    X509 *certificate = file == NULL ? NULL : PEM_read_X509(file, NULL, no_password, NULL);
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    EVP_PKEY *key = NULL;
    const struct ward_private_key_in in = {
        .uri = profile->key,
        .public_key = certificate == NULL ? NULL : X509_get0_pubkey(certificate),
        .pin = cli_pin};
    if (in.public_key == NULL) {
        (void)snprintf(error->message, sizeof(error->message), "cannot read the certificate %.400s",
                       profile->certificate);
    } else if (ward_private_key_open(&in, &key, error) != WARD_RC_OK) {
        key = NULL;
    }
    X509_free(certificate);
    return key;
}

static EVP_PKEY *load_key(const struct cli_profile *profile, ward_error *error)
{
    *error = (ward_error){0};
    if (ward_private_key_is_uri(profile->key)) {
        return open_token(profile, error);
    }
    EVP_PKEY *key = load_file(profile->key);
    if (key == NULL) {
        (void)snprintf(error->message, sizeof(error->message), "%.200s: %.200s", profile->key,
                       access(profile->key, R_OK) != 0 ? strerrordesc_np(errno)
                                                       : ward_error_openssl());
    }
    return key;
}

static bool sign_bytes(EVP_PKEY *key, struct ward_bytes bytes, uint8_t *out, size_t *ret_size)
{
    bool edwards = EVP_PKEY_is_a(key, "ED25519") == 1, curve = EVP_PKEY_is_a(key, "EC") == 1;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = WARD_SIGNATURE_MAX;
    bool fine = (edwards || curve) && context != NULL &&
                EVP_DigestSignInit_ex(context, NULL, edwards ? NULL : "SHA256", NULL, NULL, key,
                                      NULL) == 1 &&
                EVP_DigestSign(context, out, &size, bytes.data, bytes.size) == 1;
    EVP_MD_CTX_free(context);
    *ret_size = size;
    return fine;
}

int cli_sign_bytes(const struct cli_profile *profile, struct ward_bytes bytes, uint8_t *out,
                   size_t *ret_size)
{
    ward_error error;
    EVP_PKEY *key = load_key(profile, &error);
    if (key == NULL) {
        return cli_fail(CLI_FAILED, "Without it nothing can be signed; nothing was changed.",
                        "Look at `key` in the profile.", "cannot use the private key: %s",
                        error.message);
    }
    bool fine = sign_bytes(key, bytes, out, ret_size);
    EVP_PKEY_free(key);
    if (!fine) {
        return cli_fail(CLI_FAILED, "Signatures are ECDSA (P-256 or P-384) or Ed25519.",
                        "Use a certificate with such a key.", "cannot sign with %s: %s",
                        profile->key, ward_error_openssl());
    }
    return CLI_DONE;
}

int cli_sign(const struct cli_profile *profile, struct ward_bytes payload,
             enum ward_decision_kind decision, struct ward_bytes reason, uint8_t *out,
             size_t *ret_size)
{
    struct ward_buffer pae;
    struct ward_bytes digest;
    char hex[65];
    ward_buffer_init(&pae, PAE_MAX);
    bool hashed = ward_ok(ward_proposal_reason(reason, hex, &digest));
    ward_proposal_pae(payload, decision, digest, &pae);
    int exit = hashed && !pae.failed
                   ? cli_sign_bytes(profile, ward_buffer_view(&pae), out, ret_size)
                   : cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    ward_buffer_fini(&pae);
    return exit;
}

/* ---- proposing ---- */

static int print_outcome(const struct cli *cli, const struct cli_proposal *proposal,
                         const ward_proposal_info *info, const char *state)
{
    if (cli->json) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        cli_doc_text(&doc, "proposal", proposal->id);
        cli_doc_text(&doc, "state", state);
        ward_json_member(&doc.json, "action", proposal->parsed.action);
        ward_json_member(&doc.json, "object", proposal->parsed.object);
        ward_json_member_int(&doc.json, "approvals_needed", proposal->parsed.approvals);
        ward_json_member_int(&doc.json, "approvals_missing", info->approvals_missing);
        ward_json_name(&doc.json, "may_approve");
        ward_json_array(&doc.json);
        for (size_t i = 0; i < info->n_may_approve; i++) {
            ward_json_string(&doc.json, ward_bytes_str(info->may_approve[i]));
        }
        ward_json_array_end(&doc.json);
        cli_doc_text(&doc, "review", info->review);
        cli_doc_text(&doc, "digest", proposal->digest);
        return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    return cli_print("Proposal %s is %s.\n", proposal->id, state) ? CLI_DONE : CLI_FAILED;
}

/* To standard error: how it stands, and what to send to the colleagues. */
static void tell(const struct cli *cli, const ward_proposal_info *info, const char *id,
                 const char *verb)
{
    struct ward_buffer text;
    ward_buffer_init(&text, PAE_MAX);
    cli_proposal_render_standing(info, id, cli->profile.name, &text);
    ward_buffer_printf(&text,
                       "Tell them:\n"
                       "  ward --profile NAME approval show %s\n"
                       "  ward --profile NAME approval %s %s\n",
                       id, verb, id);
    (void)fwrite(text.data, 1, text.size, stderr);
    ward_buffer_fini(&text);
}

static bool is_pending(const char *state)
{
    return strcmp(state, "open") == 0 || strcmp(state, "draft") == 0 ||
           strcmp(state, "approved") == 0 || strcmp(state, "executing") == 0;
}

/* Who ended it, and why: as the daemon says. */
static void tell_end(const ward_proposal_info *info, const char *id)
{
    const ward_vote_info *ended = NULL;
    for (size_t i = 0; i < info->n_votes; i++) {
        const char *decision = info->votes[i]->decision;
        if (strcmp(decision, "reject") == 0 || strcmp(decision, "withdraw") == 0) {
            ended = info->votes[i];
        }
    }
    bool reasoned = ended != NULL && ended->reason[0] != 0;
    (void)cli_fail(CLI_FAILED, reasoned ? ended->reason : NULL, "Nothing was changed.",
                   "proposal %s is %s%s%s", id, info->state, ended == NULL ? "" : ", by ",
                   ended == NULL ? "" : ended->identity);
}

/* Asks once a second until it is decided, or never will be; the state is copied out. */
static int wait_until_decided(struct cli *cli, const char *id, char state[32])
{
    if (isatty(STDERR_FILENO) != 0) {
        (void)fputs("Waiting until it is decided. Ctrl-C ends the waiting alone; `ward approval "
                    "show` tells how it stands.\n",
                    stderr);
    }
    for (;;) {
        ward_proposals *shown = NULL;
        ward_error error;
        if (ward_show_proposal(cli->client, NULL, id, &shown, &error) != WARD_RC_OK) {
            return cli_fail_call("waiting for approval", &error);
        }
        (void)snprintf(state, 32, "%s", shown->items[0]->state);
        char why[256];
        (void)snprintf(why, sizeof(why), "%s", shown->items[0]->cannot_run);
        if (!is_pending(state) && strcmp(state, "executed") != 0) {
            tell_end(shown->items[0], id);
        }
        ward_proposals_free(shown);
        if (!is_pending(state)) {
            return CLI_DONE;
        }
        if (why[0] != 0) {
            return cli_fail(CLI_FAILED, "It will never run; nothing was changed.", NULL,
                            "proposal %s: %s", id, why);
        }
        struct timespec pause = {.tv_sec = WAIT_POLL_MS / 1000};
        (void)nanosleep(&pause, NULL);
    }
}

static int tell_and_wait(struct cli *cli, const struct cli_proposal *proposal,
                         const ward_proposal_info *info, bool wait)
{
    (void)fprintf(stderr, "It waits for %u approval%s by other officers.\n",
                  proposal->parsed.approvals, proposal->parsed.approvals == 1 ? "" : "s");
    tell(cli, info, proposal->id, "approve");
    if (!wait) {
        int exit = print_outcome(cli, proposal, info, info->state);
        return exit == CLI_DONE ? CLI_WAITS : exit;
    }
    char decided[32];
    int exit = wait_until_decided(cli, proposal->id, decided);
    if (exit != CLI_DONE) {
        return exit;
    }
    exit = print_outcome(cli, proposal, info, decided);
    return exit == CLI_DONE && strcmp(decided, "executed") != 0 ? CLI_FAILED : exit;
}

/* It needed no more than this; somebody else looks at it afterwards. */
static int tell_done(const struct cli *cli, const struct cli_proposal *proposal,
                     const ward_proposal_info *info)
{
    if (strcmp(info->review, "pending") == 0) {
        (void)fprintf(stderr, "It ran at once, on your signature. Another officer reviews it.\n");
        tell(cli, info, proposal->id, "review");
    }
    return print_outcome(cli, proposal, info, "executed");
}

static int submit(struct cli *cli, const struct cli_proposal *proposal, bool wait)
{
    uint8_t signature[WARD_SIGNATURE_MAX];
    size_t size = 0;
    int exit = cli_proposal_check_key(proposal, &cli->profile, WARD_DECISION_PROPOSE);
    if (exit == CLI_DONE) {
        exit = cli_sign(&cli->profile, proposal->payload, WARD_DECISION_PROPOSE, WARD_NO_REASON,
                        signature, &size);
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_proposals *submitted = NULL;
    ward_error error;
    if (ward_submit_proposal(cli->client, NULL, proposal->id, signature, size, &submitted,
                             &error) != WARD_RC_OK) {
        return cli_fail_call("submitting the proposal", &error);
    }
    const ward_proposal_info *info = submitted->items[0];
    exit = strcmp(info->state, "executed") == 0 ? tell_done(cli, proposal, info)
                                                : tell_and_wait(cli, proposal, info, wait);
    ward_proposals_free(submitted);
    return exit;
}

static bool says_numbers(const struct ward_proposal *proposal, const struct cli_asked *asked)
{
    for (size_t i = 0; i < CLI_ASKED_MAX && asked->numbers[i].name != NULL; i++) {
        int64_t number = -1;
        if (!ward_proposal_number(proposal->parameters, proposal->n_parameters,
                                  asked->numbers[i].name, &number) ||
            number < 0 || (uint64_t)number != asked->numbers[i].number) {
            return false;
        }
    }
    return true;
}

static int compare(const struct cli_proposal *proposal, const ward_proposal_info *info,
                   const struct cli_asked *asked)
{
    static const char consequence[] = "It was not signed, so it cannot run.";
    static const char advice[] =
        "Tell your security team: the daemon did not propose what was asked.";
    const struct ward_proposal *parsed = &proposal->parsed;
    const char *reason = asked->reason == NULL ? "" : asked->reason;
    if (strcmp(proposal->id, info->id) != 0 ||
        !ward_bytes_eq(parsed->action, ward_bytes_str(asked->action)) ||
        !ward_bytes_eq(parsed->object, ward_bytes_str(asked->object))) {
        return cli_fail(CLI_FAILED, consequence, advice, "the proposal is not %s of %s",
                        asked->action, asked->object);
    }
    if (!says_numbers(parsed, asked)) {
        return cli_fail(CLI_FAILED, consequence, advice,
                        "the proposal is not about what was asked");
    }
    if (!ward_bytes_eq(parsed->reason, ward_bytes_str(reason))) {
        return cli_fail(CLI_FAILED, consequence, advice,
                        "the proposal gives another reason than was given");
    }
    return CLI_DONE;
}

bool cli_confirmed(const char *word)
{
    char answer[640]; /* the longest word is an identity */
    (void)fprintf(stderr, "Type \"%s\" to sign this: ", word);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        return false;
    }
    answer[strcspn(answer, "\n")] = 0;
    return strcmp(answer, word) == 0;
}

int cli_can_ask(bool yes, const char *advice)
{
    return yes || isatty(STDIN_FILENO) != 0
               ? CLI_DONE
               : cli_fail(CLI_USAGE, "An officer reads before signing.", advice,
                          "there is no terminal to ask on");
}

/* To withdraw takes a signature too, which is not asked of one who has just said no. */
static int leave_draft(const struct cli *cli, const char *id)
{
    char advice[CLI_PATH_MAX + 256];
    (void)snprintf(advice, sizeof(advice),
                   "It stays as a draft that nobody can approve, until it expires; withdraw it "
                   "with: ward --profile %s approval withdraw %s",
                   cli->profile.name, id);
    return cli_fail(CLI_FAILED, "Nothing was signed.", advice, "not confirmed");
}

int cli_propose(struct cli *cli, const ward_proposal_info *info, const struct cli_asked *asked)
{
    struct cli_proposal proposal;
    int exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    exit = compare(&proposal, info, asked);
    if (exit == CLI_DONE) {
        struct ward_buffer text;
        ward_buffer_init(&text, PAE_MAX);
        cli_proposal_render(&proposal, ward_wall_us(&ward_clock_system), NULL, &text);
        (void)fwrite(text.data, 1, text.size, stderr);
        ward_buffer_fini(&text);
        exit = asked->confirm == NULL || cli_confirmed(asked->confirm)
                   ? submit(cli, &proposal, asked->wait)
                   : leave_draft(cli, proposal.id);
    }
    cli_proposal_close(&proposal);
    return exit;
}
