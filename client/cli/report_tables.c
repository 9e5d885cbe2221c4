/* SPDX-License-Identifier: Apache-2.0 */
/* The four reports, made of what was read. What is late is late as of the end of the span, or of
 * the log where that comes first: never of the clock. */
#include "client/cli/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/cli/audit_folder.h"
#include "client/cli/audit_views.h"
#include "client/cli/out.h"
#include "policy/action.h"
#include "proto/canonical.h"
#include "proto/proposal.h"

#define DAY_US (24 * 3600 * 1000000LL)
#define PERIOD_DAYS 365 /* where the log does not say */

/* ---- cells ---- */

void report_table_cell(struct report_table *table, struct ward_bytes text)
{
    if (table->n_cells == table->max_cells) {
        size_t more = table->max_cells == 0 ? 1024 : table->max_cells * 2;
        struct ward_bytes *cells = reallocarray(table->cells, more, sizeof(*cells));
        if (cells == NULL) {
            table->status = WARD_STATUS(WARD_E_EXHAUSTED);
            return;
        }
        table->cells = cells;
        table->max_cells = more;
    }
    struct ward_bytes kept = {0};
    ward_status status = ward_arena_copy(table->arena, text, &kept);
    table->status = ward_ok(table->status) ? status : table->status;
    table->cells[table->n_cells++] = kept;
}

void report_table_text(struct report_table *table, const char *text)
{
    report_table_cell(table, ward_bytes_str(text));
}

void report_table_number(struct report_table *table, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    report_table_text(table, text);
}

static void time_cell(struct report_table *table, int64_t time_us)
{
    char text[WARD_TIME_TEXT_SIZE] = "";
    if (time_us > 0) {
        ward_time_print(time_us, text);
    }
    report_table_text(table, text);
}

static bool is(struct ward_bytes text, const char *what)
{
    return ward_bytes_eq(text, ward_bytes_str(what));
}

static bool within(const struct report_log *log, int64_t time_us)
{
    return time_us >= log->span.from_us && time_us < log->span.to_us;
}

static int64_t as_of(const struct report_log *log)
{
    return log->last_us < log->span.to_us ? log->last_us : log->span.to_us;
}

/* Of a span that ended nobody yet knows what came after it. */
static bool known(const struct report_log *log, const struct report_event *event)
{
    return event->time_us < log->span.to_us;
}

/* ---- access ---- */

static void make_access(struct report_log *log, struct report_table *table)
{
    for (size_t i = 0; i < log->n_access; i++) {
        const struct report_access *row = &log->access[i];
        report_table_cell(table, row->day);
        report_table_cell(table, row->identity);
        report_table_cell(table, row->action);
        report_table_cell(table, row->outcome);
        report_table_number(table, (int64_t)row->entries);
        report_table_number(table, (int64_t)row->items);
        report_table_number(table, (int64_t)row->emergencies);
        report_table_cell(table, row->first_seen);
    }
    if (log->throttled > 0) { /* of whom is not in the log, only how many */
        static const char *const cells[] = {"", "", "", "throttled"};
        for (size_t i = 0; i < 4; i++) {
            report_table_text(table, cells[i]);
        }
        report_table_number(table, (int64_t)log->throttled);
        report_table_text(table, "0");
        report_table_text(table, "0");
        report_table_text(table, "");
    }
}

/* ---- rotation ---- */

/* What happened to the key, in the words of the actions; empty: nothing. */
static struct ward_bytes key_event(const struct report_event *event)
{
    static const char prefix[] = "key.";
    struct ward_bytes name = event->executed.size > 0 ? event->executed : event->action;
    if (is(event->action, "system.rewrap")) {
        return WARD_BYTES_LITERAL("no rows below");
    }
    if (is(event->action, "system.rekey")) {
        return WARD_BYTES_LITERAL("rekeyed");
    }
    if (is(event->action, "system.destroy") || is(event->action, "system.rotate")) {
        return is(event->action, "system.destroy") ? WARD_BYTES_LITERAL("destroyed")
                                                   : WARD_BYTES_LITERAL("key.rotate");
    }
    bool of_key = (name.size > 4 && memcmp(name.data, prefix, 4) == 0) ||
                  is(event->executed, "audit.rotate-log-key");
    /* A draft only proposes, and who looks changes nothing. */
    bool happened = event->executed.size > 0 || is(event->action, "key.create") ||
                    (is(event->action, "key.rekey") && event->run > 0);
    bool draft = event->executed.size == 0 && event->proposal.size > 0;
    return of_key && happened && !draft ? name : (struct ward_bytes){0};
}

