/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. An old proposal must not undo a new revocation: it names, under its signatures,
 * the epoch at which it was made and its time, and those are held against when the revocation was
 * first seen or made. */
#include "server/revoked.h"

#include <stdlib.h>

#include "server/op/revoking.h"
#include "server/op/votes.h"

#define PAGE 200u
#define PAGES_MAX 10u /* newest first: an undoing that was just executed is on the first */

struct search {
    struct ward_state view; /* policy, deployment, and who is revoked as far as that is settled */
    const struct ward_state *before;
    struct ward_trust *trust;
    struct ward_arena *arena;
    struct ward_store_revocation *gone;
    uint64_t *since;
    bool *proven;
    size_t n_gone;
};

static int by_kind_and_value(const void *a, const void *b)
{
    const struct ward_store_revocation *x = a, *y = b;
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind)
                              : ward_bytes_cmp(x->value, y->value);
}

static bool in_snapshot(const struct ward_store_snapshot *snapshot,
                        const struct ward_store_revocation *wanted)
{
    for (size_t i = 0; i < snapshot->n_revocations; i++) {
        if (by_kind_and_value(&snapshot->revocations[i], wanted) == 0) {
            return true;
        }
    }
    return false;
}

static ward_status find_gone(struct search *search, const struct ward_store_snapshot *snapshot)
{
    const struct ward_state *before = search->before;
    size_t n = before->n_revocations;
    search->gone = WARD_ARENA_ARRAY(search->arena, struct ward_store_revocation, n);
    search->since = WARD_ARENA_ARRAY(search->arena, uint64_t, n);
    search->proven = WARD_ARENA_ARRAY(search->arena, bool, n);
    WARD_ENSURE(search->gone != NULL && search->since != NULL && search->proven != NULL,
                WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        if (!in_snapshot(snapshot, &before->revocations[i])) {
            search->since[search->n_gone] =
                before->revoked_since == NULL ? 0 : before->revoked_since[i];
            search->gone[search->n_gone++] = before->revocations[i];
        }
    }
    return WARD_OK;
}

/* ---- the proof ---- */

static bool enough_votes(struct search *search, const struct ward_store_proposal *stored,
                         const struct ward_proposal *proposal)
{
    struct ward_votes votes;
    bool enough = false;
    ward_status status =
        ward_votes_load(&search->view, search->arena, search->trust, stored, proposal, &votes);
    if (ward_ok(status)) {
        status = ward_votes_weigh(search->view.policy, &votes, proposal, &enough);
    }
    ward_votes_release(&votes);
    return ward_ok(status) && enough;
}

/* Was it proposed when this revocation was there already? Of one that was there when the daemon
 * started no epoch is known, but when it was made. */
static bool came_after(const struct search *search, size_t i, const struct ward_proposal *proposal)
{
    return search->since[i] > 0 ? proposal->epoch >= search->since[i]
                                : proposal->created_us >= search->gone[i].created_us;
}

/* Which of those that are gone does this proposal undo? n_gone: none. */
static size_t undoes(struct search *search, const struct ward_store_proposal *stored)
{
    struct ward_proposal proposal;
    uint8_t kind;
    struct ward_bytes value;
    bool fits = stored->state == WARD_PROPOSAL_EXECUTED &&
                ward_ok(ward_proposal_parse(stored->payload, search->arena, &proposal)) &&
                ward_id_eq(&proposal.deployment, &search->view.deployment) &&
                ward_id_eq(&proposal.id, &stored->id) &&
                ward_bytes_eq(proposal.action,
                              ward_bytes_str(ward_action_name(WARD_ACTION_IDENTITY_UNREVOKE))) &&
                ward_revoked_parse(proposal.object, &kind, &value);
    if (!fits) {
        return search->n_gone;
    }
    for (size_t i = 0; i < search->n_gone; i++) {
        if (!search->proven[i] && search->gone[i].kind == kind &&
            ward_bytes_eq(search->gone[i].value, value) && came_after(search, i, &proposal) &&
            enough_votes(search, stored, &proposal)) {
            return i;
        }
    }
    return search->n_gone;
}

/* Those who are not proven to be let in again do not vote on others. */
static ward_status settle_view(struct search *search)
{
    const struct ward_state *before = search->before;
    struct ward_store_revocation *left =
        WARD_ARENA_ARRAY(search->arena, struct ward_store_revocation, before->n_revocations);
    WARD_ENSURE(left != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < before->n_revocations; i++) {
        bool out = false;
        for (size_t g = 0; g < search->n_gone; g++) {
            out |= search->proven[g] &&
                   by_kind_and_value(&search->gone[g], &before->revocations[i]) == 0;
        }
        if (!out) {
            left[n++] = before->revocations[i];
        }
    }
    search->view.revocations = left;
    search->view.n_revocations = n;
    return WARD_OK;
}

