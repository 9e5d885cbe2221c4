/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a log once, leaf by leaf, while it is verified. Counts what applications did, and keeps the
 * few leaves that tell of keys, approvals and emergencies. It decides nothing. */
#include "client/cli/report.h"

#include <stdlib.h>

#include "proto/canonical.h"

#define ARENA_BUDGET ((size_t)1 << 30)
#define MEMBERS_MAX 32
#define DAY_SIZE 10 /* of "2026-11-22T..." */

ward_status report_log_init(struct report_log *log, const struct report_span *span)
{
    *log = (struct report_log){.span = *span, .folder = -1};
    return ward_arena_new(ARENA_BUDGET, &log->arena);
}

void report_log_fini(struct report_log *log)
{
    free(log->events);
    free(log->access);
    free(log->seen);
    ward_arena_free(log->arena);
    *log = (struct report_log){.folder = -1};
}

/* Room for one more element of `size` bytes. */
static bool grow(void **items, size_t n, size_t *max, size_t size)
{
    if (n < *max) {
        return true;
    }
    size_t more = *max == 0 ? 256 : *max * 2;
    void *grown = reallocarray(*items, more, size);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *max = more;
    return true;
}

static ward_status keep(struct report_log *log, struct ward_bytes text, struct ward_bytes *ret)
{
    return ward_arena_copy(log->arena, text, ret);
}

/* ---- a leaf's members ---- */

struct leaf {
    struct ward_json_slice members[MEMBERS_MAX], detail[MEMBERS_MAX];
    size_t n_members, n_detail;
    struct ward_arena *arena; /* for texts with escapes */
};

static struct ward_bytes member(const struct ward_json_slice *slices, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, ward_bytes_str(name))) {
            return slices[i].value;
        }
    }
    return (struct ward_bytes){0};
}

static struct ward_bytes text_of(struct leaf *leaf, struct ward_bytes value)
{
    struct ward_bytes text = {0};
    bool good = value.size > 0 && ward_canonical_read_text(value, leaf->arena, &text);
    return good ? text : (struct ward_bytes){0};
}

static struct ward_bytes text(struct leaf *leaf, const char *name)
{
    return text_of(leaf, member(leaf->members, leaf->n_members, name));
}

static struct ward_bytes detail(struct leaf *leaf, const char *name)
{
    return text_of(leaf, member(leaf->detail, leaf->n_detail, name));
}

static int64_t detail_number(const struct leaf *leaf, const char *name, int64_t otherwise)
{
    int64_t value = otherwise;
    struct ward_bytes found = member(leaf->detail, leaf->n_detail, name);
    return found.size > 0 && ward_canonical_read_int(found, &value) ? value : otherwise;
}

static bool read_leaf(struct ward_bytes json, struct ward_arena *arena, struct leaf *ret)
{
    *ret = (struct leaf){.arena = arena};
    if (!ward_ok(ward_json_scan(json, ret->members, MEMBERS_MAX, &ret->n_members))) {
        return false;
    }
    struct ward_bytes inner = member(ret->members, ret->n_members, "detail");
    return inner.size == 0 ||
           ward_ok(ward_json_scan(inner, ret->detail, MEMBERS_MAX, &ret->n_detail));
}

/* ---- who was here first when ---- */

