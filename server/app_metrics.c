/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's figures, for whoever scrapes them. */
#include "server/app_parts.h"
#include "server/jobs/rotation.h"

#define KEY_LINES 20 /* of so many keys is told, however many there are */

static void write_keys(struct ward_app *app, struct ward_buffer *out)
{
    struct ward_key_left left[KEY_LINES];
    struct ward_state *state = ward_state_slot_get(&app->states);
    size_t n = ward_rotation_fewest_left(&app->pipeline, state, left, KEY_LINES);
    for (size_t i = 0; i < n; i++) {
        ward_metrics_key_line(out, "ward_key_wraps_left", i == 0, left[i].key->name,
                              left[i].version, (double)left[i].wraps_left);
    }
    n = ward_rotation_oldest(&app->pipeline, state, left, KEY_LINES);
    for (size_t i = 0; i < n; i++) {
        ward_metrics_key_line(out, "ward_key_period_used", i == 0, left[i].key->name,
                              left[i].version, left[i].period_used);
    }
    ward_metrics_line(out, "ward_keys_due_for_rotation", "gauge",
                      (double)ward_rotation_n_due(&app->pipeline, state));
    ward_state_unref(state);
}

/* Of each kind what ends first, in seconds since 1970. */
static void write_endings(struct ward_app *app, struct ward_buffer *out)
{
    static const char *const what[WARD_ENDING_OF_COUNT] = {
        [WARD_ENDING_OF_CERTIFICATE] = "certificate",
        [WARD_ENDING_OF_CLIENT_CA] = "client_ca",
        [WARD_ENDING_OF_CLIENT_CRL] = "client_crl",
    };
    struct ward_endings endings;
    bool first = true;
    ward_rpc_endings(app->rpc, &endings);
    for (enum ward_ending_of of = 0; of < WARD_ENDING_OF_COUNT; of++) {
        if (endings.n[of] > 0) {
            ward_metrics_what_line(out, "ward_certificate_not_after_seconds", first, what[of],
                                   (double)(endings.of[of][0].end_us / 1000000));
            first = false;
        }
    }
}

static void write_jobs(struct ward_app *app, struct ward_buffer *out)
{
    struct ward_job_stats stats;
    ward_jobs_stats(app->jobs, WARD_JOB_REWRAP, &stats);
    ward_metrics_line(out, "ward_rewrapped_total", "counter", (double)stats.moved);
    ward_metrics_line(out, "ward_rewrap_rows_left", "gauge", (double)stats.left);
    ward_metrics_line(out, "ward_rewrap_rows_failed", "gauge", (double)stats.failed);
    ward_metrics_line(out, "ward_rewrap_jobs", "gauge", (double)stats.running);
    ward_metrics_line(out, "ward_rewrap_jobs_stuck", "gauge", (double)stats.stuck);
    ward_jobs_stats(app->jobs, WARD_JOB_REKEY, &stats);
    ward_metrics_line(out, "ward_rekeyed_total", "counter", (double)stats.moved);
    ward_metrics_line(out, "ward_rekey_records_left", "gauge", (double)stats.left);
    ward_metrics_line(out, "ward_rekey_records_failed", "gauge", (double)stats.failed);
    ward_metrics_line(out, "ward_rekey_jobs", "gauge", (double)stats.running);
    ward_metrics_line(out, "ward_rekey_jobs_stuck", "gauge", (double)stats.stuck);
}

void ward_app_write_metrics(void *context, struct ward_buffer *out)
{
    struct ward_app *app = context;
    struct ward_rpc_stats rpc;
    struct ward_merkle tree;
    ward_rpc_stats(app->rpc, &rpc);
    ward_committer_tree(app->committer, &tree);
    ward_metrics_line(out, "ward_ready", "gauge", ward_app_serving(app));
    ward_metrics_line(out, "ward_requests_allowed_total", "counter", (double)app->pipeline.allowed);
    ward_metrics_line(out, "ward_requests_refused_total", "counter", (double)app->pipeline.refused);
    ward_metrics_line(out, "ward_requests_failed_total", "counter", (double)app->pipeline.failed);
    ward_metrics_line(out, "ward_requests_overloaded_total", "counter",
                      (double)app->pipeline.overloaded);
    ward_metrics_line(out, "ward_requests_throttled_total", "counter",
                      (double)app->pipeline.throttled);
    ward_metrics_line(out, "ward_requests_cancelled_total", "counter",
                      (double)app->pipeline.cancelled);
    ward_metrics_line(out, "ward_requests_expired_total", "counter", (double)app->pipeline.expired);
    ward_metrics_line(out, "ward_requests_vanished_total", "counter", (double)rpc.vanished);
    ward_metrics_line(out, "ward_request_seconds_total", "counter",
                      (double)app->pipeline.latency_us / 1e6);
    ward_metrics_line(out, "ward_requests_total", "counter", (double)app->pipeline.completed);
    ward_metrics_line(out, "ward_commits_total", "counter",
                      (double)ward_committer_commits(app->committer));
    ward_metrics_line(out, "ward_audit_entries", "counter", (double)tree.size);
    write_jobs(app, out);
    ward_metrics_line(out, "ward_unreviewed_acts", "gauge",
                      (double)ward_jobs_unreviewed(app->jobs));
    ward_metrics_line(out, "ward_revocations_missing", "gauge", (double)app->revocations_missing);
    ward_metrics_line(out, "ward_connections", "gauge", (double)rpc.connections);
    ward_metrics_line(out, "ward_connections_total", "counter", (double)rpc.connections_total);
    ward_metrics_line(out, "ward_handshakes_failed_total", "counter",
                      (double)rpc.handshakes_failed);
    ward_metrics_line(out, "ward_handshakes", "gauge", (double)rpc.handshakes);
    ward_metrics_line(out, "ward_connections_turned_away_total", "counter",
                      (double)rpc.turned_away);
    ward_metrics_line(out, "ward_connections_dead_total", "counter", (double)rpc.dead);
    ward_metrics_line(out, "ward_held_bytes", "gauge", (double)rpc.held_bytes);
    write_keys(app, out);
    write_endings(app, out);
    ward_alarms_write(&app->pipeline.alarms, out);
    ward_metrics_line(out, "ward_queue_work", "gauge",
                      (double)ward_queue_size(&app->pipeline.work));
    ward_metrics_line(out, "ward_queue_reads", "gauge",
                      (double)ward_queue_size(&app->pipeline.reads));
    ward_metrics_line(out, "ward_queue_commits", "gauge",
                      (double)ward_queue_size(&app->pipeline.commits));
}
