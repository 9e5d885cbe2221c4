/* SPDX-License-Identifier: Apache-2.0 */
/* ward identity: who is no longer let in. A revocation is read and signed here like every proposal,
 * and runs with that one signature. */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "client/cli/audit_certificate.h"
#include "client/cli/input.h"
#include "client/cli/list.h"
#include "client/cli/proposal.h"
#include "proto/wire_limits.h"

#define CERTIFICATE_FILE_MAX (1u << 20)
#define OBJECT_MAX 600
#define HEX_SIZE 65

/* ---- whom ---- */

struct whom {
    struct cli_texts identities;
    const char *file, *digest, *reason;
    char hex[HEX_SIZE];
    char object[OBJECT_MAX];
    bool wait, force, yes;
};

/* PEM or DER; the first certificate of the file, which in a chain is the peer's own. */
static X509 *read_certificate(struct ward_bytes bytes)
{
    BIO *bio = BIO_new_mem_buf(bytes.data, (int)bytes.size);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (certificate == NULL) {
        const uint8_t *at = bytes.data;
        certificate = d2i_X509(NULL, &at, (long)bytes.size);
    }
    ERR_clear_error();
    return certificate;
}

static int digest_file(struct whom *whom)
{
    struct ward_buffer file;
    ward_buffer_init(&file, CERTIFICATE_FILE_MAX);
    int exit = cli_read(whom->file, &file);
    X509 *certificate = exit == CLI_DONE ? read_certificate(ward_buffer_view(&file)) : NULL;
    uint8_t hash[SHA256_DIGEST_LENGTH];
    unsigned size = sizeof(hash);
    if (exit == CLI_DONE &&
        (certificate == NULL || X509_digest(certificate, EVP_sha256(), hash, &size) != 1)) {
        exit = cli_fail(CLI_FAILED, "Nothing was revoked.", "Give it in PEM or DER.",
                        "%s is not a certificate", whom->file);
    }
    if (exit == CLI_DONE) {
        ward_hex_encode(WARD_BYTES_ARRAY(hash), whom->hex);
    }
    X509_free(certificate);
    ward_buffer_fini(&file);
    return exit;
}

/* Exactly one of an identity, a certificate's file, and its digest as audit entries have it. */
static int settle_whom(struct whom *whom)
{
    size_t given = whom->identities.n + (whom->file != NULL) + (whom->digest != NULL);
    if (given != 1) {
        return cli_fail(CLI_USAGE, "An identity is gone under every certificate that it has;",
                        "a certificate leaves the identity to its other ones.",
                        "give one of URI, --certificate FILE and --certificate-sha256 HEX");
    }
    if (whom->digest != NULL) {
        uint8_t hash[SHA256_DIGEST_LENGTH];
        if (strlen(whom->digest) != HEX_SIZE - 1 ||
            !ward_hex_decode(whom->digest, HEX_SIZE - 1, hash, sizeof(hash))) {
            return cli_fail(CLI_USAGE, "It is the `cert` of an audit entry.", NULL,
                            "--certificate-sha256: not 64 hex digits");
        }
        ward_hex_encode(WARD_BYTES_ARRAY(hash), whom->hex);
    } else if (whom->file != NULL) {
        int exit = digest_file(whom);
        if (exit != CLI_DONE) {
            return exit;
        }
    }
    int size = whom->hex[0] != 0
                   ? snprintf(whom->object, sizeof(whom->object), "certificate:%s", whom->hex)
                   : snprintf(whom->object, sizeof(whom->object), "identity:%s",
                              whom->identities.texts[0]);
    return size > 0 && (size_t)size < sizeof(whom->object)
               ? CLI_DONE
               : cli_fail(CLI_USAGE, NULL, NULL, "the identity is longer than 511 bytes");
}

/* ---- revoke, unrevoke ---- */

