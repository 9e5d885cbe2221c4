/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd serves three fixed pages to scrapers on this machine. It reads no request body and
 * gives no headers back but the type. */
#include "server/metrics.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "server/net/address.h"

#define METRICS_TEXT_MAX 65536

struct ward_metrics {
    struct MHD_Daemon *daemon;
    struct ward_metrics_source source;
};

void ward_metrics_line(struct ward_buffer *out, const char *name, const char *type, double value)
{
    ward_buffer_printf(out, "# TYPE %s %s\n%s %.17g\n", name, type, name, value);
}

void ward_metrics_what_line(struct ward_buffer *out, const char *name, bool first, const char *what,
                            double value)
{
    if (first) {
        ward_buffer_printf(out, "# TYPE %s gauge\n", name);
    }
    ward_buffer_printf(out, "%s{what=\"%s\"} %.17g\n", name, what, value);
}

/* Names of keys need no escaping: [a-z0-9._/-]. */
void ward_metrics_key_line(struct ward_buffer *out, const char *name, bool first,
                           struct ward_bytes key, uint32_t version, double value)
{
    if (first) {
        ward_buffer_printf(out, "# TYPE %s gauge\n", name);
    }
    ward_buffer_printf(out, "%s{key=\"%.*s\",version=\"%u\"} %.17g\n", name, (int)key.size,
                       (const char *)key.data, version, value);
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned code,
                                   struct ward_bytes text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text.size, (void *)(uintptr_t)text.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type",
                                  "text/plain; version=0.0.4; charset=utf-8");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **state)
{
    struct ward_metrics *metrics = context;
    (void)version;
    (void)data;
    (void)size;
    (void)state;
    if (strcmp(method, "GET") != 0) {
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                           WARD_BYTES_LITERAL("GET only\n"));
    }
    if (strcmp(url, "/live") == 0) {
        return answer_text(connection, MHD_HTTP_OK, WARD_BYTES_LITERAL("live\n"));
    }
    if (strcmp(url, "/ready") == 0) {
        return metrics->source.ready(metrics->source.context)
                   ? answer_text(connection, MHD_HTTP_OK, WARD_BYTES_LITERAL("ready\n"))
                   : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                 WARD_BYTES_LITERAL("not ready\n"));
    }
    if (strcmp(url, "/metrics") != 0) {
        return answer_text(connection, MHD_HTTP_NOT_FOUND,
                           WARD_BYTES_LITERAL("/metrics, /ready or /live\n"));
    }
    struct ward_buffer text;
    ward_buffer_init(&text, METRICS_TEXT_MAX);
    metrics->source.write(metrics->source.context, &text);
    enum MHD_Result result = answer_text(connection, MHD_HTTP_OK, ward_buffer_view(&text));
    ward_buffer_fini(&text);
    return result;
}

ward_status ward_metrics_start(const char *listen, const struct ward_metrics_source *source,
                               struct ward_metrics **ret)
{
    struct sockaddr_in address;
    WARD_TRY(ward_address_loopback(listen, &address));
    struct ward_metrics *metrics = calloc(1, sizeof(*metrics));
    WARD_ENSURE(metrics != NULL, WARD_E_EXHAUSTED);
    metrics->source = *source;
    metrics->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, answer,
                         metrics, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 16u,
                         MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_END);
    if (metrics->daemon == NULL) {
        free(metrics);
        return WARD_REFUSAL(WARD_E_UNAVAILABLE, "metrics_listen: the address cannot be bound");
    }
    *ret = metrics;
    return WARD_OK;
}

void ward_metrics_stop(struct ward_metrics *metrics)
{
    if (metrics != NULL) {
        MHD_stop_daemon(metrics->daemon);
        free(metrics);
    }
}
