/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics as Prometheus text, /ready and /live, on a loopback address. Numbers and constant names
 * only. */
#ifndef WARD_SERVER_METRICS_H
#define WARD_SERVER_METRICS_H

#include "base/buffer.h"
#include "base/status.h"

struct ward_metrics;

struct ward_metrics_source {
    void *context;
    void (*write)(void *context, struct ward_buffer *out); /* the text; any thread */
    bool (*ready)(void *context);
};

/* listen: "127.0.0.1:7444". INVALID with a refusal text unless it is a loopback address. */
ward_status ward_metrics_start(const char *listen, const struct ward_metrics_source *source,
                               struct ward_metrics **ret);
void ward_metrics_stop(struct ward_metrics *metrics); /* NULL is fine */
/* A gauge's lines, one for each key version; the TYPE line comes with the first. */
void ward_metrics_key_line(struct ward_buffer *out, const char *name, bool first,
                           struct ward_bytes key, uint32_t version, double value);
/* A gauge's lines, one for each of several constant names; the TYPE line comes with the first. */
void ward_metrics_what_line(struct ward_buffer *out, const char *name, bool first, const char *what,
                            double value);
/* One gauge or counter with its TYPE line. */
void ward_metrics_line(struct ward_buffer *out, const char *name, const char *type, double value);

#endif
