/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Pure: effects, rows and heads in, sums and verdicts out. A fact's form is its
 * kind's byte, then each field: numbers big-endian and of fixed size, ids as they are, texts with
 * their size before them. No fact has an optional field. */
#include "server/integrity.h"

#include <openssl/crypto.h>

#define WHAT_TO_DO                                                                  \
    "was changed by somebody else than Ward, and nothing is served on it: restore " \
    "the database from a backup, or call the officers"
#define WHAT_TO_DO_ROWS                                                                \
    "were changed by somebody else than Ward, and nothing is served on them: restore " \
    "the database from a backup, or call the officers"

/* The first byte of everything that is hashed under the key. Never used again for another form. */
enum domain {
    DOMAIN_TAG = 0,
    DOMAIN_MASK = 1,
    FACT_DEPLOYMENT = 16,
    FACT_INDEX_KEY = 17,
    FACT_KEK = 18,
    FACT_KEK_ENABLED = 19,
    FACT_KEK_PERIOD = 20,
    FACT_VERSION = 21,
    FACT_VERSION_STATE = 22,
    FACT_POLICY = 23,
    FACT_POLICY_CEASED = 24,
    FACT_REVOCATION = 25,
    FACT_EMERGENCY = 26,
    FACT_INTENT = 27,
    FACT_LOG_KEY = 28,
};

/* ---- numbers of 256 bits, big-endian ---- */

