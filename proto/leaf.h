/* SPDX-License-Identifier: Apache-2.0 */
/* The audit leaf: one canonical JSON object, members in this order, no free text from requests:
 *
 *   seq, time, node                                  the prefix, known only at commit
 *   request, identity, cert, end_user, address, action, object, context, outcome, code, rule,
 *   policy, epoch, reason, items, detail             the body, built before
 *
 * Absent values are left out. `context` is an object: a value in clear where policy lists the key
 * as public, else "h:" and 16 hex digits of a keyed hash; a value in clear that begins with "h:" or
 * "=" has a "=" put before it. `items` is an array of objects {object, outcome, code, rule, digest}
 * with equal neighbours folded into one with a `count` (left out when 1). `detail` is an object of
 * the operation's own: strings, integers and digests. */
#ifndef WARD_PROTO_LEAF_H
#define WARD_PROTO_LEAF_H

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"

struct ward_leaf_pair {
    const char *name;       /* constant */
    struct ward_bytes text; /* used when data is not NULL */
    int64_t number;
};

struct ward_leaf_item {
    struct ward_bytes object; /* e.g. "key:phi/app#3"; never a value of the request's content */
    const char *outcome;      /* "allowed", "refused", "failed" */
    const char *code;         /* gRPC code's name, NULL when OK */
    const char *rule;         /* the policy rule that decided, NULL when none */
    struct ward_bytes digest; /* 32 bytes or empty; written as hex */
    uint32_t count;           /* items alike, from 1 */
};

struct ward_leaf_context {
    struct ward_bytes key;
    struct ward_bytes value; /* in clear, or empty with `hash` set */
    const uint8_t *hash;     /* 8 bytes of the keyed hash, or NULL */
};

struct ward_leaf {
    struct ward_bytes request_id;
    struct ward_bytes identity; /* "spiffe://...", "key:sha256:...", "system" */
    const uint8_t *certificate; /* SHA-256 of the DER, 32 bytes, or NULL for system */
    struct ward_bytes end_user;
    struct ward_bytes address; /* "127.0.0.1:1234" */
    const char *action;        /* "data-key.generate" */
    struct ward_bytes object;
    const struct ward_leaf_context *context;
    size_t n_context;
    const char *outcome; /* "allowed", "refused", "failed" */
    const char *code;    /* NULL when OK */
    const char *rule;
    const uint8_t *policy; /* hash, 32 bytes */
    uint64_t epoch;
    const uint8_t *reason; /* SHA-256 of the reason, or NULL */
    const struct ward_leaf_item *items;
    size_t n_items;
    const struct ward_leaf_pair *detail;
    size_t n_detail;
};

/* Appends the body: everything after the prefix, from the comma on, with the closing brace.
 * Whatever bytes are in the texts, the result is JSON: what is not UTF-8 becomes U+FFFD. The caller
 * sees to WARD_LEAF_MAX (buffer.max); equal neighbouring items are folded here. */
void ward_leaf_body(const struct ward_leaf *leaf, struct ward_buffer *out);
/* Appends prefix and body: the whole leaf. */
void ward_leaf_finish(uint64_t seq, int64_t wall_us, struct ward_bytes node, struct ward_bytes body,
                      struct ward_buffer *out);

#endif