/* Oldest first, and again while that proves more: who was let in again may have voted on the next.
 */
static ward_status judge(struct search *search, const struct ward_store_proposal *proposals,
                         size_t n)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = n; i > 0; i--) {
            size_t at = undoes(search, &proposals[i - 1]);
            if (at < search->n_gone) {
                search->proven[at] = more = true;
                WARD_TRY(settle_view(search));
            }
        }
    }
    return WARD_OK;
}

static ward_status read_page(struct search *search, struct ward_store_reader *reader,
                             struct ward_store_proposal *all, size_t *n, bool *ret_last)
{
    struct ward_read read = {.kind = WARD_READ_PROPOSALS, .arena = search->arena};
    struct ward_read *reads[] = {&read};
    read.proposals.all = true;
    read.proposals.limit = PAGE;
    if (*n > 0) {
        read.proposals.before_us = all[*n - 1].created_us;
        read.proposals.before_id = all[*n - 1].id;
    }
    WARD_TRY(ward_store_read(reader, reads, 1));
    WARD_TRY(read.status);
    for (size_t i = 0; i < read.proposals.n && i < PAGE; i++) {
        all[(*n)++] = read.proposals.proposals[i];
    }
    *ret_last = read.proposals.n < PAGE;
    return WARD_OK;
}

static ward_status look_for_proofs(struct search *search, struct ward_store_reader *reader)
{
    struct ward_store_proposal *all =
        WARD_ARENA_ARRAY(search->arena, struct ward_store_proposal, PAGE * PAGES_MAX);
    WARD_ENSURE(all != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    bool last = false;
    for (unsigned page = 0; page < PAGES_MAX && !last; page++) {
        WARD_TRY(read_page(search, reader, all, &n, &last));
    }
    WARD_TRY(settle_view(search));
    return judge(search, all, n);
}

/* ---- and what follows ---- */

static ward_status put_back(struct search *search, struct ward_store_snapshot *snapshot,
                            size_t *ret_missing)
{
    struct ward_store_revocation *all = WARD_ARENA_ARRAY(
        search->arena, struct ward_store_revocation, snapshot->n_revocations + search->n_gone);
    WARD_ENSURE(all != NULL, WARD_E_EXHAUSTED);
    size_t n = snapshot->n_revocations;
    if (n > 0) {
        memcpy(all, snapshot->revocations, n * sizeof(*all));
    }
    for (size_t i = 0; i < search->n_gone; i++) {
        if (!search->proven[i]) {
            all[n++] = search->gone[i];
        }
    }
    *ret_missing = n - snapshot->n_revocations;
    if (n > 0) {
        qsort(all, n, sizeof(*all), by_kind_and_value);
    }
    snapshot->revocations = all;
    snapshot->n_revocations = n;
    return WARD_OK;
}

ward_status ward_revoked_keep(const struct ward_state *before, struct ward_store_reader *reader,
                              struct ward_trust *trust, struct ward_arena *arena,
                              struct ward_store_snapshot *snapshot, size_t *ret_missing)
{
    *ret_missing = 0;
    if (before->n_revocations == 0) {
        return WARD_OK;
    }
    struct search search = {.before = before, .trust = trust, .arena = arena};
    search.view.policy = before->policy;
    search.view.deployment = before->deployment;
    WARD_TRY(find_gone(&search, snapshot));
    if (search.n_gone == 0) {
        return WARD_OK;
    }
    WARD_TRY(look_for_proofs(&search, reader));
    return put_back(&search, snapshot, ret_missing);
}

ward_status ward_revoked_date(struct ward_state *state, const struct ward_state *before)
{
    uint64_t *since = WARD_ARENA_ARRAY(state->arena, uint64_t, state->n_revocations);
    WARD_ENSURE(since != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < state->n_revocations; i++) {
        const struct ward_store_revocation *row = &state->revocations[i], *old;
        old = ward_state_revocation(before, row->kind, row->value);
        bool same = old != NULL && ward_id_eq(&old->proposal, &row->proposal);
        since[i] = same && before->revoked_since != NULL
                       ? before->revoked_since[old - before->revocations]
                   : same ? 0
                          : before->epoch + 1;
    }
    state->revoked_since = since;
    return WARD_OK;
}
