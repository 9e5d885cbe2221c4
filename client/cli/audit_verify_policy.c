/* SPDX-License-Identifier: Apache-2.0 */
/* The policy that each entry says it was decided under, followed from one entry to the next.
 * Whoever holds the log's key can sign any entry; but each change of policy is one, and so an entry
 * under a policy that was not in force at its place shows. Only the first is told: what follows it
 * would rest on it.
 *
 *   entry 0            its `policy` is that of genesis, which the configuration names
 *   a run of policy.apply   from its own `policy`, "policy#N", to `to_hash`, "policy#N+1"
 *   allowed, refused   the one in force
 *   failed             the one in force at its epoch: it is not tried again when policy changes
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/audit_verify.h"
#include "proto/canonical.h"
#include "proto/tlog_tiles.h"

#define MEMBERS_MAX 32

struct entry {
    uint8_t policy[32];
    bool named, failed;
    int64_t epoch;
};

static bool is_text(struct ward_bytes json, const char *text)
{
    size_t size = strlen(text);
    return json.size == size + 2 && json.data[0] == '"' && memcmp(json.data + 1, text, size) == 0;
}

static bool read_hash(struct ward_bytes hex, uint8_t out[static 32])
{
    return hex.size == 64 && ward_hex_decode((const char *)hex.data, hex.size, out, 32);
}

static bool read_entry(struct ward_bytes json, struct entry *ret)
{
    struct ward_json_slice slices[MEMBERS_MAX];
    size_t n = 0;
    *ret = (struct entry){.named = false};
    if (!ward_ok(ward_json_scan(json, slices, MEMBERS_MAX, &n))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct ward_bytes name = slices[i].name, value = slices[i].value;
        if (ward_bytes_eq(name, WARD_BYTES_LITERAL("policy"))) {
            ret->named = value.size == 66 &&
                         read_hash(WARD_BYTES(value.data + 1, value.size - 2), ret->policy);
        } else if (ward_bytes_eq(name, WARD_BYTES_LITERAL("epoch"))) {
            (void)ward_canonical_read_int(value, &ret->epoch); /* 0 where it is none */
        } else if (ward_bytes_eq(name, WARD_BYTES_LITERAL("outcome"))) {
            ret->failed = is_text(value, "failed");
        }
    }
    return true;
}

static ward_status add_version(struct audit_policies *policies, const uint8_t hash[static 32],
                               uint64_t leaf, int64_t epoch)
{
    if (policies->n == policies->capacity) {
        size_t capacity = policies->capacity == 0 ? 16 : policies->capacity * 2;
        struct audit_policy *items = realloc(policies->items, capacity * sizeof(*items));
        WARD_ENSURE(items != NULL, WARD_E_EXHAUSTED);
        policies->items = items;
        policies->capacity = capacity;
    }
    struct audit_policy *next = &policies->items[policies->n++];
    *next = (struct audit_policy){.leaf = leaf, .epoch = epoch};
    memcpy(next->hash, hash, 32);
    return WARD_OK;
}

/* Of an entry that has failed, the one at its epoch; NULL: that is not known. */
static const struct audit_policy *in_force(const struct audit_policies *policies,
                                           const struct entry *entry)
{
    size_t n = policies->n;
    while (entry->failed && n > 1 && policies->items[n - 1].epoch > entry->epoch) {
        n--;
    }
    return n == 0 ? NULL : &policies->items[n - 1];
}

static void break_chain(struct audit_check *check, uint64_t leaf, const char *text)
{
    uint64_t index = leaf / WARD_TILE_WIDTH;
    struct ward_tile tile = {.index = index,
                             .width = ward_tile_width(check->report->checkpoint.size, 0, index)};
    char path[WARD_TILE_PATH_MAX];
    ward_tile_entries_path(&tile, path);
    check->policies.broken = true;
    audit_say(check, "unsigned", path, (int64_t)leaf,
              "leaf %llu: %s; what follows it was not "
              "held against policy",
              (unsigned long long)leaf, text);
}

/* The leaf that was collected just now, when it ran a change of policy. */
static const struct audit_leaf *find_change(const struct audit_check *check, uint64_t leaf)
{
    const struct audit_leaves *leaves = &check->leaves;
    const struct audit_leaf *last = leaves->n == 0 ? NULL : &leaves->items[leaves->n - 1];
    return last != NULL && last->index == leaf &&
                   ward_bytes_eq(last->executed, WARD_BYTES_LITERAL("policy.apply"))
               ? last
               : NULL;
}

static ward_status follow_change(struct audit_check *check, const struct audit_leaf *change,
                                 const struct entry *entry)
{
    char made[32];
    uint8_t to[32];
    (void)snprintf(made, sizeof(made), "policy#%zu", check->policies.n + 1);
    if (!ward_bytes_eq(change->whom, ward_bytes_str(made)) || !read_hash(change->to_hash, to)) {
        break_chain(check, change->index,
                    "it ran a change of policy that does not make the version after the one in "
                    "force");
        return WARD_OK;
    }
    return add_version(&check->policies, to, change->index, entry->epoch + 1);
}

ward_status audit_verify_policy(struct audit_check *check, struct ward_bytes json, uint64_t leaf)
{
    struct audit_policies *policies = &check->policies;
    struct entry entry;
    if (policies->broken || leaf != policies->next++) {
        policies->broken = true; /* across a hole, which is told of, nothing can be followed */
        return WARD_OK;
    }
    if (!read_entry(json, &entry)) {
        break_chain(check, leaf, "it cannot be read");
        return WARD_OK;
    }
    if (!entry.named) {
        break_chain(check, leaf, "it does not name the policy that decided it");
        return WARD_OK;
    }
    if (leaf == 0) {
        return add_version(policies, entry.policy, 0, 0);
    }
    const struct audit_policy *expected = in_force(policies, &entry);
    if (expected == NULL || memcmp(expected->hash, entry.policy, 32) != 0) {
        break_chain(check, leaf, "it was decided under a policy that was not in force there");
        return WARD_OK;
    }
    const struct audit_leaf *change = find_change(check, leaf);
    return change == NULL ? WARD_OK : follow_change(check, change, &entry);
}

bool audit_policy_known(const struct audit_check *check, const uint8_t hash[static 32],
                        uint64_t leaf)
{
    const struct audit_policies *policies = &check->policies;
    bool known = policies->broken; /* told already, and not for each again */
    for (size_t i = 0; i < policies->n; i++) {
        known |= policies->items[i].leaf < leaf && memcmp(policies->items[i].hash, hash, 32) == 0;
    }
    return known;
}

void audit_policies_fini(struct audit_policies *policies)
{
    free(policies->items);
    *policies = (struct audit_policies){0};
}