static const char *how(const struct report_event *event)
{
    if (event->recovered.size > 0) {
        return "recovered";
    }
    if (is(event->identity, "system")) {
        return "by itself";
    }
    return event->approvers.size > 0 ? "approved" : "one signature";
}

static int by_key(const void *left, const void *right)
{
    const struct report_event *a = *(const struct report_event *const *)left;
    const struct report_event *b = *(const struct report_event *const *)right;
    int order = ward_bytes_cmp(a->key, b->key);
    order = order != 0 ? order : (a->version > b->version) - (a->version < b->version);
    return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

/* ---- proposals ---- */

struct proposal {
    struct ward_bytes id, action, object, proposer, approvers, reviewer, closer, reason;
    int64_t proposed_us, signed_us, decided_us, reviewed_us, expires_us;
    const char *state;
    bool touched;    /* in the span */
    bool one_signed; /* it ran without anybody's approval */
};

struct proposals {
    struct proposal *items;
    size_t n;
};

static struct proposal *find_proposal(struct proposals *proposals, struct ward_bytes id)
{
    for (size_t i = proposals->n; i > 0; i--) { /* what happens next is mostly to the newest */
        if (ward_bytes_eq(proposals->items[i - 1].id, id)) {
            return &proposals->items[i - 1];
        }
    }
    struct proposal *made = &proposals->items[proposals->n++];
    *made = (struct proposal){.id = id, .state = "draft"};
    return made;
}

static void add_name(struct ward_arena *arena, struct ward_bytes *names, struct ward_bytes name)
{
    char *joined =
        ward_arena_printf(arena, "%.*s%s%.*s", (int)names->size, (const char *)names->data,
                          names->size > 0 ? " " : "", (int)name.size, (const char *)name.data);
    *names = joined == NULL ? *names : ward_bytes_str(joined);
}

static void run(struct proposal *to, const struct report_event *event)
{
    to->state = "executed";
    to->decided_us = event->time_us;
    to->action = event->executed.size > 0 ? event->executed : event->action;
    to->object = event->key;
    to->proposer = event->proposer.size > 0 ? event->proposer : to->proposer;
    to->one_signed = event->approvers.size == 0;
}

static void follow(struct report_log *log, struct proposal *to, const struct report_event *event)
{
    to->touched |= within(log, event->time_us);
    if (is(event->action, "approval.submit")) {
        to->signed_us = event->time_us;
        to->proposer = event->identity;
        to->state = "open";
    } else if (is(event->action, "approval.approve")) {
        add_name(log->arena, &to->approvers, event->identity);
    } else if (is(event->action, "approval.reject") || is(event->action, "approval.withdraw")) {
        to->state = is(event->action, "approval.reject") ? "rejected" : "withdrawn";
        to->decided_us = event->time_us;
        to->closer = event->identity;
    } else if (is(event->action, "approval.review")) {
        to->reviewed_us = event->time_us;
        to->reviewer = event->identity;
    } else if (is(event->action, "emergency.open")) {
        to->proposed_us = event->time_us;
        to->proposer = event->identity;
        run(to, event);
    } else if (event->executed.size == 0 && to->proposed_us == 0) {
        to->proposed_us = event->time_us;
        to->proposer = event->identity;
        to->action = event->action;
        to->object = event->key;
    }
    if (event->executed.size > 0) {
        run(to, event);
    }
}

/* From the payload that was signed, which verify has held against the log. */
static void read_payload(struct report_log *log, struct proposal *to)
{
    char path[AUDIT_APPROVAL_PATH_MAX];
    struct ward_buffer file;
    struct ward_json_slice slices[8];
    size_t n = 0, size = 0;
    struct ward_bytes text;
    struct ward_proposal parsed;
    audit_approval_path(to->id, path);
    ward_buffer_init(&file, AUDIT_FILE_MAX);
    bool read = log->folder >= 0 && audit_folder_read(log->folder, path, &file) &&
                ward_ok(ward_json_scan(ward_buffer_view(&file), slices, 8, &n));
    for (size_t i = 0; read && i < n; i++) {
        if (!is(slices[i].name, "payload") ||
            !ward_canonical_read_text(slices[i].value, log->arena, &text)) {
            continue;
        }
        uint8_t *bytes = ward_arena_alloc(log->arena, text.size + 1);
        if (bytes != NULL && ward_base64_decode((const char *)text.data, text.size, bytes, &size) &&
            ward_ok(ward_proposal_parse(WARD_BYTES(bytes, size), log->arena, &parsed))) {
            to->expires_us = parsed.expires_us;
            to->action = parsed.action;
            to->object = parsed.object;
            to->reason = parsed.reason;
        }
    }
    ward_buffer_fini(&file);
    bool open = strcmp(to->state, "open") == 0;
    if (open && to->expires_us > 0 && to->expires_us <= as_of(log)) {
        to->state = "expired";
        to->decided_us = to->expires_us;
    }
}

static void collect(struct report_log *log, struct proposals *ret)
{
    *ret = (struct proposals){WARD_ARENA_ARRAY(log->arena, struct proposal, log->n_events + 1), 0};
    for (size_t i = 0; ret->items != NULL && i < log->n_events; i++) {
        const struct report_event *event = &log->events[i];
        bool of_rows = is(event->action, "system.destroy") || is(event->action, "approval.show");
        if (event->proposal.size > 0 && !of_rows && known(log, event)) {
            follow(log, find_proposal(ret, event->proposal), event);
        }
    }
    for (size_t i = 0; i < ret->n; i++) {
        read_payload(log, &ret->items[i]);
    }
}

static bool wants_review(const struct proposal *proposal)
{
    enum ward_action action;
    return strcmp(proposal->state, "executed") == 0 && proposal->one_signed &&
           ward_action_find(proposal->action, &action) &&
           (ward_action_at_once(action) || action == WARD_ACTION_EMERGENCY_OPEN);
}

static void make_approvals(struct report_log *log, struct report_table *table)
{
    struct proposals proposals;
    collect(log, &proposals);
    for (size_t i = 0; i < proposals.n; i++) {
        const struct proposal *row = &proposals.items[i];
        if (!row->touched) {
            continue;
        }
        report_table_cell(table, row->id);
        report_table_cell(table, row->action);
        report_table_cell(table, row->object);
        report_table_text(table, row->state);
        report_table_cell(table, row->proposer);
        time_cell(table, row->proposed_us);
        time_cell(table, row->signed_us);
        report_table_cell(table, row->approvers);
        time_cell(table, row->decided_us);
        report_table_cell(table, row->closer);
        report_table_text(table, row->reviewed_us > 0 ? "reviewed"
                                 : wants_review(row)  ? "pending"
                                                      : "");
        report_table_cell(table, row->reviewer);
        report_table_cell(table, row->reason);
    }
}

/* ---- what happened to each key ---- */

/* A rewrap that found nothing below a version says so each time, and the first time counts. */
static bool said_already(const struct report_event *before, const struct report_event *event)
{
    return is(event->action, "system.rewrap") && is(before->action, "system.rewrap") &&
           before->version == event->version && ward_bytes_eq(before->key, event->key);
}

static struct ward_bytes reason_of(const struct proposals *proposals, struct ward_bytes id)
{
    for (size_t i = proposals->n; i > 0 && id.size > 0; i--) {
        if (ward_bytes_eq(proposals->items[i - 1].id, id)) {
            return proposals->items[i - 1].reason;
        }
    }
    return (struct ward_bytes){0};
}

static void make_rotation(struct report_log *log, struct report_table *table)
{
    const struct report_event **found =
        WARD_ARENA_ARRAY(log->arena, const struct report_event *, log->n_events);
    struct proposals proposals;
    collect(log, &proposals);
    size_t n = 0;
    for (size_t i = 0; found != NULL && i < log->n_events; i++) {
        const struct report_event *event = &log->events[i];
        if (within(log, event->time_us) && key_event(event).size > 0) {
            found[n++] = event;
        }
    }
    if (n > 0) {
        qsort(found, n, sizeof(*found), by_key);
    }
    for (size_t i = 0; i < n; i++) {
        const struct report_event *event = found[i];
        if (i > 0 && said_already(found[i - 1], event)) {
            continue;
        }
        report_table_cell(table, event->key);
        report_table_number(table, event->version);
        report_table_cell(table, event->time);
        report_table_cell(table, key_event(event));
        report_table_text(table, how(event));
        report_table_cell(table, event->why);
        report_table_cell(table, reason_of(&proposals, event->proposal));
        report_table_cell(table, event->proposer.size > 0 ? event->proposer : event->identity);
        report_table_cell(table, event->approvers);
        report_table_cell(table, event->proposal);
        report_table_number(table, (int64_t)event->seq);
    }
}

/* ---- overdue ---- */

static void late(struct report_table *table, const char *what, struct ward_bytes object,
                 int64_t since_us, int64_t now_us, struct ward_bytes by)
{
    report_table_text(table, what);
    report_table_cell(table, object);
    time_cell(table, since_us);
    report_table_number(table, now_us > since_us ? (now_us - since_us) / DAY_US : 0);
    report_table_cell(table, by);
}

static struct ward_bytes version_name(struct report_log *log, const struct report_event *event)
{
    char *text = ward_arena_printf(log->arena, "%.*s#%u", (int)event->key.size,
                                   (const char *)event->key.data, event->version);
    return text == NULL ? event->key : ward_bytes_str(text);
}

static bool later(const struct report_log *log, size_t after, const char *what,
                  const struct report_event *of, uint32_t least)
{
    for (size_t i = after + 1; i < log->n_events; i++) {
        const struct report_event *event = &log->events[i];
        if (known(log, event) && is(key_event(event), what) && ward_bytes_eq(event->key, of->key) &&
            event->version >= least) {
            return true;
        }
    }
    return false;
}

static int64_t period_days(const struct report_log *log, const struct report_event *of)
{
    int64_t days = PERIOD_DAYS;
    for (size_t i = 0; i < log->n_events; i++) {
        const struct report_event *event = &log->events[i];
        if (known(log, event) && event->rotation_period_days > 0 &&
            ward_bytes_eq(event->key, of->key)) {
            days = event->rotation_period_days;
        }
    }
    return days;
}

/* Rows leave a compromised version by themselves; what applications hold they rewrap, and only its
 * destruction shows that nobody needs it any more. */
static const char *still_needed(const struct report_log *log, const struct report_event *of)
{
    for (size_t i = 0; i < log->n_events; i++) {
        const struct report_event *event = &log->events[i];
        if (is(event->purpose, "data-keys") && ward_bytes_eq(event->key, of->key)) {
            return "compromised version not destroyed";
        }
    }
    return "compromised version with rows";
}

static bool has_run(const struct report_log *log, size_t i, const char *what,
                    const struct report_event *of)
{
    const struct report_event *event = &log->events[i];
    return known(log, event) && is(key_event(event), what) && ward_bytes_eq(event->key, of->key);
}

/* A run that began after the entry, and is done: who asks for one that is under way is told its
 * number, and it heals nothing that happened since. */
static bool rekeyed_since(const struct report_log *log, size_t after, const struct report_event *of)
{
    for (size_t i = after + 1; i < log->n_events; i++) {
        bool done = has_run(log, i, "rekeyed", of);
        for (size_t k = 0; k < after && done; k++) {
            done = !has_run(log, k, "key.rekey", of) || log->events[k].run != log->events[i].run;
        }
        if (done) {
            return true;
        }
    }
    return false;
}

/* Rows that moved off it took the subject keys along that it had wrapped. */
static bool owes_rekey(const struct report_log *log, size_t i)
{
    const struct report_event *of = &log->events[i];
    bool records = false;
    for (size_t k = 0; k < log->n_events; k++) {
        records |=
            is(log->events[k].purpose, "records") && ward_bytes_eq(log->events[k].key, of->key);
    }
    return records && !rekeyed_since(log, i, of);
}

static void late_keys(struct report_log *log, struct report_table *table, int64_t now_us)
{
    for (size_t i = 0; i < log->n_events; i++) {
        const struct report_event *event = &log->events[i];
        struct ward_bytes what = known(log, event) ? key_event(event) : (struct ward_bytes){0};
        if (is(what, "key.create") || is(what, "key.rotate")) {
            int64_t due_us = event->time_us + period_days(log, event) * DAY_US;
            bool newest = !later(log, i, "key.rotate", event, 0) &&
                          !later(log, i, "destroyed", event, event->version);
            if (newest && due_us < now_us) {
                late(table, "rotation past its period", version_name(log, event), due_us, now_us,
                     event->proposer);
            }
        } else if (is(what, "key.compromise")) {
            if (!later(log, i, "no rows below", event, event->version + 1) &&
                !later(log, i, "destroyed", event, event->version)) {
                late(table, still_needed(log, event), version_name(log, event), event->time_us,
                     now_us, event->proposer);
            }
            if (owes_rekey(log, i)) {
                late(table, "rekey owed after a compromise", version_name(log, event),
                     event->time_us, now_us, event->proposer);
            }
        } else if (is(what, "key.destroy") && event->waiting_days >= 0) {
            int64_t due_us = event->time_us + event->waiting_days * DAY_US;
            if (due_us < now_us && !later(log, i, "destroyed", event, event->version) &&
                !later(log, i, "key.cancel-destroy", event, event->version)) {
                late(table, "destruction past its day", version_name(log, event), due_us, now_us,
                     event->proposer);
            }
        }
    }
}

static void late_proposals(struct report_log *log, struct report_table *table, int64_t now_us)
{
    struct proposals proposals;
    collect(log, &proposals);
    for (size_t i = 0; i < proposals.n; i++) {
        const struct proposal *row = &proposals.items[i];
        if (wants_review(row) && row->reviewed_us == 0) {
            late(table, "review pending", row->id, row->decided_us, now_us, row->proposer);
        } else if (strcmp(row->state, "expired") == 0 && within(log, row->expires_us)) {
            late(table, "proposal expired unexecuted", row->id, row->expires_us, now_us,
                 row->proposer);
        }
    }
}

static void make_overdue(struct report_log *log, struct report_table *table)
{
    late_keys(log, table, as_of(log));
    late_proposals(log, table, as_of(log));
}

/* ---- the table of them ---- */

static const char *const access_columns[] = {"day",     "identity", "action",      "outcome",
                                             "entries", "items",    "emergencies", "first_seen"};
static const char *const rotation_columns[] = {"key",       "version",  "time",   "event",
                                               "how",       "why",      "reason", "proposer",
                                               "approvers", "proposal", "leaf"};
static const char *const approvals_columns[] = {
    "proposal",  "action",  "object",    "state",  "proposer", "proposed", "signed",
    "approvers", "decided", "closed_by", "review", "reviewer", "reason"};
static const char *const overdue_columns[] = {"what", "object", "since", "days", "proposer"};

_Static_assert(sizeof(approvals_columns) / sizeof(approvals_columns[0]) <= CLI_COLUMNS_MAX &&
                   sizeof(rotation_columns) / sizeof(rotation_columns[0]) <= CLI_COLUMNS_MAX,
               "what a terminal shows has room for every column");

#define ROW(name, make)                                                                 \
    {                                                                                   \
#name, name##_columns, sizeof(name##_columns) / sizeof(name##_columns[0]), make \
    }
static const struct {
    const char *name;
    const char *const *columns;
    size_t n_columns;
    void (*make)(struct report_log *log, struct report_table *table);
} reports[] = {ROW(rotation, make_rotation), ROW(access, make_access),
               ROW(approvals, make_approvals), ROW(overdue, make_overdue)};

bool report_make(const char *name, struct report_log *log, struct report_table *ret)
{
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        if (strcmp(reports[i].name, name) == 0) {
            *ret = (struct report_table){.arena = log->arena,
                                         .name = name,
                                         .columns = reports[i].columns,
                                         .n_columns = reports[i].n_columns};
            reports[i].make(log, ret);
            return true;
        }
    }
    return false;
}
