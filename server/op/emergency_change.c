/* SPDX-License-Identifier: Apache-2.0 */
/* Emergencies.Open and Close. Opening waits for nobody: it is a proposal that has run already, with
 * the emergency's row beside it, and it is reviewed when there is time. Both move the epoch, so
 * that every daemon decides with it from its own commit on. */
#include "server/op/drafting.h"
#include "server/op/emergency.h"
#include "server/op/record.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define MINUTE_US (60 * 1000000LL)

/* ---- open ---- */

struct open_notes {
    struct ward_draft draft;
    struct ward_store_emergency row;
};

static ward_status check(const struct ward_emergency_open *in)
{
    WARD_REQUIRE(ward_emergency_purpose(&in->context),
                 "context: purpose is not " WARD_EMERGENCY_PURPOSE);
    return WARD_OK;
}

/* How long at most is told to those alone who may open one. */
static ward_status check_minutes(struct ward_request *request, uint32_t minutes)
{
    uint32_t max = ward_policy_settings(request->state->policy)->emergency_minutes_max;
    if (minutes > max) {
        ward_request_detail(request, "minutes_max", max);
        request->tells_detail = true;
        return WARD_REFUSAL(WARD_E_INVALID, "minutes: more than policy lets an emergency last");
    }
    return WARD_OK;
}

/* Those that have expired make room. */
static ward_status check_room(const struct ward_request *request)
{
    const struct ward_state *state = request->state;
    size_t all = 0, mine = 0;
    for (size_t i = 0; i < state->n_emergencies; i++) {
        bool open = ward_emergency_is_open(&state->emergencies[i], request->received_wall_us);
        all += open;
        mine += open && ward_bytes_eq(state->emergencies[i].identity,
                                      ward_bytes_str(request->peer->identity));
    }
    if (mine >= WARD_EMERGENCIES_OF_ONE) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED,
                            "emergency: 32 of this identity are open; close some");
    }
    if (all >= WARD_EMERGENCIES_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "emergency: 256 are open; close some");
    }
    return WARD_OK;
}

static ward_status name_object(struct ward_request *request, struct ward_bytes collection)
{
    char *text = ward_arena_printf(request->arena, "collection:%.*s", (int)collection.size,
                                   (const char *)collection.data);
    WARD_ENSURE(text != NULL, WARD_E_EXHAUSTED);
    request->object = ward_bytes_str(text);
    return WARD_OK;
}

static ward_status decide_open(struct ward_request *request)
{
    const struct ward_emergency_open *in = request->in;
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_EMERGENCY_OPEN, in->collection, &in->context);
    request->rule = decision.rule;
    request->context = &in->context;
    if (decision.rule == NULL) { /* the collection is not a name at all */
        return decision.status;
    }
    WARD_TRY(name_object(request, in->collection));
    WARD_TRY(check(in));
    WARD_TRY(decision.status);
    WARD_TRY(check_minutes(request, in->minutes));
    if (ward_policy_collection_find(request->state->policy, in->collection) == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "collection: no such collection");
    }
    WARD_TRY(check_room(request));
    request->work = WARD_ARENA_NEW(request->arena, struct open_notes);
    WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static ward_status hex_of(struct ward_request *request, const uint8_t hash[static WARD_HASH_SIZE],
                          struct ward_bytes *ret)
{
    char *hex = ward_arena_alloc(request->arena, 2 * WARD_HASH_SIZE + 1);
    WARD_ENSURE(hex != NULL, WARD_E_EXHAUSTED);
    ward_hex_encode(WARD_BYTES(hash, WARD_HASH_SIZE), hex);
    *ret = ward_bytes_str(hex);
    return WARD_OK;
}

/* What an officer will read when he reviews it. The subject is there as the audit log has it. */
static ward_status draft(struct ward_request *request, struct ward_worker *worker,
                         struct open_notes *notes, struct ward_proposal_view **ret_view)
{
    const struct ward_emergency_open *in = request->in;
    struct ward_bytes subject;
    WARD_TRY(hex_of(request, notes->row.subject_hash, &subject));
    ward_drafting_begin(request, in->collection, &notes->draft);
    ward_drafting_number(&notes->draft, "minutes", in->minutes);
    ward_drafting_text(&notes->draft, "on_behalf_of", request->on_behalf_of);
    ward_drafting_text(&notes->draft, "subject", subject);
    notes->draft.proposal.expires_us = notes->row.expires_us;
    WARD_TRY(ward_drafting_make(request, worker, &notes->draft, ret_view));
    notes->draft.row.state = WARD_PROPOSAL_EXECUTED;
    ward_request_detail_text(request, "subject", subject);
    ward_request_detail(request, "minutes", in->minutes);
    uint8_t digest[WARD_HASH_SIZE];
    struct ward_bytes hex;
    WARD_TRY(ward_proposal_digest(notes->draft.row.payload, digest));
    WARD_TRY(hex_of(request, digest, &hex));
    ward_request_detail_text(request, "proposal_digest", hex);
    return WARD_OK;
}

