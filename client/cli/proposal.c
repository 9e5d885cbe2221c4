/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and rendering a proposal for the officer who is to sign it. Must not believe the daemon:
 * all that is shown comes out of the bytes that are signed. */
#include "client/cli/proposal.h"

#include <stdio.h>

#define ARENA_BUDGET ((size_t)1 << 20)

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

static void params(struct ward_buffer *out, const char *title,
                   const struct ward_proposal_param *params, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ward_buffer_printf(out, "  %-14s ", i == 0 ? title : "");
        cli_escape(params[i].name, out);
        ward_buffer_printf(out, ": ");
        if (params[i].text.data != NULL) {
            cli_escape(params[i].text, out);
        } else {
            ward_buffer_printf(out, "%lld", (long long)params[i].number);
        }
        ward_buffer_add_u8(out, '\n');
    }
}

static void expiry(struct ward_buffer *out, int64_t expires_us, int64_t now_us)
{
    char time[WARD_TIME_TEXT_SIZE];
    ward_time_print(expires_us, time);
    int64_t minutes = (expires_us - now_us) / 60000000;
    if (expires_us <= now_us) {
        ward_buffer_printf(out, "  %-14s %s (over)\n", "expires", time);
    } else {
        ward_buffer_printf(out, "  %-14s %s (in %lld h %lld min)\n", "expires", time,
                           (long long)(minutes / 60), (long long)(minutes % 60));
    }
}

void cli_proposal_render(const struct cli_proposal *proposal, int64_t now_us,
                         struct ward_buffer *out)
{
    const struct ward_proposal *p = &proposal->parsed;
    char time[WARD_TIME_TEXT_SIZE];
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
    ward_buffer_printf(out, "  %-14s %u besides the proposer\n", "approvals", p->approvals);
    expiry(out, p->expires_us, now_us);
    line(out, "SHA-256", ward_bytes_str(proposal->digest));
}
