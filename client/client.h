/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking unary calls out of a pool of connections: what every call of ward.h stands on. */
#ifndef WARD_CLIENT_CLIENT_H
#define WARD_CLIENT_CLIENT_H

#include "client/endpoint.h"
#include "client/message.h"

struct ward_method {
    const char *path;
    bool safe; /* it reads, or makes nothing that is kept; else it goes under a request id */
};

/* Packs the request, calls, unpacks the answer into the arena (where it lives). Retries as ward.h
 * says. */
ward_rc ward_client_call(ward_client *client, const struct ward_method *method,
                         const ward_call *call, ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *answer_type, struct ward_arena *arena,
                         ProtobufCMessage **ret, ward_error *error);
/* When a call that begins now must have ended, by ward_clock_system's monotonic time. */
int64_t ward_client_deadline_us(const ward_client *client, const ward_call *call);
/* The first server, for who drives transports of his own. */
const struct ward_endpoint *ward_client_endpoint(const ward_client *client);

#endif
