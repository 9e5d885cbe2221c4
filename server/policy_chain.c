/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It believes no row: what a version is, who proposed it and who agreed comes from
 * hashes and signatures alone. It must not know what is done about a chain that does not hold. */
#include "server/policy_chain.h"

#include "server/op/policy_changing.h"
#include "server/op/votes.h"

#define PAGE 16u /* versions that are read at once */
#define PAGE_ARENA (64u << 20)
#define LINK_ARENA (16u << 20)

ward_status ward_policy_chain_init(struct ward_policy_chain *chain,
                                   const uint8_t genesis[static WARD_SHA256_SIZE],
                                   struct ward_trust *trust)
{
    *chain = (struct ward_policy_chain){.trust = trust};
    memcpy(chain->genesis, genesis, sizeof(chain->genesis));
    return ward_digest_new(&chain->digest);
}

void ward_policy_chain_fini(struct ward_policy_chain *chain)
{
    ward_policy_unref(chain->policy);
    ward_digest_free(chain->digest);
    *chain = (struct ward_policy_chain){0};
}

/* ---- one link ---- */

/* Those who were revoked before it was proposed had no say in it; what came later changes nothing
 * of what was decided before. */
static ward_status as_of(const struct ward_store_snapshot *snapshot, int64_t created_us,
                         struct ward_arena *arena, struct ward_state *ret_view)
{
    struct ward_store_revocation *before =
        WARD_ARENA_ARRAY(arena, struct ward_store_revocation, snapshot->n_revocations);
    WARD_ENSURE(before != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < snapshot->n_revocations; i++) {
        if (snapshot->revocations[i].created_us <= created_us) {
            before[n++] = snapshot->revocations[i];
        }
    }
    ret_view->revocations = before;
    ret_view->n_revocations = n;
    return WARD_OK;
}

static ward_status check_votes(struct ward_policy_chain *chain,
                               const struct ward_store_snapshot *snapshot, struct ward_arena *arena,
                               const struct ward_store_proposal *stored,
                               const struct ward_proposal *proposal)
{
    struct ward_state view = {.policy = chain->policy, .deployment = snapshot->deployment.id};
    struct ward_votes votes;
    bool enough = false;
    WARD_TRY(as_of(snapshot, proposal->created_us, arena, &view));
    ward_status status = ward_votes_load_past(&view, arena, chain->trust, stored, proposal, &votes);
    if (ward_ok(status)) {
        status = ward_votes_weigh(chain->policy, &votes, proposal, &enough);
    }
    ward_votes_release(&votes);
    if (status.code == WARD_E_EXHAUSTED || status.code == WARD_E_INTERNAL) {
        return status;
    }
    if (!ward_ok(status) || !enough) {
        return WARD_REFUSAL(WARD_E_STATE, "policy: a version in the database was not signed by "
                                          "enough officers of the version before it");
    }
    return WARD_OK;
}

/* Is this proposal of this step, made here and under the version before? */
static bool binds(const struct ward_policy_chain *chain, const struct ward_id *deployment,
                  const struct ward_store_policy *version, const struct ward_policy *to,
                  const struct ward_proposal *proposal)
{
    struct ward_policy_step step;
    const uint8_t *from_hash = ward_policy_hash(chain->policy);
    return ward_policy_step_read(proposal, &step) &&
           ward_id_eq(&proposal->deployment, deployment) &&
           ward_id_eq(&proposal->id, &version->proposal) && step.from_version == chain->version &&
           memcmp(step.from_hash, from_hash, WARD_SHA256_SIZE) == 0 &&
           memcmp(proposal->policy, from_hash, WARD_SHA256_SIZE) == 0 &&
           memcmp(step.to_hash, ward_policy_hash(to), WARD_SHA256_SIZE) == 0 &&
           strcmp(ward_policy_deployment(to), ward_policy_deployment(chain->policy)) == 0 &&
           proposal->approvals >= ward_policy_change_guard(chain->policy, to).approvals;
}

static ward_status check_step(struct ward_policy_chain *chain,
                              const struct ward_store_snapshot *snapshot, struct ward_arena *arena,
                              const struct ward_store_policy *version, const struct ward_policy *to,
                              const struct ward_store_proposal *stored)
{
    if (stored == NULL) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "policy: a version in the database has no proposal that brought it");
    }
    struct ward_proposal proposal;
    ward_status status = ward_proposal_parse(stored->payload, arena, &proposal);
    WARD_ENSURE(status.code != WARD_E_EXHAUSTED, WARD_E_EXHAUSTED);
    if (!ward_ok(status) || !binds(chain, &snapshot->deployment.id, version, to, &proposal)) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "policy: a version in the database is not the one that its proposal "
                            "put in the place of the version before it");
    }
    return check_votes(chain, snapshot, arena, stored, &proposal);
}