static ward_status finish_open(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_emergency_open *in = request->in;
    struct open_notes *notes = request->work;
    struct ward_store_emergency *row = &notes->row;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    *row = (struct ward_store_emergency){.identity = ward_bytes_str(request->peer->identity),
                                         .collection = in->collection,
                                         .opened_us = now,
                                         .expires_us = now + in->minutes * MINUTE_US};
    WARD_TRY(ward_record_subject_hash(request->state->index, worker->crypto.digest, in->collection,
                                      in->subject, row->subject_hash));
    struct ward_proposal_view *view;
    WARD_TRY(draft(request, worker, notes, &view));
    row->id = notes->draft.row.id;
    in->emergency = (struct ward_emergency_view){.row = *row, .open = true};
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&row->id, id);
    request->alarm = WARD_ALARM_EMERGENCY;
    request->alarm_text = ward_arena_printf(request->arena, "emergency %s", id);
    WARD_ENSURE(request->alarm_text != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static ward_status close_row(struct ward_batch *batch, const struct ward_store_emergency *row,
                             int64_t closed_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_EMERGENCY_CLOSED};
    effect.emergency_closed.id = row->id;
    effect.emergency_closed.was = *row;
    effect.emergency_closed.closed_us = closed_us;
    return ward_batch_effect(batch, &effect);
}

/* Rows that are over leave with it, so that what is read whole at every epoch stays small. */
static ward_status sweep(const struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_state *state = request->state;
    for (size_t i = 0; i < state->n_emergencies; i++) {
        const struct ward_store_emergency *row = &state->emergencies[i];
        if (!ward_emergency_is_open(row, request->received_wall_us)) {
            WARD_TRY(close_row(batch, row, row->expires_us));
        }
    }
    return WARD_OK;
}

static ward_status commit_open(struct ward_request *request, struct ward_batch *batch)
{
    const struct open_notes *notes = request->work;
    WARD_TRY(sweep(request, batch));
    WARD_TRY(ward_drafting_commit(&notes->draft, batch));
    struct ward_effect effect = {.kind = WARD_EFFECT_EMERGENCY, .emergency = notes->row};
    batch->bump_epoch = true;
    return ward_batch_effect(batch, &effect);
}

/* To those alone whom policy lets open one: everybody else may wait. */
static bool urgent(const struct ward_request *request)
{
    const struct ward_emergency_open *in = request->in;
    return ward_request_ask(request, WARD_ACTION_EMERGENCY_OPEN, in->collection, &in->context)
        .allowed;
}

const struct ward_op ward_op_emergency_open = {
    .action = WARD_ACTION_EMERGENCY_OPEN,
    .alone = true,
    .urgent = urgent,
    .decide = decide_open,
    .steps = {{.finish = finish_open, .commit = commit_open}},
    .n_steps = 1,
};

/* ---- close ---- */

static const struct ward_store_emergency *find(const struct ward_request *request,
                                               const struct ward_id *id)
{
    const struct ward_state *state = request->state;
    for (size_t i = 0; i < state->n_emergencies; i++) {
        if (ward_id_eq(&state->emergencies[i].id, id) &&
            ward_emergency_is_open(&state->emergencies[i], request->received_wall_us)) {
            return &state->emergencies[i];
        }
    }
    return NULL;
}

static bool is_officer(const struct ward_request *request)
{
    const struct ward_subject *subject =
        ward_policy_subject(request->state->policy, ward_bytes_str(request->peer->identity));
    return subject != NULL && ward_subject_kind(subject) == WARD_ROLE_OFFICER;
}

static ward_status decide_close(struct ward_request *request)
{
    struct ward_emergency_close *in = request->in;
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&in->id, id);
    char *object = ward_arena_printf(request->arena, "proposal:%s", id);
    WARD_ENSURE(object != NULL, WARD_E_EXHAUSTED);
    request->object = ward_bytes_str(object);
    WARD_TRY(ward_drafting_ask(request, (struct ward_bytes){0}));
    const struct ward_store_emergency *row = find(request, &in->id);
    bool mine =
        row != NULL && ward_bytes_eq(row->identity, ward_bytes_str(request->peer->identity));
    if (row == NULL || !(mine || is_officer(request))) { /* of others nothing is told */
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "id: no such emergency is open");
    }
    WARD_REQUIRE(mine || request->reason.size > 0,
                 "reason: empty, for what another identity has opened");
    in->emergency = (struct ward_emergency_view){.row = *row};
    return WARD_OK;
}

static ward_status finish_close(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_emergency_close *in = request->in;
    struct ward_store_emergency *row = &in->emergency.row;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    row->closed_us = now > row->opened_us ? now : row->opened_us;
    /* The answer is written when the state may have gone. */
    WARD_TRY(ward_arena_copy(request->arena, row->identity, &row->identity));
    WARD_TRY(ward_arena_copy(request->arena, row->collection, &row->collection));
    struct ward_bytes subject;
    WARD_TRY(hex_of(request, row->subject_hash, &subject));
    ward_request_detail_text(request, "opened_by", row->identity);
    ward_request_detail_text(request, "collection", row->collection);
    ward_request_detail_text(request, "subject", subject);
    return WARD_OK;
}

static ward_status commit_close(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_emergency_close *in = request->in;
    batch->bump_epoch = true;
    return close_row(batch, &in->emergency.row, in->emergency.row.closed_us);
}

const struct ward_op ward_op_emergency_close = {
    .action = WARD_ACTION_EMERGENCY_CLOSE,
    .alone = true,
    .decide = decide_close,
    .steps = {{.finish = finish_close, .commit = commit_close}},
    .n_steps = 1,
};
