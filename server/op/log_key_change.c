/* SPDX-License-Identifier: Apache-2.0 */
/* RotateLogKey: ends in a draft and changes nothing. Always guarded: whoever chooses the log's key
 * alone could choose what auditors believe. */
#include "server/op/drafting.h"
#include "server/op/log_key_changing.h"
#include "server/op/stored_checkpoints.h"
#include "server/work/worker.h"

#define DAY_US (24LL * 3600 * 1000000)

struct change_notes {
    struct ward_log_key_changing changing;
    struct ward_draft draft;
    char vkey[WARD_VKEY_MAX];
};

static ward_status decide(struct ward_request *request)
{
    WARD_TRY(ward_drafting_ask(request, (struct ward_bytes){0}));
    request->object = WARD_BYTES_LITERAL(WARD_LOG_KEY_NAME);
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct change_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct change_notes *notes = request->work;
    WARD_TRY(ward_log_key_changing_make(request->state, &notes->changing));
    ward_note_key_print(&notes->changing.before->public, notes->vkey);
    return ward_drafting_guard(request, (struct ward_bytes){0}, &notes->draft);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    return ward_stored_newest_read(request, 0, 1);
}

/* How much hangs on the key in force: what it has signed, and for how long. What was signed before
 * stays as it is; who checks what comes needs the new key, or follows it from the old one through
 * the handover. */
static void add_consequences(const struct change_notes *notes,
                             const struct ward_store_checkpoint *newest, int64_t now_us,
                             struct ward_draft *draft)
{
    const struct ward_log_key *key = notes->changing.before;
    uint64_t entries = newest == NULL ? 0 : newest->size;
    uint64_t before = key->since == 0 ? 0 : key->since - 1; /* the entry that tells of it is 1 */
    int64_t days = (now_us - key->created_us) / DAY_US;
    ward_drafting_consequence(draft, "entries_signed_so_far", entries);
    ward_drafting_consequence(draft, "entries_since_the_present_key",
                              entries < before ? 0 : entries - before);
    ward_drafting_consequence(draft, "days_of_the_present_key", days < 0 ? 0 : (uint64_t)days);
    ward_drafting_consequence(draft, "new_version", notes->changing.ref.version);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_log_key_rotate *in = request->in;
    struct change_notes *notes = request->work;
    struct ward_draft *draft = &notes->draft;
    const struct ward_store_checkpoint *newest;
    WARD_TRY(ward_stored_newest(request, &newest));
    WARD_TRY(ward_log_key_changing_prove(
        ward_stored_signed_last(request->state, newest, notes->changing.before),
        notes->changing.before, worker));
    ward_drafting_begin(request, WARD_BYTES_LITERAL(WARD_LOG_KEY_NAME), draft);
    ward_drafting_number(draft, "from_version", notes->changing.ref.version - 1);
    ward_drafting_text(draft, "from_vkey", ward_bytes_str(notes->vkey));
    add_consequences(notes, newest, ward_wall_us(worker->pipeline->clock), draft);
    return ward_drafting_make(request, worker, draft, &in->proposal);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    return ward_drafting_commit(&notes->draft, batch);
}

const struct ward_op ward_op_log_key_rotate = {
    .action = WARD_ACTION_LOG_KEY_ROTATE,
    .alone = true,
    .decide = decide,
    .steps = {{.read = read,
               .read_more = ward_stored_newest_read_more,
               .finish = finish,
               .commit = commit}},
    .n_steps = 1,
};
