/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Which state may follow which is policy/key_state.h's; who may ask is policy's.
 * What is here is what must be true of the world besides, asked when it is proposed and asked again
 * when it runs. */
#include "server/op/key_state_moving.h"

#include "proto/wire_limits.h"
#include "server/op/data_key.h"
#include "server/op/key_held.h"
#include "server/work/batch.h"

#define DAY_US (24LL * 3600 * 1000000)

/* ---- what it would do ---- */

static ward_status make_whole(const struct ward_key_state_change *in, struct ward_key_moving *ret)
{
    if (ret->command == WARD_KEY_COMMAND_DISABLE && !ret->key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: it is disabled already");
    }
    if (ret->command == WARD_KEY_COMMAND_ENABLE && ret->key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: it is enabled already");
    }
    ret->rotation_period_days = in->rotation_period_days;
    if (ret->command == WARD_KEY_COMMAND_CHANGE &&
        ret->rotation_period_days == ret->key->rotation_period_days) {
        return WARD_REFUSAL(WARD_E_STATE, "rotation_period_days: it is that already");
    }
    return WARD_OK;
}

/* Where the command lets its caller leave the version out. */
static ward_status default_version(struct ward_key_moving *moving)
{
    const struct ward_key *key = moving->key;
    WARD_ENSURE(key->n_versions > 0, WARD_E_STATE);
    bool by_default = moving->command == WARD_KEY_COMMAND_SUSPEND ||
                      moving->command == WARD_KEY_COMMAND_RESUME ||
                      moving->command == WARD_KEY_COMMAND_DEACTIVATE;
    WARD_REQUIRE(by_default, "version: zero; this is done to a version that is named");
    bool newest = key->active == NULL || moving->command == WARD_KEY_COMMAND_RESUME;
    moving->version = newest ? &key->versions[key->n_versions - 1] : key->active;
    return WARD_OK;
}

static ward_status make_version(const struct ward_key_state_change *in, struct ward_key_moving *ret)
{
    const struct ward_key *key = ret->key;
    if (in->version == 0) {
        WARD_TRY(default_version(ret));
    } else {
        ret->version = ward_key_version_find(key, in->version);
    }
    if (ret->version == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "version: no such version of this key");
    }
    const struct ward_key_move_from from = {.state = ret->version->state,
                                            .prior = ret->version->prior,
                                            .newest = ret->version ==
                                                      &key->versions[key->n_versions - 1]};
    ret->waiting_days = in->waiting_days;
    return ward_key_command_leads(ret->command, &from, &ret->to);
}

ward_status ward_key_moving_make(const struct ward_state *state, enum ward_key_command command,
                                 const struct ward_key_state_change *in,
                                 struct ward_key_moving *ret)
{
    *ret = (struct ward_key_moving){.command = command, .key = ward_state_key(state, in->name)};
    if (ret->key == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    if (ret->key->purpose == WARD_PURPOSE_SYSTEM) {
        return WARD_REFUSAL(WARD_E_STATE, "key: Ward's own key is not changed this way");
    }
    return ward_key_command_on_version(command) ? make_version(in, ret) : make_whole(in, ret);
}

/* ---- the numbers ---- */

ward_status ward_key_moving_read(struct ward_request *request, const struct ward_id *kek)
{
    struct ward_read *rows, *use;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &rows));
    rows->rows.kek = *kek;
    WARD_TRY(ward_request_add_read(request, WARD_READ_KEY_USE, &use));
    use->key_use.kek = *kek;
    return ward_key_held_read(request, kek);
}

static bool concerns(const struct ward_key_moving *moving, uint32_t version)
{
    return moving->version == NULL || moving->version->version == version;
}

ward_status ward_key_moving_count(const struct ward_request *request,
                                  struct ward_key_moving *moving)
{
    const struct ward_read *rows, *use;
    WARD_TRY(ward_request_find_read(request, WARD_READ_ROWS, &rows));
    WARD_TRY(ward_request_find_read(request, WARD_READ_KEY_USE, &use));
    moving->rows = moving->issued = moving->opened = 0;
    moving->last_opened_us = 0;
    for (size_t i = 0; i < rows->rows.n; i++) {
        moving->rows += concerns(moving, rows->rows.versions[i]) ? rows->rows.counts[i] : 0;
    }
    for (size_t i = 0; i < use->key_use.n; i++) {
        const struct ward_store_key_use *one = &use->key_use.uses[i];
        if (concerns(moving, one->version)) {
            moving->issued += one->issued;
            moving->opened += one->opened;
            moving->last_opened_us = one->last_opened_us > moving->last_opened_us
                                         ? one->last_opened_us
                                         : moving->last_opened_us;
        }
    }
    return WARD_OK;
}