static ward_status see(struct report_log *log, struct ward_bytes identity, struct ward_bytes time,
                       struct report_seen **ret)
{
    size_t low = 0, high = log->n_seen;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ward_bytes_cmp(identity, log->seen[middle].identity);
        if (order == 0) {
            *ret = &log->seen[middle];
            return WARD_OK;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    WARD_ENSURE(grow((void **)&log->seen, log->n_seen, &log->max_seen, sizeof(*log->seen)),
                WARD_E_EXHAUSTED);
    memmove(&log->seen[low + 1], &log->seen[low], (log->n_seen - low) * sizeof(*log->seen));
    log->n_seen++;
    log->seen[low] = (struct report_seen){0};
    *ret = &log->seen[low];
    WARD_TRY(keep(log, identity, &(*ret)->identity));
    return keep(log, time, &(*ret)->first);
}

/* ---- counting ---- */

static int compare_access(const struct report_access *a, const struct report_access *b)
{
    int order = ward_bytes_cmp(a->day, b->day);
    order = order != 0 ? order : ward_bytes_cmp(a->identity, b->identity);
    order = order != 0 ? order : ward_bytes_cmp(a->action, b->action);
    return order != 0 ? order : ward_bytes_cmp(a->outcome, b->outcome);
}

static ward_status find_access(struct report_log *log, const struct report_access *wanted,
                               struct report_access **ret)
{
    size_t low = 0, high = log->n_access;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_access(wanted, &log->access[middle]);
        if (order == 0) {
            *ret = &log->access[middle];
            return WARD_OK;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    WARD_ENSURE(grow((void **)&log->access, log->n_access, &log->max_access, sizeof(*log->access)),
                WARD_E_EXHAUSTED);
    memmove(&log->access[low + 1], &log->access[low], (log->n_access - low) * sizeof(*log->access));
    log->n_access++;
    *ret = &log->access[low];
    **ret = *wanted;
    WARD_TRY(keep(log, wanted->day, &(*ret)->day));
    WARD_TRY(keep(log, wanted->action, &(*ret)->action));
    return keep(log, wanted->outcome, &(*ret)->outcome);
}

static bool next_item(struct ward_bytes *rest, struct ward_bytes *ret)
{
    unsigned depth = 0;
    bool quoted = false;
    size_t start = 0;
    for (size_t i = 0; i < rest->size; i++) {
        char c = (char)rest->data[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            start = depth++ == 0 ? i : start;
        } else if (c == '}' && depth > 0 && --depth == 0) {
            *ret = WARD_BYTES(rest->data + start, i + 1 - start);
            *rest = WARD_BYTES(rest->data + i + 1, rest->size - i - 1);
            return true;
        }
    }
    return false;
}

/* The items of a request, each under its own outcome. */
static ward_status count_items(struct report_log *log, struct leaf *leaf,
                               const struct report_access *of)
{
    struct ward_bytes rest = member(leaf->members, leaf->n_members, "items"), item;
    while (next_item(&rest, &item)) {
        struct ward_json_slice slices[8];
        size_t n = 0;
        int64_t count = 1;
        if (!ward_ok(ward_json_scan(item, slices, 8, &n))) {
            continue;
        }
        struct ward_bytes many = member(slices, n, "count");
        if (many.size > 0) {
            (void)ward_canonical_read_int(many, &count); /* else it stays one */
        }
        struct report_access key = *of, *found;
        key.outcome = text_of(leaf, member(slices, n, "outcome"));
        WARD_TRY(find_access(log, &key, &found));
        found->items += (uint64_t)count;
    }
    return WARD_OK;
}

static ward_status count(struct report_log *log, struct leaf *leaf, struct ward_bytes identity,
                         struct ward_bytes time)
{
    struct report_seen *seen;
    WARD_TRY(see(log, identity, time, &seen));
    const struct report_access key = {.day = WARD_BYTES(time.data, DAY_SIZE),
                                      .identity = seen->identity,
                                      .action = text(leaf, "action"),
                                      .outcome = text(leaf, "outcome"),
                                      .first_seen = seen->first};
    struct report_access *found;
    WARD_TRY(find_access(log, &key, &found));
    bool further = detail_number(leaf, "part", 1) > 1; /* of one request */
    found->entries += !further;
    found->emergencies +=
        !further && (detail(leaf, "emergency").size > 0 ||
                     ward_bytes_eq(key.action, WARD_BYTES_LITERAL("emergency.open")));
    return count_items(log, leaf, &key);
}

/* ---- keeping ---- */

static bool begins(struct ward_bytes text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static bool matters(struct leaf *leaf, struct ward_bytes action)
{
    if (ward_bytes_eq(action, WARD_BYTES_LITERAL("system.rewrap"))) {
        return detail_number(leaf, "rows_below_version", -1) == 0; /* more: the count goes on */
    }
    if (ward_bytes_eq(action, WARD_BYTES_LITERAL("system.rekey"))) {
        return ward_bytes_eq(detail(leaf, "job"), WARD_BYTES_LITERAL("done"));
    }
    static const char *const prefixes[] = {"approval.",      "identity.",     "policy.",
                                           "emergency.open", "system.rotate", "system.recover",
                                           "system.destroy", "key."};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (begins(action, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* "key:NAME#VERSION" or "NAME#VERSION". */
static void split_key(struct ward_bytes object, struct report_event *event)
{
    if (begins(object, "key:")) {
        object = WARD_BYTES(object.data + 4, object.size - 4);
    }
    const uint8_t *hash = object.size == 0 ? NULL : memrchr(object.data, '#', object.size);
    if (hash != NULL) {
        uint32_t version = 0;
        for (const uint8_t *at = hash + 1; at < object.data + object.size; at++) {
            version = version * 10 + (uint32_t)(*at - '0');
        }
        event->version = event->version == 0 ? version : event->version;
        object = WARD_BYTES(object.data, (size_t)(hash - object.data));
    }
    event->key = object;
}

static void read_key(struct leaf *leaf, struct report_event *event)
{
    struct ward_bytes key = detail(leaf, "key"), object = text(leaf, "object");
    int64_t version = detail_number(leaf, "to_version", detail_number(leaf, "version", 0));
    event->version = (uint32_t)version;
    if (key.size > 0) {
        split_key(key, event);
    } else if (begins(object, "key:")) {
        split_key(object, event);
    } else {
        event->key = detail(leaf, "whom").size > 0 ? detail(leaf, "whom") : object;
    }
}

static void read_proposal(struct leaf *leaf, struct report_event *event)
{
    struct ward_bytes object = text(leaf, "object");
    event->proposal = detail(leaf, "proposal");
    if (event->proposal.size == 0 && begins(object, "proposal:")) {
        event->proposal = WARD_BYTES(object.data + 9, object.size - 9);
    }
    event->proposer = detail(leaf, "proposer");
    event->approvers = detail(leaf, "approvers");
}

static ward_status keep_texts(struct report_log *log, struct report_event *event)
{
    struct ward_bytes *texts[] = {&event->time,      &event->identity,  &event->action,
                                  &event->executed,  &event->key,       &event->proposal,
                                  &event->proposer,  &event->approvers, &event->why,
                                  &event->recovered, &event->purpose};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        WARD_TRY(keep(log, *texts[i], texts[i]));
    }
    return WARD_OK;
}

static ward_status keep_event(struct report_log *log, struct leaf *leaf, uint64_t seq,
                              int64_t time_us)
{
    struct report_event event = {.seq = seq,
                                 .time_us = time_us,
                                 .time = text(leaf, "time"),
                                 .identity = text(leaf, "identity"),
                                 .action = text(leaf, "action"),
                                 .executed = detail(leaf, "executed"),
                                 .why = detail(leaf, "why"),
                                 .recovered = detail(leaf, "recovered"),
                                 .purpose = detail(leaf, "purpose")};
    event.rotation_period_days = detail_number(leaf, "rotation_period_days", -1);
    event.run = detail_number(leaf, "run", 0);
    event.waiting_days = detail_number(leaf, "waiting_days", -1);
    read_key(leaf, &event);
    read_proposal(leaf, &event);
    WARD_TRY(keep_texts(log, &event));
    WARD_ENSURE(grow((void **)&log->events, log->n_events, &log->max_events, sizeof(*log->events)),
                WARD_E_EXHAUSTED);
    log->events[log->n_events++] = event;
    return WARD_OK;
}

static ward_status take(struct report_log *log, struct ward_arena *arena, struct ward_bytes json,
                        uint64_t index)
{
    struct leaf leaf;
    if (!read_leaf(json, arena, &leaf)) {
        return WARD_OK; /* that it is no leaf, verify says */
    }
    int64_t time_us = 0;
    struct ward_bytes time = text(&leaf, "time"), action = text(&leaf, "action");
    if (!ward_time_parse((const char *)time.data, time.size, &time_us)) {
        return WARD_OK;
    }
    log->last_us = time_us;
    bool within = time_us >= log->span.from_us && time_us < log->span.to_us;
    struct ward_bytes identity = text(&leaf, "identity");
    if (within) {
        log->throttled += (uint64_t)detail_number(&leaf, "requests_throttled", 0);
        WARD_TRY(count(log, &leaf, identity, time));
    } else {
        struct report_seen *seen;
        WARD_TRY(see(log, identity, time, &seen));
    }
    bool allowed = ward_bytes_eq(text(&leaf, "outcome"), WARD_BYTES_LITERAL("allowed"));
    return allowed && time_us < log->span.to_us && matters(&leaf, action)
               ? keep_event(log, &leaf, index, time_us)
               : WARD_OK;
}

void report_log_leaf(void *context, struct ward_bytes json, uint64_t index)
{
    struct report_log *log = context;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    if (ward_ok(log->status)) {
        log->status = ward_arena_new((size_t)1 << 20, &arena);
    }
    if (ward_ok(log->status)) {
        log->status = take(log, arena, json, index);
    }
}
