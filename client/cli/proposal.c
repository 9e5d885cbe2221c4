/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and rendering a proposal for the officer who is to sign it. Must not believe the daemon:
 * all that is shown comes out of the bytes that are signed. */
#include "client/cli/proposal.h"

#include <stdio.h>
#include <string.h>

#include "client/pkcs11/private_key.h"

#define ARENA_BUDGET ((size_t)1 << 20)
#define SECONDS_MAX 253402300799 /* the end of the year 9999 */

int cli_proposal_open(struct ward_bytes payload, struct cli_proposal *ret)
{
    *ret = (struct cli_proposal){.payload = payload};
    ward_status status = ward_arena_new(ARENA_BUDGET, &ret->arena);
    if (ward_ok(status)) {
        status = ward_proposal_parse(payload, ret->arena, &ret->parsed);
    }
    uint8_t digest[32] = {0};
    if (ward_ok(status)) {
        status = ward_proposal_digest(payload, digest);
    }
    if (!ward_ok(status)) {
        cli_proposal_close(ret);
        return cli_fail(CLI_FAILED, "What cannot be read cannot be signed; nothing was changed.",
                        "Compare `ward --version` with the daemon's.",
                        "the daemon's proposal is not in the form that this ward knows");
    }
    ward_id_print(&ret->parsed.id, ret->id);
    ward_hex_encode(WARD_BYTES_ARRAY(digest), ret->digest);
    return CLI_DONE;
}

void cli_proposal_close(struct cli_proposal *proposal)
{
    ward_arena_free(proposal->arena);
    proposal->arena = NULL;
}

static void line(struct ward_buffer *out, const char *name, struct ward_bytes text)
{
    ward_buffer_printf(out, "  %-14s ", name);
    cli_escape(text, out);
    ward_buffer_add_u8(out, '\n');
}

/* Numbers of seconds are signed, and dates are read. */
static void time_of(const struct ward_proposal_param *param, struct ward_buffer *out)
{
    static const char suffix[] = "_unix";
    const size_t size = sizeof(suffix) - 1;
    bool seconds = param->name.size > size &&
                   memcmp(param->name.data + param->name.size - size, suffix, size) == 0;
    if (seconds && param->number >= 0 && param->number <= SECONDS_MAX) {
        char time[WARD_TIME_TEXT_SIZE];
        ward_time_print(param->number * 1000000, time);
        ward_buffer_printf(out, " (%s)", time);
    }
}

/* No officer learns whose data it is; what he has to go by is said beside it. */
static void subject_of(const struct ward_proposal_param *param, struct ward_buffer *out)
{
    if (ward_bytes_eq(param->name, WARD_BYTES_LITERAL("subject"))) {
        ward_buffer_printf(out,
                           " (a keyed hash, as the audit log has it; the reason names the case)");
    }
}

static void params(struct ward_buffer *out, const char *title,
                   const struct ward_proposal_param *params, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ward_buffer_printf(out, "  %-14s ", i == 0 ? title : "");
        cli_escape(params[i].name, out);
        ward_buffer_printf(out, ": ");
        if (params[i].text.data != NULL) {
            cli_escape(params[i].text, out);
            subject_of(&params[i], out);
        } else {
            ward_buffer_printf(out, "%lld", (long long)params[i].number);
            time_of(&params[i], out);
        }
        ward_buffer_add_u8(out, '\n');
    }
}

void cli_expiry_words(int64_t expires_us, int64_t now_us, char out[static CLI_EXPIRY_SIZE])
{
    long long minutes = (expires_us - now_us) / 60000000;
    if (expires_us <= now_us) {
        (void)snprintf(out, CLI_EXPIRY_SIZE, "over");
    } else if (minutes >= 48 * 60) {
        (void)snprintf(out, CLI_EXPIRY_SIZE, "in %lld days %lld h", minutes / 1440,
                       minutes % 1440 / 60);
    } else {
        (void)snprintf(out, CLI_EXPIRY_SIZE, "in %lld h %lld min", minutes / 60, minutes % 60);
    }
}

static void expiry(struct ward_buffer *out, int64_t expires_us, int64_t now_us, const char *over)
{
    if (over != NULL) {
        line(out, "expires", ward_bytes_str(over));
        return;
    }
    char time[WARD_TIME_TEXT_SIZE], words[CLI_EXPIRY_SIZE];
    ward_time_print(expires_us, time);
    cli_expiry_words(expires_us, now_us, words);
    ward_buffer_printf(out, "  %-14s %s (%s)\n", "expires", time, words);
}

/* ---- how it stands ---- */

static void missing(const ward_proposal_info *info, struct ward_buffer *out)
{
    ward_buffer_printf(out, "  %-14s %u approval%s", "missing", info->approvals_missing,
                       info->approvals_missing == 1 ? "" : "s");
    for (size_t i = 0; i < info->n_missing_of; i++) {
        ward_buffer_printf(out, "%s%u of ", i == 0 ? "; among them " : ", ",
                           info->missing_of[i].approvals);
        cli_escape(ward_bytes_str(info->missing_of[i].role), out);
    }
    ward_buffer_printf(out, "\n  %-14s ", "may approve");
    for (size_t i = 0; i < info->n_may_approve; i++) {
        ward_buffer_printf(out, "%s", i == 0 ? "" : ", ");
        cli_escape(ward_bytes_str(info->may_approve[i]), out);
    }
    ward_buffer_printf(out, "%s\n", info->n_may_approve == 0 ? "nobody" : "");
}