static int64_t days_since(const struct ward_key_moving *moving)
{
    int64_t passed = moving->now_us - moving->last_opened_us;
    return passed > 0 ? passed / DAY_US : 0; /* another node's clock may be ahead */
}

/* ---- may it be destroyed? ---- */

ward_status ward_key_moving_check_need(struct ward_request *request,
                                       const struct ward_key_moving *moving)
{
    if (moving->command != WARD_KEY_COMMAND_SCHEDULE_DESTROY) {
        return WARD_OK;
    }
    request->tells_detail = true;
    if (moving->rows > 0) {
        ward_request_detail(request, "rows", (int64_t)moving->rows);
        const struct ward_read *held;
        WARD_TRY(ward_request_find_read(request, WARD_READ_HELD, &held));
        WARD_TRY(ward_key_held_tell(request, held, moving->version->version));
        return WARD_REFUSAL(WARD_E_STATE,
                            "version: stored rows still need it; they must be rewrapped first");
    }
    int64_t unused_days = ward_policy_settings(request->state->policy)->unused_days;
    if (moving->last_opened_us > 0 && days_since(moving) < unused_days) {
        ward_request_detail(request, "times_opened", (int64_t)moving->opened);
        ward_request_detail(request, "days_since_last_opened", days_since(moving));
        ward_request_detail(request, "days_unused_needed", unused_days);
        return WARD_REFUSAL(WARD_E_STATE, "version: keys were opened with it too lately");
    }
    request->tells_detail = false;
    return WARD_OK;
}

/* ---- as a proposal ---- */

static bool is_open_after(const struct ward_key_moving *moving)
{
    return moving->command == WARD_KEY_COMMAND_ENABLE ||
           moving->command == WARD_KEY_COMMAND_CHANGE ||
           (moving->version != NULL && moving->key->enabled &&
            ward_key_state_may_unwrap(moving->to));
}

static bool wraps_after(const struct ward_key_moving *moving)
{
    const struct ward_key *key = moving->key;
    bool enabled = moving->command == WARD_KEY_COMMAND_ENABLE ||
                   (key->enabled && moving->command != WARD_KEY_COMMAND_DISABLE);
    bool active = key->active != NULL && key->active != moving->version;
    /* The daemon makes a new one at once, as server/jobs/rotation.c has it. */
    bool followed = moving->command == WARD_KEY_COMMAND_COMPROMISE &&
                    moving->version == &key->versions[key->n_versions - 1];
    return enabled && (active || followed || ward_key_state_may_wrap(moving->to));
}

static void describe_whole(const struct ward_key_moving *moving, struct ward_draft *draft)
{
    if (moving->command != WARD_KEY_COMMAND_CHANGE) {
        ward_drafting_number(draft, "enabled", moving->key->enabled);
        return;
    }
    ward_drafting_number(draft, "from_rotation_period_days", moving->key->rotation_period_days);
    ward_drafting_number(draft, "rotation_period_days", moving->rotation_period_days);
    if (moving->key->active != NULL) {
        int64_t age_days = (moving->now_us - moving->key->active->created_us) / DAY_US;
        int64_t left = (int64_t)moving->rotation_period_days - age_days;
        ward_drafting_consequence(draft, "days_until_rotation", left > 0 ? (uint64_t)left : 0);
    }
}

static void describe_version(const struct ward_key_moving *moving, struct ward_draft *draft)
{
    ward_drafting_number(draft, "version", moving->version->version);
    ward_drafting_text(draft, "from_state",
                       ward_bytes_str(ward_key_state_name(moving->version->state)));
    ward_drafting_text(draft, "to_state", ward_bytes_str(ward_key_state_name(moving->to)));
    if (moving->command == WARD_KEY_COMMAND_SCHEDULE_DESTROY) {
        ward_drafting_number(draft, "waiting_days", moving->waiting_days);
        ward_drafting_number(draft, "issued", (int64_t)moving->issued);
    }
}

