/* SPDX-License-Identifier: Apache-2.0 */
/* ward approval: an officer looks at a proposal, and decides. What is signed is what was rendered
 * here from the payload's own bytes. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/cli/approval.h"
#include "client/cli/policy_diff.h"
#include "proto/wire_limits.h"

#define RENDER_MAX (8u * 1024 * 1024) /* with a policy line by line */

/* ---- show ---- */

static void standing_json(struct cli_doc *doc, const ward_proposal_info *info)
{
    cli_doc_text(doc, "review", info->review);
    cli_doc_text(doc, "waits_for_you", info->waits_for_you);
    cli_doc_text(doc, "cannot_run", info->cannot_run);
    ward_json_member_int(&doc->json, "approvals_missing", info->approvals_missing);
    ward_json_name(&doc->json, "missing_of");
    ward_json_object(&doc->json);
    for (size_t i = 0; i < info->n_missing_of; i++) {
        ward_json_member_int(&doc->json, info->missing_of[i].role, info->missing_of[i].approvals);
    }
    ward_json_object_end(&doc->json);
    ward_json_name(&doc->json, "may_approve");
    ward_json_array(&doc->json);
    for (size_t i = 0; i < info->n_may_approve; i++) {
        ward_json_string(&doc->json, ward_bytes_str(info->may_approve[i]));
    }
    ward_json_array_end(&doc->json);
}

static int show_json(const ward_proposal_info *info, const struct cli_proposal *proposal)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "proposal", proposal->id);
    cli_doc_text(&doc, "state", info->state);
    cli_doc_text(&doc, "digest", proposal->digest);
    standing_json(&doc, info);
    ward_json_name(&doc.json, "payload"); /* canonical JSON already */
    ward_buffer_add(&doc.buffer, proposal->payload);
    doc.json.comma = true;
    ward_json_name(&doc.json, "signatures");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < info->n_votes; i++) {
        const ward_vote_info *vote = info->votes[i];
        ward_json_object(&doc.json);
        cli_doc_text(&doc, "decision", vote->decision);
        cli_doc_text(&doc, "identity", vote->identity);
        cli_doc_text(&doc, "time", vote->time);
        cli_doc_text(&doc, "reason", vote->reason);
        cli_doc_base64(&doc, "signature", WARD_BYTES(vote->signature, vote->signature_size));
        cli_doc_base64(&doc, "certificate", WARD_BYTES(vote->certificate, vote->certificate_size));
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

/* What ran, or never will, has no time left. */
static const char *over_of(const ward_proposal_info *info)
{
    static const char *const decided[][2] = {
        {"executed", "no more: it was executed"},
        {"rejected", "no more: it was rejected"},
        {"withdrawn", "no more: it was withdrawn"},
    };
    if (strcmp(info->review, "pending") == 0) {
        return "no more: it waits for review";
    }
    for (size_t i = 0; i < sizeof(decided) / sizeof(decided[0]); i++) {
        if (strcmp(info->state, decided[i][0]) == 0) {
            return decided[i][1];
        }
    }
    return NULL;
}

static void render(const struct cli *cli, const ward_proposal_info *info,
                   const struct cli_proposal *proposal, struct ward_buffer *out)
{
    cli_proposal_render(proposal, ward_wall_us(&ward_clock_system), over_of(info), out);
    ward_buffer_printf(out, "  %-14s ", "state");
    cli_escape(ward_bytes_str(info->state), out);
    ward_buffer_add_u8(out, '\n');
    for (size_t i = 0; i < info->n_votes; i++) {
        const ward_vote_info *vote = info->votes[i];
        ward_buffer_printf(out, "  %-14s ", i == 0 ? "signatures" : "");
        cli_escape(ward_bytes_str(vote->decision), out);
        ward_buffer_printf(out, " by ");
        cli_escape(ward_bytes_str(vote->identity), out);
        ward_buffer_printf(out, " at ");
        cli_escape(ward_bytes_str(vote->time), out);
        if (vote->reason[0] != 0) {
            ward_buffer_printf(out, ": ");
            cli_escape(ward_bytes_str(vote->reason), out);
        }
        ward_buffer_add_u8(out, '\n');
    }
    cli_proposal_render_standing(info, proposal->id, cli->profile.name, out);
}

int cli_approval_fetch(struct cli *cli, const char *id, ward_proposals **shown,
                       struct cli_proposal *proposal)
{
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_error error;
    if (ward_show_proposal(cli->client, NULL, id, shown, &error) != WARD_RC_OK) {
        return cli_fail_call("fetching the proposal", &error);
    }
    const ward_proposal_info *info = (*shown)->items[0];
    exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), proposal);
    if (exit == CLI_DONE && strcmp(proposal->id, id) != 0) {
        cli_proposal_close(proposal);
        exit = cli_fail(CLI_FAILED, "Nothing was signed.", "Tell your security team.",
                        "the daemon answered with another proposal than %s", id);
    }
    if (exit != CLI_DONE) {
        ward_proposals_free(*shown);
        *shown = NULL;
    }
    return exit;
}

