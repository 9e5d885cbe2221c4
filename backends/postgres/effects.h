/* SPDX-License-Identifier: Apache-2.0 */
/* Queues the statements of a commit's effects; their results come in the same order. */
#ifndef WARD_BACKENDS_POSTGRES_EFFECTS_H
#define WARD_BACKENDS_POSTGRES_EFFECTS_H

#include "backends/postgres/conn.h"
#include "backends/store.h"

/* Bulk effects, each kind one statement, its rows sorted by key. */
ward_status ward_pg_send_subject_keys(struct ward_pg_conn *conn, const struct ward_commit *commit);
ward_status ward_pg_send_records(struct ward_pg_conn *conn, const struct ward_commit *commit);
/* By the rows' places; or by their ids, which finds those that lie elsewhere by now. */
ward_status ward_pg_send_rewrapped(struct ward_pg_conn *conn, const struct ward_commit *commit,
                                   bool by_place);
ward_status ward_pg_send_rekeyed(struct ward_pg_conn *conn, const struct ward_commit *commit);
ward_status ward_pg_send_replays(struct ward_pg_conn *conn, const struct ward_commit *commit);
/* The parameters alone: the head's statement takes them along. */
ward_status ward_pg_add_uses(struct ward_pg_conn *conn, const struct ward_commit *commit);
/* One administrative effect, one statement. */
ward_status ward_pg_send_job_effect(struct ward_pg_conn *conn, const struct ward_effect *effect);
ward_status ward_pg_send_effect(struct ward_pg_conn *conn, const struct ward_effect *effect);

#endif
