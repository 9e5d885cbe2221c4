/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical JSON's scalars, written fast and safely: audit leaves and proposals are made of them.
 * Objects are written by their owners as constant text between. Strings are escaped as RFC 8785
 * says; a byte that is not part of well-formed UTF-8 becomes U+FFFD, so that the output is always
 * JSON. */
#ifndef WARD_PROTO_CANONICAL_H
#define WARD_PROTO_CANONICAL_H

#include "base/buffer.h"
#include "base/wipe_alloc.h"

#define WARD_CANONICAL_LITERAL(out, text) ward_buffer_add((out), WARD_BYTES_LITERAL(text))

/* With the quotes. Any bytes are fine. */
void ward_canonical_text(struct ward_buffer *out, struct ward_bytes text);
/* `before`, which is constant JSON up to and with the opening quote, then the text and its closing
 * quote: a member in one step, e.g. ",\"code\":\"" and a name. */
void ward_canonical_text_after(struct ward_buffer *out, struct ward_bytes before,
                               struct ward_bytes text);
void ward_canonical_uint(struct ward_buffer *out, uint64_t value);
void ward_canonical_int(struct ward_buffer *out, int64_t value);
/* Lower-case hex, before it `before` and behind it the closing quote, in the same way. */
void ward_canonical_hex_after(struct ward_buffer *out, struct ward_bytes before,
                              struct ward_bytes bytes);

/* Reading back one scalar: `json` is the whole value. False when it is not that type. They accept a
 * little more than the writers above write; who needs exactness prints again and compares. */
/* The text lies in the arena. */
bool ward_canonical_read_text(struct ward_bytes json, struct ward_arena *arena,
                              struct ward_bytes *ret);
bool ward_canonical_read_int(struct ward_bytes json, int64_t *ret);

#endif