/* As it can be typed. A draft that its proposer did not sign at once cannot be signed later: it is
 * proposed anew. */
static void next_command(const char *waits_for, const char *id, const char *profile,
                         struct ward_buffer *out)
{
    bool draft = strcmp(waits_for, "submit") == 0;
    if (draft) {
        ward_buffer_printf(out, "  %-14s by you: nobody can approve it; it ends by itself, or by\n",
                           "not signed");
    }
    ward_buffer_printf(out, "  %-14s ward --profile ", draft ? "" : "waits for you");
    cli_escape(ward_bytes_str(profile), out);
    ward_buffer_printf(out, " approval ");
    cli_escape(ward_bytes_str(draft ? "withdraw" : waits_for), out);
    ward_buffer_printf(out, " %s\n", id);
}

void cli_proposal_render_standing(const ward_proposal_info *info, const char *id,
                                  const char *profile, struct ward_buffer *out)
{
    bool open = strcmp(info->state, "open") == 0 || strcmp(info->state, "approved") == 0;
    bool stale = info->cannot_run[0] != 0;
    open = open && !stale;
    bool lacks = info->approvals_missing > 0 || info->n_missing_of > 0;
    bool mine = info->waits_for_you[0] != 0, review = info->review[0] != 0;
    if ((open && lacks) || mine || review || stale) {
        ward_buffer_printf(out, "As the daemon counts:\n");
    }
    if (stale) {
        ward_buffer_printf(out, "  %-14s ", "stale");
        cli_escape(ward_bytes_str(info->cannot_run), out);
        ward_buffer_add_u8(out, '\n');
    }
    if (open && lacks) {
        missing(info, out);
    }
    if (review) {
        ward_buffer_printf(out, "  %-14s ", "review");
        cli_escape(ward_bytes_str(info->review), out);
        ward_buffer_printf(out, strcmp(info->review, "pending") == 0
                                    ? ": another officer signs that he looked at it\n"
                                    : "\n");
    }
    if (mine) {
        next_command(info->waits_for_you, id, profile, out);
    }
}

/* ---- the key that signs ---- */

int cli_proposal_check_key(const struct cli_proposal *proposal, const struct cli_profile *profile,
                           enum ward_decision_kind decision)
{
    const struct ward_proposal *parsed = &proposal->parsed;
    bool hardware = ward_proposal_text(parsed->terms, parsed->n_terms, WARD_TERM_HARDWARE).size > 0;
    bool counts = decision == WARD_DECISION_PROPOSE || decision == WARD_DECISION_APPROVE ||
                  decision == WARD_DECISION_EXECUTE;
    if (!hardware || !counts || ward_private_key_is_uri(profile->key)) {
        return CLI_DONE;
    }
    return cli_fail(CLI_FAILED, "Nothing was signed.",
                    "Use a profile whose `key` is on a card: \"pkcs11:token=...\".",
                    "this proposal asks for signatures made in hardware, and the key of profile "
                    "%s is a file",
                    profile->name);
}

/* ---- what is signed ---- */

void cli_proposal_render(const struct cli_proposal *proposal, int64_t now_us, const char *over,
                         struct ward_buffer *out)
{
    const struct ward_proposal *p = &proposal->parsed;
    char time[WARD_TIME_TEXT_SIZE], policy[2 * sizeof(p->policy) + 1];
    ward_hex_encode(WARD_BYTES_ARRAY(p->policy), policy);
    ward_time_print(p->created_us, time);
    ward_buffer_printf(out, "Proposal %s\n", proposal->id);
    line(out, "what", p->action);
    line(out, "on", p->object);
    params(out, "with", p->parameters, p->n_parameters);
    line(out, "proposed by", p->proposer);
    line(out, "person", p->person);
    line(out, "proposed at", ward_bytes_str(time));
    line(out, "reason", p->reason.size == 0 ? WARD_BYTES_LITERAL("(none given)") : p->reason);
    params(out, "consequences", p->consequences, p->n_consequences);
    if (ward_bytes_eq(p->action, WARD_BYTES_LITERAL("audit.rotate-log-key"))) {
        line(
            out, "auditors",
            WARD_BYTES_LITERAL("need the new key; with the old one they follow the checkpoint that "
                               "both sign; exports of before stay as they are"));
    }
    ward_buffer_printf(out, "  %-14s %u besides the proposer\n", "approvals", p->approvals);
    params(out, "terms", p->terms, p->n_terms);
    expiry(out, p->expires_us, now_us, over);
    line(out, "under policy", ward_bytes_str(policy));
    line(out, "SHA-256", ward_bytes_str(proposal->digest));
}