static ward_status check_genesis(const struct ward_policy_chain *chain,
                                 const struct ward_policy *policy)
{
    if (memcmp(ward_policy_hash(policy), chain->genesis, WARD_SHA256_SIZE) != 0) {
        return WARD_REFUSAL(WARD_E_STATE, "policy: the database's policy is not the one that the "
                                          "configuration names by genesis_sha256");
    }
    return WARD_OK;
}

ward_status ward_policy_chain_add(struct ward_policy_chain *chain,
                                  const struct ward_store_snapshot *snapshot,
                                  struct ward_arena *arena, const struct ward_store_policy *version,
                                  const struct ward_store_proposal *proposal)
{
    if (version->version != chain->version + 1) {
        return WARD_REFUSAL(WARD_E_STATE, "policy: a version is missing in the database");
    }
    struct ward_policy *policy = NULL;
    ward_status status = ward_policy_parse(version->text, &policy, NULL);
    if (status.code == WARD_E_INVALID) {
        return WARD_REFUSAL(WARD_E_STATE, "policy: a version in the database does not parse");
    }
    WARD_TRY(status);
    status = chain->policy == NULL ? check_genesis(chain, policy)
                                   : check_step(chain, snapshot, arena, version, policy, proposal);
    if (!ward_ok(status)) {
        ward_policy_unref(policy);
        return status;
    }
    ward_policy_unref(chain->policy);
    chain->policy = policy;
    chain->version = version->version;
    return WARD_OK;
}

/* ---- all of them ---- */

struct page {
    struct ward_read versions[PAGE], proposals[PAGE];
    struct ward_read *pointers[PAGE];
    size_t n;
};

static ward_status read_versions(struct page *page, struct ward_store_reader *reader,
                                 struct ward_arena *arena, uint32_t first, uint32_t last)
{
    page->n = last - first + 1 < PAGE ? last - first + 1 : PAGE;
    for (size_t i = 0; i < page->n; i++) {
        page->versions[i] = (struct ward_read){.kind = WARD_READ_POLICY, .arena = arena};
        page->versions[i].policy.version = first + (uint32_t)i;
        page->pointers[i] = &page->versions[i];
    }
    return ward_store_read(reader, page->pointers, page->n);
}

static ward_status read_proposals(struct page *page, struct ward_store_reader *reader,
                                  struct ward_arena *arena)
{
    for (size_t i = 0; i < page->n; i++) {
        page->proposals[i] = (struct ward_read){.kind = WARD_READ_PROPOSAL, .arena = arena};
        page->proposals[i].proposal.id = page->versions[i].policy.policy.proposal;
        page->pointers[i] = &page->proposals[i];
    }
    return ward_store_read(reader, page->pointers, page->n);
}

static ward_status add_page(struct ward_policy_chain *chain, const struct page *page,
                            const struct ward_store_snapshot *snapshot)
{
    for (size_t i = 0; i < page->n; i++) {
        ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
        WARD_TRY(ward_arena_new(LINK_ARENA, &arena));
        const struct ward_read *proposal = &page->proposals[i];
        bool none = proposal->status.code == WARD_E_NOT_FOUND;
        WARD_TRY(none ? WARD_OK : proposal->status);
        WARD_TRY(ward_policy_chain_add(chain, snapshot, arena, &page->versions[i].policy.policy,
                                       none ? NULL : &proposal->proposal.proposal));
    }
    return WARD_OK;
}

static ward_status next_page(struct ward_policy_chain *chain, struct ward_store_reader *reader,
                             const struct ward_store_snapshot *snapshot)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(PAGE_ARENA, &arena));
    struct page page = {.n = 0};
    WARD_TRY(read_versions(&page, reader, arena, chain->version + 1, snapshot->policy_version));
    for (size_t i = 0; i < page.n; i++) {
        if (page.versions[i].status.code == WARD_E_NOT_FOUND) {
            return WARD_REFUSAL(WARD_E_STATE, "policy: a version is missing in the database");
        }
        WARD_TRY(page.versions[i].status);
    }
    WARD_TRY(read_proposals(&page, reader, arena));
    return add_page(chain, &page, snapshot);
}

ward_status ward_policy_chain_follow(struct ward_policy_chain *chain,
                                     struct ward_store_reader *reader,
                                     const struct ward_store_snapshot *snapshot)
{
    if (snapshot->policy_version < chain->version) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "policy: the database went back to an older version than was in force");
    }
    if (snapshot->policy_version == 0) {
        return WARD_REFUSAL(WARD_E_STATE, "policy: the database has none");
    }
    while (chain->version < snapshot->policy_version) {
        WARD_TRY(next_page(chain, reader, snapshot));
    }
    uint8_t hash[WARD_SHA256_SIZE];
    WARD_TRY(ward_sha256(chain->digest, &snapshot->policy_text, 1, hash));
    if (memcmp(hash, ward_policy_hash(chain->policy), sizeof(hash)) != 0) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "policy: the text of the version in force was altered in the database");
    }
    return WARD_OK;
}