static int parse(struct cli *cli, int argc, char **argv, const char *doc, bool revoke,
                 struct whom *ret)
{
    const struct cli_option options[] = {
        {"certificate", CLI_TEXT, &ret->file, "FILE", "This one certificate (PEM or DER)", 0, 0,
         false},
        {"certificate-sha256", CLI_TEXT, &ret->digest, "HEX",
         "This one certificate, as `cert` in audit entries names it", 0, 0, false},
        {"reason", CLI_TEXT, &ret->reason, "TEXT", "Why; officers and auditors read it", 0, 0,
         true},
        {"wait", CLI_FLAG, &ret->wait, NULL, "If it needs approval, wait for it", 0, 0, false},
        {"force", CLI_FLAG, &ret->force, NULL,
         "Also where too few officers would be left; it then needs approval", 0, 0, false},
        {"yes", CLI_FLAG, &ret->yes, NULL, "Do not ask where it is oneself: for scripts", 0, 0,
         false},
    };
    cli_parse(cli, argc, argv,
              &(const struct cli_syntax){.args = "[URI]",
                                         .doc = doc,
                                         .options = options,
                                         .n_options = sizeof(options) / sizeof(options[0]) -
                                                      (revoke ? 0 : 2),
                                         .positional = &ret->identities,
                                         .max = 1});
    int exit = settle_whom(ret);
    return exit == CLI_DONE ? cli_connect(cli) : exit;
}

/* The profile's own certificate; false when it names nobody, which is found when it is shown. */
static bool read_own(const struct cli_profile *profile, struct audit_certificate *ret_who,
                     char ret_hex[static HEX_SIZE])
{
    BIO *in = BIO_new_file(profile->certificate, "r");
    X509 *certificate = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
    unsigned char *der = NULL;
    int size = certificate == NULL ? -1 : i2d_X509(certificate, &der);
    uint8_t hash[SHA256_DIGEST_LENGTH];
    bool named = size > 0 && audit_certificate_read(WARD_BYTES(der, (size_t)size), ret_who) &&
                 SHA256(der, (size_t)size, hash) != NULL;
    if (named) {
        ward_hex_encode(WARD_BYTES_ARRAY(hash), ret_hex);
    }
    OPENSSL_free(der);
    X509_free(certificate);
    (void)BIO_free(in); /* read only */
    ERR_clear_error();
    return named;
}

/* One who revokes himself is locked out with it, and is asked to type his name. */
static int check_own(const struct cli *cli, const struct whom *whom, struct audit_certificate *own,
                     const char **ret_confirm)
{
    char hex[HEX_SIZE];
    bool same = read_own(&cli->profile, own, hex) &&
                (whom->hex[0] != 0 ? strcmp(hex, whom->hex) == 0
                                   : strcmp(own->identity, whom->identities.texts[0]) == 0);
    *ret_confirm = NULL;
    if (!same) {
        return CLI_DONE;
    }
    (void)fputs("This is yourself: you lock yourself out, and only other officers can let you in "
                "again, with `ward identity unrevoke`.\n",
                stderr);
    *ret_confirm = whom->yes ? NULL : own->identity;
    return cli_can_ask(whom->yes, "Run it on a terminal, or give --yes.");
}

static int sign(struct cli *cli, ward_proposals *take_proposals, const char *action,
                const char *meaning, const struct whom *whom, const char *confirm)
{
    (void)fprintf(stderr, "%s\n", meaning);
    const struct cli_asked asked = {.action = action,
                                    .object = whom->object,
                                    .reason = whom->reason,
                                    .wait = whom->wait,
                                    .confirm = confirm};
    int exit = cli_propose(cli, take_proposals->items[0], &asked);
    ward_proposals_free(take_proposals);
    return exit;
}

