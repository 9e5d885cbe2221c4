/* SPDX-License-Identifier: Apache-2.0 */
/* The reader pool: threads with a PostgreSQL connection each. One drained batch costs one query for
 * each kind of row that its requests ask for. */
#ifndef WARD_SERVER_WORK_READER_H
#define WARD_SERVER_WORK_READER_H

#include "server/rpc/pipeline.h"

struct ward_reader;

/* Starts the thread. */
ward_status ward_reader_start(struct ward_pipeline *pipeline, struct ward_store *store,
                              struct ward_reader **ret);
/* After the queue was closed: waits for the thread to drain it. */
void ward_reader_join(struct ward_reader *reader);

#endif