static int run_show(struct cli *cli, int argc, char **argv)
{
    struct cli_texts ids = {.n = 0};
    CLI_PARSE(cli, argc, argv, .args = "PROPOSAL",
              .doc = "Shows what exactly would run, and who signed it.", .positional = &ids,
              .min = 1, .max = 1);
    ward_proposals *shown = NULL;
    struct cli_proposal proposal;
    int exit = cli_approval_fetch(cli, ids.texts[0], &shown, &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    if (cli->json) {
        exit = show_json(shown->items[0], &proposal);
    } else {
        struct ward_buffer text;
        ward_buffer_init(&text, RENDER_MAX);
        render(cli, shown->items[0], &proposal, &text);
        exit = cli_policy_show_proposed(cli, &proposal, &text);
        exit = cli_write(ward_buffer_view(&text)) ? exit : CLI_FAILED;
        ward_buffer_fini(&text);
    }
    cli_proposal_close(&proposal);
    ward_proposals_free(shown);
    return exit;
}

/* ---- what is signed ---- */

static int print_decided(const struct cli *cli, const struct cli_proposal *proposal,
                         const ward_proposal_info *info, enum ward_decision_kind kind)
{
    if (!cli->json) {
        struct ward_buffer text;
        ward_buffer_init(&text, RENDER_MAX);
        ward_buffer_printf(&text, "Signed. Proposal %s is %s.\n", proposal->id,
                           kind == WARD_DECISION_REVIEW ? "reviewed" : info->state);
        cli_proposal_render_standing(info, proposal->id, cli->profile.name, &text);
        bool written = cli_write(ward_buffer_view(&text));
        ward_buffer_fini(&text);
        return written ? CLI_DONE : CLI_FAILED;
    }
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "proposal", proposal->id);
    cli_doc_text(&doc, "state", info->state);
    standing_json(&doc, info);
    cli_doc_text(&doc, "digest", proposal->digest);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

/* What is decided: how it is called, and what is asked of the daemon. */
struct deciding {
    enum ward_decision_kind kind;
    const char *gerund, *doc;
    bool reasoned; /* a reason may be given, which is signed too */
    ward_rc (*call)(ward_client *client, const ward_call *call, const char *id,
                    const void *signature, size_t size, ward_proposals **ret, ward_error *error);
};

static int sign_and_send(struct cli *cli, const struct cli_proposal *proposal,
                         const struct deciding *deciding, const char *reason)
{
    uint8_t signature[WARD_SIGNATURE_MAX];
    size_t size = 0;
    int exit = cli_sign(&cli->profile, proposal->payload, deciding->kind,
                        ward_bytes_str(reason == NULL ? "" : reason), signature, &size);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_proposals *decided = NULL;
    ward_error error;
    const ward_call call = {.reason = reason};
    ward_rc rc =
        deciding->call(cli->client, &call, proposal->id, signature, size, &decided, &error);
    if (rc != WARD_RC_OK) {
        return cli_fail_call(deciding->gerund, &error);
    }
    exit = print_decided(cli, proposal, decided->items[0], deciding->kind);
    ward_proposals_free(decided);
    return exit;
}

/* What was read before, perhaps elsewhere, must be what is signed now. */
static int check_digest(const struct cli_proposal *proposal, const char *digest)
{
    if (strcasecmp(digest, proposal->digest) == 0) {
        return CLI_DONE;
    }
    return cli_fail(CLI_FAILED,
                    "Nothing was signed: this is not the proposal that was read before.",
                    "Read it again, with `ward approval show`.",
                    "the payload's SHA-256 is %s, not %s", proposal->digest, digest);
}

static int decide(struct cli *cli, int argc, char **argv, const struct deciding *deciding)
{
    struct cli_texts ids = {.n = 0};
    bool yes = false;
    const char *digest = NULL, *reason = NULL;
    const struct cli_option options[] = {
        {"yes", CLI_FLAG, &yes, NULL,
         "Do not ask: it was read before, with `approval show`. Scripts should give --digest too",
         0, 0, false, 0},
        {"digest", CLI_TEXT, &digest, "HEX",
         "Sign only the payload with this SHA-256, as `approval show` printed it", 0, 0, false, 0},
        {"reason", CLI_TEXT, &reason, "TEXT", "Why, at most 256 bytes; it is signed too", 0, 0,
         deciding->kind == WARD_DECISION_REJECT, 0},
    };
    CLI_PARSE(cli, argc, argv, .args = "PROPOSAL", .doc = deciding->doc, .options = options,
              .n_options = deciding->reasoned ? 3 : 2, .positional = &ids, .min = 1, .max = 1);
    if (reason != NULL && strlen(reason) > WARD_REASON_MAX) {
        return cli_fail(CLI_USAGE, "Nothing was signed.", NULL, "--reason: longer than 256 bytes");
    }
    const char *verb = ward_decision_kind_name(deciding->kind);
    int exit = cli_can_ask(yes, "Run it on a terminal, or give --yes after `ward approval show`.");
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_proposals *shown = NULL;
    struct cli_proposal proposal;
    exit = cli_approval_fetch(cli, ids.texts[0], &shown, &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    struct ward_buffer text;
    ward_buffer_init(&text, RENDER_MAX);
    render(cli, shown->items[0], &proposal, &text);
    exit = cli_policy_show_proposed(cli, &proposal, &text);
    (void)fwrite(text.data, 1, text.size, stderr);
    ward_buffer_fini(&text);
    if (deciding->kind != WARD_DECISION_APPROVE && deciding->kind != WARD_DECISION_EXECUTE) {
        exit = CLI_DONE; /* to stop it, nothing more need be seen */
    }
    if (exit == CLI_DONE && digest != NULL) {
        exit = check_digest(&proposal, digest);
    }
    if (exit == CLI_DONE) {
        exit = cli_proposal_check_key(&proposal, &cli->profile, deciding->kind);
    }
    if (exit == CLI_DONE) {
        exit = yes || cli_confirmed(verb)
                   ? sign_and_send(cli, &proposal, deciding, reason)
                   : cli_fail(CLI_FAILED, "Nothing was signed.", NULL, "not confirmed");
    }
    cli_proposal_close(&proposal);
    ward_proposals_free(shown);
    return exit;
}

#define DECIDING(name, KIND, gerund_text, with_reason, doc_text)                 \
    static int run_##name(struct cli *cli, int argc, char **argv)                \
    {                                                                            \
        static const struct deciding deciding = {.kind = WARD_DECISION_##KIND,   \
                                                 .gerund = (gerund_text),        \
                                                 .reasoned = (with_reason),      \
                                                 .call = ward_##name##_proposal, \
                                                 .doc = (doc_text)};             \
        return decide(cli, argc, argv, &deciding);                               \
    }

DECIDING(approve, APPROVE, "approving", false,
         "Shows a proposal, asks, and signs it with the profile's key. The last approval runs it, "
         "unless it waits for `ward approval execute`.")
DECIDING(reject, REJECT, "rejecting", true,
         "Shows a proposal, asks, and signs that it must not run.")
DECIDING(withdraw, WITHDRAW, "withdrawing", true,
         "Takes a proposal of one's own back, before it ran.")
DECIDING(execute, EXECUTE, "executing", false,
         "Runs what enough officers have approved, where policy lets it wait for that.")
DECIDING(review, REVIEW, "reviewing", true,
         "Signs that one has looked at what another officer did at once, on his signature alone.")

static const struct cli_verb verbs[] = {
    {"list", cli_approval_list, "what waits, for you first"},
    {"show", run_show, "one proposal: what would run, its consequences, who signed, who may yet"},
    {"approve", run_approve, "sign it; the last approval needed runs it"},
    {"reject", run_reject, "sign that it must not run"},
    {"withdraw", run_withdraw, "take your own proposal back"},
    {"execute", run_execute, "run what was approved and waits for it"},
    {"review", run_review, "sign that you looked at what another officer did at once"},
    {"export", cli_approval_export, "a proposal and its signatures as a file"},
    {"verify", cli_approval_verify, "check such a file, offline"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_approval = {"approval", verbs, NULL,
                                           "Four eyes: proposals and officers' signatures."};
