/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnose: is anything about this deployment not as it should be? It looks and changes nothing.
 * What could not be looked at is a finding too, not a failure: the other checks still count. */
#include "server/op/diagnosis.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/work/worker.h"

#define TEXT_MAX 300
#define SNAPSHOT_ARENA (256u << 20)
#define ROWS_MAX 16u /* keys with a compromised version whose rows are counted */
#define PROPOSALS_MAX 1000u

/* Of each key with a compromised version, its rows and its jobs. */
enum { READ_NODES, READ_NEWEST, READ_HANDOVERS, READ_PROPOSALS, READ_JOBS, READ_ROWS };

ward_status ward_diagnosis_add(struct ward_diagnosis *diagnosis, const char *check,
                               enum ward_finding_level level, const char *advice,
                               const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* a cut text still says enough */
    va_end(arguments);
    if (diagnosis->n == WARD_FINDINGS_MAX) {
        diagnosis->left_out++;
        return WARD_OK;
    }
    struct ward_finding *finding = &diagnosis->findings[diagnosis->n];
    *finding = (struct ward_finding){
        .check = ward_bytes_str(check), .level = level, .advice = ward_bytes_str(advice)};
    WARD_TRY(ward_arena_copy(diagnosis->arena, ward_bytes_str(text), &finding->text));
    diagnosis->n++;
    return WARD_OK;
}

ward_status ward_diagnosis_well(struct ward_diagnosis *diagnosis, const char *check, const char *ok)
{
    for (size_t i = 0; i < diagnosis->n; i++) {
        if (ward_bytes_eq(diagnosis->findings[i].check, ward_bytes_str(check))) {
            return WARD_OK;
        }
    }
    return ward_diagnosis_add(diagnosis, check, WARD_FINDING_OK, "", "%s", ok);
}

static ward_status decide(struct ward_request *request)
{
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_DOCTOR_RUN, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    return decision.status;
}

static bool has_compromised(const struct ward_key *key)
{
    for (size_t v = 0; v < key->n_versions; v++) {
        if (key->versions[v].state == WARD_KEY_COMPROMISED ||
            key->versions[v].prior == WARD_KEY_COMPROMISED) {
            return true;
        }
    }
    return false;
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_state *state = request->state;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_NODES, &read));
    WARD_TRY(ward_stored_newest_read(request, 0, WARD_CHECKPOINTS_PAGE_MAX));
    WARD_TRY(ward_stored_handovers_read(request));
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSALS, &read));
    read->proposals.all = true;
    read->proposals.limit = PROPOSALS_MAX;
    WARD_TRY(ward_request_add_read(request, WARD_READ_JOBS, &read));
    read->jobs.open = true;
    size_t n = 0;
    for (size_t k = 0; k < state->n_keys && n < ROWS_MAX; k++) {
        if (has_compromised(&state->keys[k])) {
            WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &read));
            read->rows.kek = state->keys[k].id;
            WARD_TRY(ward_request_add_read(request, WARD_READ_JOBS, &read));
            read->jobs.kek = state->keys[k].id;
            n++;
        }
    }
    return WARD_OK;
}

/* The first entry that no checkpoint covers: its time says how late the next one is. */
static ward_status read_more(struct ward_request *request)
{
    const struct ward_store_checkpoint *newest;
    WARD_TRY(ward_stored_handovers_read_more(request));
    WARD_TRY(ward_stored_newest(request, &newest));
    if (newest == NULL) {
        return WARD_OK;
    }
    struct ward_read *uncovered;
    WARD_TRY(ward_request_add_read(request, WARD_READ_AUDIT, &uncovered));
    uncovered->audit.start = newest->size;
    uncovered->audit.end = newest->size + 1;
    uncovered->audit.max_bytes = 1;
    return WARD_OK;
}

static size_t count_rows(const struct ward_request *request)
{
    size_t n = READ_ROWS;
    while (n < request->n_reads && (request->reads[n]->kind == WARD_READ_ROWS ||
                                    request->reads[n]->kind == WARD_READ_JOBS)) {
        n++;
    }
    return n - READ_ROWS;
}

static ward_status run_checks(struct ward_request *request, struct ward_diagnosis *diagnosis)
{
    struct ward_read *const *reads = request->reads;
    const struct ward_read *last = reads[request->n_reads - 1];
    const struct ward_read *uncovered = last->kind == WARD_READ_AUDIT ? last : NULL;
    struct ward_stored_checkpoints stored;
    WARD_TRY(ward_stored_checkpoints(request, &stored));
    diagnosis->stored = &stored;
    WARD_TRY(ward_diagnose_token(diagnosis));
    WARD_TRY(ward_diagnose_keys(diagnosis, &reads[READ_ROWS], count_rows(request)));
    WARD_TRY(ward_diagnose_jobs(diagnosis, reads[READ_JOBS]));
    WARD_TRY(ward_diagnose_daemon(diagnosis, reads[READ_NODES], uncovered));
    return ward_diagnose_officers(diagnosis, reads[READ_PROPOSALS]);
}

static void tell(struct ward_request *request, const struct ward_diagnosis *diagnosis)
{
    int64_t counts[3] = {0};
    for (size_t i = 0; i < diagnosis->n; i++) {
        counts[diagnosis->findings[i].level]++;
    }
    ward_request_detail(request, "warnings", counts[WARD_FINDING_WARNING]);
    ward_request_detail(request, "gaps", counts[WARD_FINDING_GAP]);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_diagnose *in = request->in;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    struct ward_diagnosis diagnosis = {.arena = request->arena,
                                       .state = request->state,
                                       .posture = worker->pipeline->posture,
                                       .worker = worker,
                                       .now_us = ward_wall_us(worker->pipeline->clock)};
    diagnosis.findings = WARD_ARENA_ARRAY(request->arena, struct ward_finding, WARD_FINDINGS_MAX);
    WARD_ENSURE(diagnosis.findings != NULL, WARD_E_EXHAUSTED);
    const struct ward_posture *posture = diagnosis.posture;
    if (posture != NULL) {
        WARD_TRY(ward_arena_new(SNAPSHOT_ARENA, &arena));
        bool there = ward_ok(posture->snapshot(posture->context, arena, &snapshot));
        diagnosis.snapshot = there ? &snapshot : NULL;
    }
    WARD_TRY(run_checks(request, &diagnosis));
    tell(request, &diagnosis);
    in->findings = diagnosis.findings;
    in->n = diagnosis.n;
    in->left_out = diagnosis.left_out;
    return WARD_OK;
}

const struct ward_op ward_op_diagnose = {
    .action = WARD_ACTION_DOCTOR_RUN,
    .decide = decide,
    .steps = {{.read = read, .read_more = read_more, .finish = finish}},
    .n_steps = 1,
};