/* Eight consequences stand beside them. Another period moves no row. */
static ward_status describe_rows(struct ward_request *request, const struct ward_key_moving *moving,
                                 struct ward_draft *draft)
{
    ward_drafting_consequence(draft, "rows", moving->rows);
    if (moving->command == WARD_KEY_COMMAND_CHANGE) {
        return WARD_OK;
    }
    const struct ward_read *held;
    WARD_TRY(ward_request_find_read(request, WARD_READ_HELD, &held));
    bool whole = moving->version == NULL;
    const struct ward_held_room room = {.collections = whole ? 4 : 7, .versions = whole ? 2 : 0};
    return ward_key_held_describe(request, held, whole ? 0 : moving->version->version, moving->rows,
                                  room, draft);
}

ward_status ward_key_moving_describe(struct ward_request *request,
                                     const struct ward_key_moving *moving, struct ward_draft *draft)
{
    ward_drafting_begin(request, moving->key->name, draft);
    WARD_TRY(ward_drafting_id(draft, "key_id", &moving->key->id, request->arena));
    if (moving->version == NULL) {
        describe_whole(moving, draft);
    } else {
        describe_version(moving, draft);
    }
    WARD_TRY(describe_rows(request, moving, draft));
    ward_drafting_consequence(draft, "keys_issued", moving->issued);
    ward_drafting_consequence(draft, "times_opened", moving->opened);
    if (moving->last_opened_us > 0) {
        ward_drafting_consequence(draft, "last_opened_unix",
                                  (uint64_t)moving->last_opened_us / 1000000);
        ward_drafting_consequence(draft, "days_since_last_opened", (uint64_t)days_since(moving));
    }
    bool opens = is_open_after(moving);
    ward_drafting_consequence(draft, "rows_that_cannot_be_read", opens ? 0 : moving->rows);
    ward_drafting_consequence(draft, "issued_keys_that_cannot_be_opened",
                              opens ? 0 : moving->issued);
    ward_drafting_consequence(draft, "key_can_wrap_afterwards", wraps_after(moving));
    return WARD_OK;
}

/* ---- as the execution of a proposal ---- */

static ward_status moved_on(void)
{
    return WARD_REFUSAL(WARD_E_STATE,
                        "proposal: the key has moved on since it was made; propose again");
}

static int64_t number_of(const struct ward_proposal *proposal, const char *name)
{
    int64_t number = -1;
    (void)ward_proposal_number(proposal->parameters, proposal->n_parameters, name,
                               &number); /* -1 is nobody's */
    return number;
}

static bool says(const struct ward_proposal *proposal, const char *name, const char *text)
{
    return ward_bytes_eq(ward_proposal_text(proposal->parameters, proposal->n_parameters, name),
                         ward_bytes_str(text));
}

static bool same_as_said(const struct ward_proposal *proposal, const struct ward_key_moving *moving)
{
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&moving->key->id, id);
    if (!says(proposal, "key_id", id)) {
        return false;
    }
    if (moving->version != NULL) {
        /* One that left the state and came back is there for another reason than was signed. */
        return moving->version->changed_us <= proposal->created_us &&
               number_of(proposal, "version") == moving->version->version &&
               says(proposal, "from_state", ward_key_state_name(moving->version->state)) &&
               says(proposal, "to_state", ward_key_state_name(moving->to));
    }
    if (proposal->epoch < moving->key->same_since) {
        return false; /* it was otherwise since, and is so again for another reason */
    }
    return moving->command == WARD_KEY_COMMAND_CHANGE
               ? number_of(proposal, "from_rotation_period_days") ==
                     moving->key->rotation_period_days
               : number_of(proposal, "enabled") == moving->key->enabled;
}

static ward_status of_proposal(const struct ward_state *state, const struct ward_proposal *proposal,
                               struct ward_key_moving *ret)
{
    enum ward_action action;
    enum ward_key_command command;
    WARD_ENSURE(ward_action_find(proposal->action, &action) &&
                    ward_key_command_find(action, &command),
                WARD_E_STATE);
    struct ward_key_state_change in = {.name = proposal->object};
    if (ward_key_command_on_version(command)) {
        int64_t version = number_of(proposal, "version");
        WARD_ENSURE(version > 0 && version <= UINT32_MAX, WARD_E_STATE);
        in.version = (uint32_t)version;
    }
    if (command == WARD_KEY_COMMAND_CHANGE) {
        int64_t days = number_of(proposal, "rotation_period_days");
        WARD_ENSURE(days > 0 && days <= UINT32_MAX, WARD_E_STATE);
        in.rotation_period_days = (uint32_t)days;
    }
    if (command == WARD_KEY_COMMAND_SCHEDULE_DESTROY) {
        int64_t days = number_of(proposal, "waiting_days");
        WARD_ENSURE(days >= WARD_DESTROY_WAITING_DAYS_MIN && days <= WARD_DESTROY_WAITING_DAYS_MAX,
                    WARD_E_STATE);
        in.waiting_days = (uint32_t)days;
    }
    /* What could not be proposed as things are now has moved on. */
    return ward_ok(ward_key_moving_make(state, command, &in, ret)) && same_as_said(proposal, ret)
               ? WARD_OK
               : moved_on();
}

