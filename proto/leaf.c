/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the audit entry. The body is built where the request is known, before the commit; number,
 * time and node are put in front by the committer, for every leaf of a batch: so no printf and no
 * memory beyond the buffer here. Must not decide anything: what is handed in is what is written. */
#include "proto/leaf.h"

#include "proto/canonical.h"

/* `name` is constant JSON from the comma to the value's opening quote: ",\"code\":\"". */
static void member(struct ward_buffer *out, struct ward_bytes name, struct ward_bytes text)
{
    if (text.size > 0) {
        ward_canonical_text_after(out, name, text);
    }
}

static void member_hex(struct ward_buffer *out, struct ward_bytes name, struct ward_bytes bytes)
{
    if (bytes.size > 0) {
        ward_canonical_hex_after(out, name, bytes);
    }
}

static struct ward_bytes hash_or_nothing(const uint8_t *hash)
{
    return WARD_BYTES(hash, hash == NULL ? 0 : 32);
}

#define NAME(text) WARD_BYTES_LITERAL(text)

/* A hash is "h:" and 16 hex digits. A value in clear that begins like that, or with "=", gets a "="
 * in front: nothing that an application sends can pass for a hash. */
static bool looks_hashed(struct ward_bytes value)
{
    return (value.size >= 1 && value.data[0] == '=') ||
           (value.size >= 2 && value.data[0] == 'h' && value.data[1] == ':');
}

static void add_context(const struct ward_leaf_context *context, size_t n, struct ward_buffer *out)
{
    if (n == 0) {
        return;
    }
    ward_buffer_add(out, NAME(",\"context\":"));
    for (size_t i = 0; i < n; i++) {
        ward_buffer_add_u8(out, i == 0 ? '{' : ',');
        ward_canonical_text(out, context[i].key);
        struct ward_bytes value = context[i].value;
        if (context[i].hash != NULL) {
            ward_canonical_hex_after(out, NAME(":\"h:"), WARD_BYTES(context[i].hash, 8));
        } else {
            ward_canonical_text_after(out, looks_hashed(value) ? NAME(":\"=") : NAME(":\""), value);
        }
    }
    ward_buffer_add_u8(out, '}');
}

static bool str_eq(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool item_eq(const struct ward_leaf_item *a, const struct ward_leaf_item *b)
{
    return str_eq(a->outcome, b->outcome) && str_eq(a->code, b->code) && str_eq(a->rule, b->rule) &&
           ward_bytes_eq(a->object, b->object) && ward_bytes_eq(a->digest, b->digest);
}

static void add_item(const struct ward_leaf_item *item, uint64_t count, struct ward_buffer *out)
{
    ward_canonical_text_after(out, NAME("{\"object\":\""), item->object);
    member(out, NAME(",\"outcome\":\""), ward_bytes_str(item->outcome));
    member(out, NAME(",\"code\":\""), ward_bytes_str(item->code));
    member(out, NAME(",\"rule\":\""), ward_bytes_str(item->rule));
    member_hex(out, NAME(",\"digest\":\""), item->digest);
    if (count > 1) {
        ward_buffer_add(out, NAME(",\"count\":"));
        ward_canonical_uint(out, count);
    }
    ward_buffer_add_u8(out, '}');
}

static void add_items(const struct ward_leaf_item *items, size_t n, struct ward_buffer *out)
{
    if (n == 0) {
        return;
    }
    ward_buffer_add(out, NAME(",\"items\":["));
    for (size_t i = 0; i < n;) {
        const struct ward_leaf_item *first = &items[i];
        uint64_t count = 0;
        do {
            count += items[i++].count;
        } while (i < n && item_eq(first, &items[i]));
        if (first != items) {
            ward_buffer_add_u8(out, ',');
        }
        add_item(first, count, out);
    }
    ward_buffer_add_u8(out, ']');
}

static void add_detail(const struct ward_leaf_pair *detail, size_t n, struct ward_buffer *out)
{
    if (n == 0) {
        return;
    }
    ward_buffer_add(out, NAME(",\"detail\":"));
    for (size_t i = 0; i < n; i++) {
        ward_buffer_add_u8(out, i == 0 ? '{' : ',');
        ward_canonical_text(out, ward_bytes_str(detail[i].name));
        ward_buffer_add_u8(out, ':');
        if (detail[i].text.data != NULL) {
            ward_canonical_text(out, detail[i].text);
        } else {
            ward_canonical_int(out, detail[i].number);
        }
    }
    ward_buffer_add_u8(out, '}');
}

/* Begins with a comma, since the prefix always comes first. */
void ward_leaf_body(const struct ward_leaf *leaf, struct ward_buffer *out)
{
    member(out, NAME(",\"request\":\""), leaf->request_id);
    member(out, NAME(",\"identity\":\""), leaf->identity);
    member_hex(out, NAME(",\"cert\":\""), hash_or_nothing(leaf->certificate));
    member(out, NAME(",\"end_user\":\""), leaf->end_user);
    member(out, NAME(",\"address\":\""), leaf->address);
    member(out, NAME(",\"action\":\""), ward_bytes_str(leaf->action));
    member(out, NAME(",\"object\":\""), leaf->object);
    add_context(leaf->context, leaf->n_context, out);
    member(out, NAME(",\"outcome\":\""), ward_bytes_str(leaf->outcome));
    member(out, NAME(",\"code\":\""), ward_bytes_str(leaf->code));
    member(out, NAME(",\"rule\":\""), ward_bytes_str(leaf->rule));
    member_hex(out, NAME(",\"policy\":\""), hash_or_nothing(leaf->policy));
    ward_buffer_add(out, NAME(",\"epoch\":"));
    ward_canonical_uint(out, leaf->epoch);
    member_hex(out, NAME(",\"reason\":\""), hash_or_nothing(leaf->reason));
    add_items(leaf->items, leaf->n_items, out);
    add_detail(leaf->detail, leaf->n_detail, out);
    ward_buffer_add_u8(out, '}');
}

void ward_leaf_finish(uint64_t seq, int64_t wall_us, struct ward_bytes node, struct ward_bytes body,
                      struct ward_buffer *out)
{
    char time[WARD_TIME_TEXT_SIZE];
    ward_time_print(wall_us, time);
    ward_buffer_add(out, NAME("{\"seq\":"));
    ward_canonical_uint(out, seq);
    ward_buffer_add(out, NAME(",\"time\":\""));
    ward_buffer_add(out, WARD_BYTES(time, WARD_TIME_TEXT_SIZE - 1));
    ward_canonical_text_after(out, NAME("\",\"node\":\""), node);
    ward_buffer_add(out, body);
}