static void add(uint8_t sum[static WARD_HASH_SIZE], const uint8_t more[static WARD_HASH_SIZE])
{
    unsigned carry = 0;
    for (size_t i = WARD_HASH_SIZE; i-- > 0;) {
        carry += (unsigned)sum[i] + more[i];
        sum[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static void subtract(uint8_t sum[static WARD_HASH_SIZE], const uint8_t less[static WARD_HASH_SIZE])
{
    unsigned borrow = 0;
    for (size_t i = WARD_HASH_SIZE; i-- > 0;) {
        unsigned difference = 256u + sum[i] - less[i] - borrow;
        sum[i] = (uint8_t)difference;
        borrow = difference < 256;
    }
}

/* ---- facts ---- */

#define PARTS_MAX 8
#define FIXED_MAX 128

/* A fact on its way into a sum: its fixed fields are collected, texts are borrowed. */
struct fact {
    enum ward_facts kind;
    bool ends; /* it is taken away */
    uint8_t fixed[FIXED_MAX];
    size_t used;
    struct ward_bytes parts[PARTS_MAX];
    size_t n_parts;
};

static struct fact begin(enum ward_facts kind, enum domain domain, bool ends)
{
    return (struct fact){.kind = kind, .ends = ends, .fixed = {(uint8_t)domain}, .used = 1};
}

static void put(struct fact *fact, const void *data, size_t size)
{
    memcpy(fact->fixed + fact->used, data, size);
    fact->used += size;
}

static void put_u8(struct fact *fact, uint8_t v)
{
    put(fact, &v, 1);
}

static void put_u32(struct fact *fact, uint32_t v)
{
    uint8_t bytes[4];
    ward_put_u32(bytes, v);
    put(fact, bytes, sizeof(bytes));
}

static void put_u64(struct fact *fact, uint64_t v)
{
    uint8_t bytes[8];
    ward_put_u64(bytes, v);
    put(fact, bytes, sizeof(bytes));
}

static void put_id(struct fact *fact, const struct ward_id *id)
{
    put(fact, id->bytes, sizeof(id->bytes));
}

/* Texts come last: after one, no fixed field is put. */
static void put_text(struct fact *fact, struct ward_bytes text)
{
    size_t at = fact->used;
    put_u32(fact, (uint32_t)text.size);
    if (fact->n_parts == 0) {
        fact->parts[fact->n_parts++] = WARD_BYTES(fact->fixed, fact->used);
    } else {
        fact->parts[fact->n_parts++] = WARD_BYTES(fact->fixed + at, fact->used - at);
    }
    fact->parts[fact->n_parts++] = text;
}

/* The sums being made; sticky. */
struct sums {
    const struct ward_integrity *integrity;
    uint8_t (*at)[WARD_HASH_SIZE];
    bool changed;
    ward_status status;
};

static void count(struct sums *sums, struct fact *fact)
{
    uint8_t number[WARD_HASH_SIZE];
    if (!ward_ok(sums->status)) {
        return;
    }
    if (fact->n_parts == 0) {
        fact->parts[fact->n_parts++] = WARD_BYTES(fact->fixed, fact->used);
    }
    sums->status = ward_hmac_sha256(sums->integrity->digest, sums->integrity->key, fact->parts,
                                    fact->n_parts, number);
    if (ward_ok(sums->status)) {
        (fact->ends ? subtract : add)(sums->at[fact->kind], number);
        sums->changed = true;
    }
    OPENSSL_cleanse(number, sizeof(number));
}

static void deployment(struct sums *sums, const struct ward_store_deployment *d)
{
    /* Not the schema's version, which a migration moves. */
    struct fact fact = begin(WARD_FACTS_DEPLOYMENT, FACT_DEPLOYMENT, false);
    put_id(&fact, &d->id);
    put(&fact, d->genesis_policy_hash, sizeof(d->genesis_policy_hash));
    put_id(&fact, &d->log_key);
    put_u8(&fact, d->log_algorithm);
    put_u64(&fact, (uint64_t)d->created_us);
    put_text(&fact, d->origin);
    put_text(&fact, d->log_public_key);
    count(sums, &fact);
}

static void index_key(struct sums *sums, const struct ward_store_index_key *key)
{
    struct fact fact = begin(WARD_FACTS_DEPLOYMENT, FACT_INDEX_KEY, false);
    put_text(&fact, key->name);
    put_text(&fact, key->wrapped);
    count(sums, &fact);
}

static void log_key(struct sums *sums, const struct ward_store_log_key *key)
{
    struct fact fact = begin(WARD_FACTS_DEPLOYMENT, FACT_LOG_KEY, false);
    put_u32(&fact, key->version);
    put_u8(&fact, key->algorithm);
    put_u64(&fact, key->leaf);
    put_id(&fact, &key->proposal);
    put_u64(&fact, (uint64_t)key->created_us);
    put_text(&fact, key->public_key);
    count(sums, &fact);
}

static void enabled(struct sums *sums, const struct ward_id *kek, bool is, bool ends)
{
    struct fact fact = begin(WARD_FACTS_KEYS, FACT_KEK_ENABLED, ends);
    put_id(&fact, kek);
    put_u8(&fact, is ? 1 : 0);
    count(sums, &fact);
}

static void period(struct sums *sums, const struct ward_id *kek, uint32_t days, bool ends)
{
    struct fact fact = begin(WARD_FACTS_KEYS, FACT_KEK_PERIOD, ends);
    put_id(&fact, kek);
    put_u32(&fact, days);
    count(sums, &fact);
}

static void kek(struct sums *sums, const struct ward_store_kek *k)
{
    struct fact fact = begin(WARD_FACTS_KEYS, FACT_KEK, false);
    put_id(&fact, &k->id);
    put_u8(&fact, k->purpose);
    put_u64(&fact, (uint64_t)k->created_us);
    put_text(&fact, k->name);
    put_text(&fact, k->backend);
    count(sums, &fact);
    enabled(sums, &k->id, k->enabled, false);
    period(sums, &k->id, k->rotation_period_days, false);
}

static void version_state(struct sums *sums, const struct ward_store_kek_version *v, bool ends)
{
    struct fact fact = begin(WARD_FACTS_KEYS, FACT_VERSION_STATE, ends);
    put_id(&fact, &v->kek);
    put_u32(&fact, v->version);
    put_u8(&fact, v->state);
    put_u8(&fact, v->prior);
    put_u64(&fact, (uint64_t)v->due_us);
    put_u64(&fact, (uint64_t)v->changed_us);
    count(sums, &fact);
}

static void version(struct sums *sums, const struct ward_store_kek_version *v)
{
    struct fact fact = begin(WARD_FACTS_KEYS, FACT_VERSION, false);
    put_id(&fact, &v->kek);
    put_u32(&fact, v->version);
    put_u64(&fact, (uint64_t)v->created_us);
    count(sums, &fact);
    version_state(sums, v, false);
}

static void policy(struct sums *sums, uint32_t number, const uint8_t hash[static WARD_HASH_SIZE],
                   const struct ward_id *proposal, int64_t created_us)
{
    struct fact fact = begin(WARD_FACTS_POLICY, FACT_POLICY, false);
    put_u32(&fact, number);
    put(&fact, hash, WARD_HASH_SIZE);
    put_id(&fact, proposal);
    put_u64(&fact, (uint64_t)created_us);
    count(sums, &fact);
}

static void policy_ceased(struct sums *sums, uint32_t number, int64_t ceased_us)
{
    struct fact fact = begin(WARD_FACTS_POLICY, FACT_POLICY_CEASED, false);
    put_u32(&fact, number);
    put_u64(&fact, (uint64_t)ceased_us);
    count(sums, &fact);
}

static void revocation(struct sums *sums, uint8_t kind, struct ward_bytes value,
                       const struct ward_id *proposal, int64_t created_us, bool ends)
{
    struct fact fact = begin(WARD_FACTS_REVOCATIONS, FACT_REVOCATION, ends);
    put_u8(&fact, kind);
    put_id(&fact, proposal);
    put_u64(&fact, (uint64_t)created_us);
    put_text(&fact, value);
    count(sums, &fact);
}

static void emergency(struct sums *sums, const struct ward_store_emergency *e, bool ends)
{
    struct fact fact = begin(WARD_FACTS_EMERGENCIES, FACT_EMERGENCY, ends);
    put_id(&fact, &e->id);
    put(&fact, e->subject_hash, sizeof(e->subject_hash));
    put_u64(&fact, (uint64_t)e->opened_us);
    put_u64(&fact, (uint64_t)e->expires_us);
    put_text(&fact, e->identity);
    put_text(&fact, e->collection);
    count(sums, &fact);
}

/* One that was forged would have a key destroyed that is not this deployment's, where several share
 * a token. */
static void intent(struct sums *sums, const struct ward_store_intent *i, bool ends)
{
    struct fact fact = begin(WARD_FACTS_KEYS, FACT_INTENT, ends);
    put_id(&fact, &i->id);
    put_id(&fact, &i->kek);
    put_id(&fact, &i->proposal);
    put_u32(&fact, i->version);
    put_u8(&fact, i->effect);
    put_u64(&fact, (uint64_t)i->created_us);
    put_text(&fact, i->node);
    count(sums, &fact);
}

/* ---- what an effect ends and begins ---- */

static void move_version(struct sums *sums, const struct ward_effect *effect)
{
    const struct ward_store_kek_version before = {.kek = effect->kek_state.kek,
                                                  .version = effect->kek_state.version,
                                                  .state = effect->kek_state.from,
                                                  .prior = effect->kek_state.from_prior,
                                                  .due_us = effect->kek_state.from_due_us,
                                                  .changed_us = effect->kek_state.from_changed_us};
    struct ward_store_kek_version after = before;
    after.state = effect->kek_state.to;
    after.prior = effect->kek_state.prior;
    after.due_us = effect->kek_state.due_us;
    after.changed_us = effect->kek_state.changed_us;
    version_state(sums, &before, true);
    version_state(sums, &after, false);
}

static void apply(struct sums *sums, const struct ward_effect *effect)
{
    switch (effect->kind) {
    case WARD_EFFECT_KEK:
        kek(sums, &effect->kek);
        return;
    case WARD_EFFECT_KEK_VERSION:
        version(sums, &effect->kek_version);
        return;
    case WARD_EFFECT_KEK_STATE:
        move_version(sums, effect);
        return;
    case WARD_EFFECT_KEK_ENABLED:
        enabled(sums, &effect->kek_enabled.kek, effect->kek_enabled.from, true);
        enabled(sums, &effect->kek_enabled.kek, effect->kek_enabled.to, false);
        return;
    case WARD_EFFECT_KEK_PERIOD:
        period(sums, &effect->kek_period.kek, effect->kek_period.from, true);
        period(sums, &effect->kek_period.kek, effect->kek_period.to, false);
        return;
    case WARD_EFFECT_DEPLOYMENT:
        deployment(sums, &effect->deployment);
        return;
    case WARD_EFFECT_POLICY:
        policy(sums, effect->policy.version, effect->policy.hash, &effect->policy.proposal,
               effect->policy.created_us);
        if (effect->policy.follows) {
            policy_ceased(sums, effect->policy.version - 1, effect->policy.created_us);
        }
        return;
    case WARD_EFFECT_INDEX_KEY:
        index_key(sums, &effect->index_key);
        return;
    case WARD_EFFECT_LOG_KEY:
        log_key(sums, &effect->log_key);
        return;
    case WARD_EFFECT_REVOCATION:
        revocation(sums, effect->revocation.kind, effect->revocation.value,
                   &effect->revocation.proposal, effect->revocation.created_us, false);
        return;
    case WARD_EFFECT_UNREVOCATION:
        revocation(sums, effect->unrevocation.kind, effect->unrevocation.value,
                   &effect->unrevocation.proposal, effect->unrevocation.created_us, true);
        return;
    case WARD_EFFECT_EMERGENCY:
        emergency(sums, &effect->emergency, false);
        return;
    case WARD_EFFECT_EMERGENCY_CLOSED:
        emergency(sums, &effect->emergency_closed.was, true);
        return;
    case WARD_EFFECT_INTENT:
        intent(sums, &effect->intent, false);
        return;
    case WARD_EFFECT_INTENT_DONE:
        intent(sums, &effect->intent_done, true);
        return;
    /* What carries signatures of its own, or decides nothing. */
    case WARD_EFFECT_PROPOSAL:
    case WARD_EFFECT_PROPOSAL_STATE:
    case WARD_EFFECT_VOTE:
    case WARD_EFFECT_CHECKPOINT:
    case WARD_EFFECT_JOB_OPEN:
    case WARD_EFFECT_JOB_MOVE:
    case WARD_EFFECT_JOB_END:
    case WARD_EFFECT_PURGE_REPLAYS:
        return;
    }
}

/* ---- masks and tags ---- */

typedef void combine(uint8_t sum[static WARD_HASH_SIZE], const uint8_t more[static WARD_HASH_SIZE]);

static ward_status mask(const struct ward_integrity *integrity, combine *with,
                        struct ward_seal *seal)
{
    for (uint8_t kind = 0; kind < WARD_SEAL_SUMS; kind++) {
        uint8_t form[10] = {DOMAIN_MASK, kind}, pad[WARD_HASH_SIZE];
        struct ward_bytes view = WARD_BYTES_ARRAY(form);
        ward_put_u64(form + 2, seal->since);
        WARD_TRY(ward_hmac_sha256(integrity->digest, integrity->key, &view, 1, pad));
        with(seal->sums[kind], pad);
        OPENSSL_cleanse(pad, sizeof(pad));
    }
    return WARD_OK;
}

static ward_status tag_of(const struct ward_integrity *integrity, const struct ward_head *head,
                          uint8_t ret[static WARD_HASH_SIZE])
{
    uint8_t form[17] = {DOMAIN_TAG}, size[4], since[8];
    uint8_t frontier[WARD_MERKLE_DEPTH_MAX * WARD_MERKLE_HASH_SIZE];
    size_t frontier_size = ward_merkle_frontier_size(head->tree.size);
    ward_merkle_store(&head->tree, frontier);
    ward_put_u64(form + 1, head->tree.size);
    ward_put_u64(form + 9, head->epoch);
    ward_put_u32(size, (uint32_t)frontier_size);
    ward_put_u64(since, head->seal.since);
    const struct ward_bytes parts[] = {WARD_BYTES_ARRAY(form), WARD_BYTES_ARRAY(size),
                                       WARD_BYTES(frontier, frontier_size), WARD_BYTES_ARRAY(since),
                                       WARD_BYTES(head->seal.sums, sizeof(head->seal.sums))};
    return ward_hmac_sha256(integrity->digest, integrity->key, parts, 5, ret);
}

ward_status ward_integrity_apply(const struct ward_integrity *integrity,
                                 const struct ward_effect *effects, size_t n,
                                 struct ward_head *head, bool *ret_changed)
{
    struct ward_seal seal = head->seal;
    *ret_changed = false;
    if (n == 0) {
        return WARD_OK;
    }
    if (seal.set) {
        WARD_TRY(mask(integrity, subtract, &seal));
    }
    struct sums sums = {.integrity = integrity, .at = seal.sums};
    for (size_t i = 0; i < n; i++) {
        apply(&sums, &effects[i]);
    }
    WARD_TRY(sums.status);
    if (sums.changed) {
        seal.set = true;
        seal.since++;
        WARD_TRY(mask(integrity, add, &seal));
        head->seal = seal;
    }
    *ret_changed = sums.changed;
    return WARD_OK;
}

ward_status ward_integrity_sum(const struct ward_integrity *integrity,
                               const struct ward_store_snapshot *snapshot, uint64_t since,
                               struct ward_seal *ret_seal)
{
    struct ward_seal seal = {.set = true, .since = since};
    struct sums sums = {.integrity = integrity, .at = seal.sums};
    deployment(&sums, &snapshot->deployment);
    for (size_t i = 0; i < snapshot->n_index_keys; i++) {
        index_key(&sums, &snapshot->index_keys[i]);
    }
    for (size_t i = 0; i < snapshot->n_log_keys; i++) {
        log_key(&sums, &snapshot->log_keys[i]);
    }
    for (size_t i = 0; i < snapshot->n_keks; i++) {
        kek(&sums, &snapshot->keks[i]);
    }
    for (size_t i = 0; i < snapshot->n_versions; i++) {
        version(&sums, &snapshot->versions[i]);
    }
    for (size_t i = 0; i < snapshot->n_policies; i++) {
        const struct ward_store_policy *row = &snapshot->policies[i];
        policy(&sums, row->version, row->hash, &row->proposal, row->created_us);
        if (row->ceased_us != 0) {
            policy_ceased(&sums, row->version, row->ceased_us);
        }
    }
    for (size_t i = 0; i < snapshot->n_revocations; i++) {
        const struct ward_store_revocation *row = &snapshot->revocations[i];
        revocation(&sums, row->kind, row->value, &row->proposal, row->created_us, false);
    }
    for (size_t i = 0; i < snapshot->n_emergencies; i++) {
        emergency(&sums, &snapshot->emergencies[i], false);
    }
    for (size_t i = 0; i < snapshot->n_intents; i++) {
        intent(&sums, &snapshot->intents[i], false);
    }
    WARD_TRY(sums.status);
    WARD_TRY(mask(integrity, add, &seal));
    *ret_seal = seal;
    return WARD_OK;
}

ward_status ward_integrity_seal(const struct ward_integrity *integrity, struct ward_head *head)
{
    WARD_ENSURE(head->seal.set, WARD_E_INTERNAL); /* genesis and adoption make the first sums */
    return tag_of(integrity, head, head->seal.tag);
}

/* ---- verdicts ---- */

ward_status ward_integrity_check_head(const struct ward_integrity *integrity,
                                      const struct ward_head *head)
{
    uint8_t tag[WARD_HASH_SIZE];
    if (!head->damaged && !head->seal.set) {
        return WARD_REFUSAL(
            WARD_E_STATE,
            "database: nothing authenticates its rows: an older version of Ward wrote it, or "
            "somebody took that away; look at its keys, policy and revocations, then start once "
            "with --adopt-database");
    }
    if (!head->damaged) {
        WARD_TRY(tag_of(integrity, head, tag));
    }
    if (head->damaged || CRYPTO_memcmp(tag, head->seal.tag, sizeof(tag)) != 0) {
        return WARD_REFUSAL(WARD_E_STATE, "database: the row of ward.head " WHAT_TO_DO);
    }
    return WARD_OK;
}

/* The hash is a fact; the text has only its row's word for it. */
static ward_status check_policy_text(const struct ward_integrity *integrity,
                                     const struct ward_store_snapshot *snapshot, bool *ret_same)
{
    uint8_t hash[WARD_HASH_SIZE];
    size_t n = snapshot->n_policies;
    *ret_same = n > 0 && snapshot->policies[n - 1].version == snapshot->policy_version;
    if (*ret_same) {
        WARD_TRY(ward_sha256(integrity->digest, &snapshot->policy_text, 1, hash));
        *ret_same = memcmp(hash, snapshot->policies[n - 1].hash, sizeof(hash)) == 0;
    }
    return WARD_OK;
}

ward_status ward_integrity_check(const struct ward_integrity *integrity,
                                 const struct ward_store_snapshot *snapshot)
{
    WARD_TRY(ward_integrity_check_head(integrity, &snapshot->head));
    struct ward_seal found;
    bool wrong[WARD_SEAL_SUMS], same_text = false;
    WARD_TRY(ward_integrity_sum(integrity, snapshot, snapshot->head.seal.since, &found));
    for (size_t i = 0; i < WARD_SEAL_SUMS; i++) {
        wrong[i] = CRYPTO_memcmp(found.sums[i], snapshot->head.seal.sums[i], WARD_HASH_SIZE) != 0;
    }
    WARD_TRY(check_policy_text(integrity, snapshot, &same_text));
    if (wrong[WARD_FACTS_DEPLOYMENT]) {
        return WARD_REFUSAL(
            WARD_E_STATE,
            "database: rows of ward.deployment, ward.index_key or ward.log_key " WHAT_TO_DO_ROWS);
    }
    if (wrong[WARD_FACTS_POLICY] || !same_text) {
        return WARD_REFUSAL(WARD_E_STATE, "database: rows of ward.policy " WHAT_TO_DO_ROWS);
    }
    if (wrong[WARD_FACTS_REVOCATIONS]) {
        return WARD_REFUSAL(WARD_E_STATE, "database: rows of ward.revocation " WHAT_TO_DO_ROWS);
    }
    if (wrong[WARD_FACTS_EMERGENCIES]) {
        return WARD_REFUSAL(WARD_E_STATE, "database: rows of ward.emergency " WHAT_TO_DO_ROWS);
    }
    if (wrong[WARD_FACTS_KEYS]) {
        return WARD_REFUSAL(WARD_E_STATE, "database: rows of ward.kek, ward.kek_version or "
                                          "ward.intent " WHAT_TO_DO_ROWS);
    }
    return WARD_OK;
}

size_t ward_integrity_facts(const struct ward_store_snapshot *snapshot)
{
    return 1 + snapshot->n_index_keys + snapshot->n_log_keys + 3 * snapshot->n_keks +
           2 * snapshot->n_versions + 2 * snapshot->n_policies + snapshot->n_revocations +
           snapshot->n_emergencies + snapshot->n_intents;
}