static ward_status stands(struct ward_request *request, const struct ward_proposal *proposal)
{
    struct ward_key_moving moving;
    return of_proposal(request->state, proposal, &moving);
}

static ward_status read(struct ward_request *request, const struct ward_proposal *proposal)
{
    const struct ward_key *key = ward_state_key(request->state, proposal->object);
    return key == NULL ? moved_on() : ward_key_moving_read(request, &key->id);
}

static ward_status prepare(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret)
{
    struct ward_key_moving *moving = WARD_ARENA_NEW(request->arena, struct ward_key_moving);
    WARD_ENSURE(moving != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(of_proposal(request->state, proposal, moving));
    moving->now_us = now_us;
    WARD_TRY(ward_key_moving_count(request, moving));
    WARD_TRY(ward_key_moving_check_need(request, moving));
    if (moving->command == WARD_KEY_COMMAND_SCHEDULE_DESTROY &&
        number_of(proposal, "issued") != (int64_t)moving->issued) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: keys were issued under the version since it "
                                          "was made; propose again");
    }
    *ret = moving;
    return WARD_OK;
}

static ward_status outcome(const void *work, struct ward_batch *batch)
{
    const struct ward_key_moving *moving = work;
    const struct ward_key *key = moving->key;
    struct ward_effect effect;
    if (moving->version != NULL) {
        effect =
            ward_key_version_move(key, moving->version, moving->to,
                                  moving->now_us + moving->waiting_days * DAY_US, moving->now_us);
    } else if (moving->command == WARD_KEY_COMMAND_CHANGE) {
        effect = (struct ward_effect){.kind = WARD_EFFECT_KEK_PERIOD};
        effect.kek_period.kek = key->id;
        effect.kek_period.from = key->rotation_period_days;
        effect.kek_period.to = moving->rotation_period_days;
    } else {
        effect = (struct ward_effect){.kind = WARD_EFFECT_KEK_ENABLED};
        effect.kek_enabled.kek = key->id;
        effect.kek_enabled.from = key->enabled;
        effect.kek_enabled.to = !key->enabled;
    }
    batch->bump_epoch = true;
    return ward_batch_effect(batch, &effect);
}

/* What an auditor holds against the proposal: the rest stands in that. */
static ward_status tell(const void *work, struct ward_request *request)
{
    const struct ward_key_moving *moving = work;
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes text;
    ward_id_print(&moving->key->id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "key", moving->key->name);
    ward_request_detail_text(request, "key_id", text);
    if (moving->version != NULL) {
        ward_request_detail(request, "version", moving->version->version);
        ward_request_detail_text(request, "to_state",
                                 ward_bytes_str(ward_key_state_name(moving->to)));
    }
    if (moving->command == WARD_KEY_COMMAND_COMPROMISE) {
        ward_request_detail_text(request, "alarm", WARD_BYTES_LITERAL("compromise"));
        request->alarm = WARD_ALARM_COMPROMISE;
        request->alarm_text =
            ward_arena_printf(request->arena, "%.*s#%u", (int)moving->key->name.size,
                              (const char *)moving->key->name.data, moving->version->version);
        WARD_ENSURE(request->alarm_text != NULL, WARD_E_EXHAUSTED);
    }
    if (moving->command == WARD_KEY_COMMAND_CHANGE) {
        ward_request_detail(request, "rotation_period_days", moving->rotation_period_days);
    }
    if (moving->command == WARD_KEY_COMMAND_SCHEDULE_DESTROY) {
        ward_request_detail(request, "waiting_days", moving->waiting_days);
    }
    return WARD_OK;
}

const struct ward_execution ward_execution_key_state = {
    .read = read, .prepare = prepare, .stands = stands, .outcome = outcome, .tell = tell};