static int run_revoke(struct cli *cli, int argc, char **argv)
{
    struct whom whom = {.identities.n = 0};
    int exit = parse(cli, argc, argv,
                     "Revokes an identity or a certificate, at once and on your signature alone: "
                     "its open connections are cut within a second, and its signatures on open "
                     "proposals count no more. It asks first where it is your own.",
                     true, &whom);
    struct audit_certificate own;
    const char *confirm = NULL;
    if (exit == CLI_DONE) {
        exit = check_own(cli, &whom, &own, &confirm);
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = whom.reason};
    ward_proposals *proposals = NULL;
    ward_error error;
    if (ward_revoke_identity(cli->client, &call, whom.hex[0] == 0 ? whom.identities.texts[0] : NULL,
                             whom.hex[0] == 0 ? NULL : whom.hex, whom.force, &proposals,
                             &error) != WARD_RC_OK) {
        return cli_fail_call("revoking", &error);
    }
    return sign(cli, proposals, "identity.revoke",
                "It is let in no more: its open connections end within a second, and its "
                "signatures on open proposals count no more.",
                &whom, confirm);
}

static int run_unrevoke(struct cli *cli, int argc, char **argv)
{
    struct whom whom = {.identities.n = 0};
    int exit = parse(cli, argc, argv,
                     "Proposes that a revoked identity or certificate is let in again. It runs "
                     "when other officers have approved it.",
                     false, &whom);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = whom.reason};
    ward_proposals *proposals = NULL;
    ward_error error;
    if (ward_unrevoke_identity(
            cli->client, &call, whom.hex[0] == 0 ? whom.identities.texts[0] : NULL,
            whom.hex[0] == 0 ? NULL : whom.hex, &proposals, &error) != WARD_RC_OK) {
        return cli_fail_call("unrevoking", &error);
    }
    return sign(cli, proposals, "identity.unrevoke",
                "It will be let in again, and may do what policy says.", &whom, NULL);
}

/* ---- list ---- */

static void list_one(const ward_revocation_info *item, struct cli_list *list)
{
    bool identity = item->identity[0] != 0;
    if (list->json) {
        struct cli_doc *doc = &list->doc;
        ward_json_object(&doc->json);
        cli_doc_text(doc, identity ? "identity" : "certificate_sha256",
                     identity ? item->identity : item->certificate_sha256);
        cli_doc_text(doc, "proposal", item->proposal);
        cli_doc_text(doc, "created", item->created);
        ward_json_object_end(&doc->json);
        return;
    }
    cli_table_text(&list->table, identity ? "identity" : "certificate");
    cli_table_text(&list->table, identity ? item->identity : item->certificate_sha256);
    cli_table_text(&list->table, item->created);
    cli_table_text(&list->table, item->proposal);
}

static ward_rc fetch(ward_client *client, const void *wanted, const char *token,
                     struct cli_list *list, char next[static CLI_PAGE_TOKEN_SIZE],
                     ward_error *error)
{
    (void)wanted;
    ward_revocations *page = NULL;
    ward_rc rc = ward_list_revocations(client, NULL, WARD_PAGE_SIZE_MAX, token, &page, error);
    if (rc != WARD_RC_OK) {
        return rc;
    }
    for (size_t i = 0; i < page->n; i++) {
        list_one(page->items[i], list);
    }
    (void)snprintf(next, CLI_PAGE_TOKEN_SIZE, "%s", page->next_page);
    ward_revocations_free(page);
    return rc;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv,
              .doc = "Lists the identities and certificates that are revoked. The proposal says by "
                     "whom and why: `ward approval show PROPOSAL`.",
              .max = 0);
    static const char *const columns[] = {"WHAT", "REVOKED", "SINCE", "PROPOSAL"};
    return cli_list_pages(cli, &(const struct cli_pages){.member = "revocations",
                                                         .tried = "listing revocations",
                                                         .columns = columns,
                                                         .n_columns = 4,
                                                         .fetch = fetch});
}

static const struct cli_verb verbs[] = {
    {"revoke", run_revoke, "let an identity or a certificate in no more, at once"},
    {"unrevoke", run_unrevoke, "propose to let it in again; other officers approve it"},
    {"list", run_list, "what is revoked"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_identity = {
    "identity", verbs, NULL, "Identities and certificates that are no longer let in."};
