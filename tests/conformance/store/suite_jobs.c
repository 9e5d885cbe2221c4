/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: opened once, cut into parts, held by lease, moved by compare and swap, ended once. */
#include "tests/conformance/store/store_fixture.h"

#define NOW 1000000000LL
#define LEASE (3600LL * 1000000)
#define NO_LEASE 1 /* microsecond */

static struct ward_store_job a_job(const struct ward_id *kek, uint32_t version, uint32_t parts)
{
    return (struct ward_store_job){.id = an_id(),
                                   .kek = *kek,
                                   .kind = WARD_JOB_REWRAP,
                                   .state = WARD_JOB_RUNNING,
                                   .version = version,
                                   .parts = parts,
                                   .round = 1,
                                   .total = 100,
                                   .created_us = NOW};
}

static void open_job(struct fixture *fx, const struct ward_store_job *job, bool again)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_OPEN};
    effect.job_open.job = *job;
    effect.job_open.again = again;
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMITTED);
}

/* All of the KEK's; returns how many. */
static size_t jobs_of(struct fixture *fx, const struct ward_id *kek,
                      const struct ward_store_job **ret)
{
    struct ward_read read = {.kind = WARD_READ_JOBS, .jobs.kek = *kek};
    assert_ok(read_one(fx, &read));
    *ret = read.jobs.jobs;
    return read.jobs.n;
}

static size_t running(struct fixture *fx)
{
    struct ward_read read = {.kind = WARD_READ_JOBS, .jobs.open = true};
    assert_ok(read_one(fx, &read));
    size_t n = 0;
    for (size_t i = 0; i < read.jobs.n; i++) {
        bool runs = read.jobs.jobs[i].state == WARD_JOB_RUNNING;
        assert_true(runs || read.jobs.jobs[i].state == WARD_JOB_STUCK);
        n += runs;
    }
    return n;
}

/* For so long, by a node that is at the first `at` parts. */
static bool claim_for(struct fixture *fx, const struct ward_id *job, const char *node,
                      int64_t lease_us, size_t at, struct ward_job_place *ret)
{
    static const uint32_t parts[] = {0, 1, 2};
    struct ward_read read = {.kind = WARD_READ_JOB_CLAIM};
    read.claim.job = *job;
    read.claim.node = ward_bytes_str(node);
    read.claim.lease_us = lease_us;
    read.claim.held = parts;
    read.claim.n_held = at;
    assert_ok(read_one(fx, &read));
    *ret = read.claim.place;
    return read.claim.found;
}

static bool claim(struct fixture *fx, const struct ward_id *job, const char *node, size_t at,
                  struct ward_job_place *ret)
{
    return claim_for(fx, job, node, LEASE, at, ret);
}

/* One whose lease is about to end. */
static void claim_in_the_end(struct fixture *fx, const struct ward_id *job, const char *node,
                             struct ward_job_place *ret)
{
    bool found = false;
    for (int i = 0; i < 1000000 && !found; i++) {
        found = claim(fx, job, node, 0, ret);
    }
    assert_true(found);
}

static enum ward_commit_outcome move(struct fixture *fx, const struct ward_job_place *from,
                                     const struct ward_id *cursor, uint64_t done, bool finished)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_MOVE};
    effect.job_move.from = *from;
    effect.job_move.pass = from->pass;
    effect.job_move.cursor = *cursor;
    effect.job_move.done = done;
    effect.job_move.failed = 1;
    effect.job_move.finished = finished;
    effect.job_move.node = WARD_BYTES_LITERAL("node-1");
    effect.job_move.lease_us = LEASE;
    return fixture_effect(fx, &effect);
}

static enum ward_commit_outcome end(struct fixture *fx, const struct ward_store_job *job,
                                    uint32_t round, uint8_t state, uint64_t left)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_END};
    effect.job_end.id = job->id;
    effect.job_end.round = round;
    effect.job_end.parts = job->parts;
    effect.job_end.state = state;
    effect.job_end.left = left;
    effect.job_end.now_us = NOW + 5;
    return fixture_effect(fx, &effect);
}

static void a_job_is_opened_once(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_store_job job = a_job(&kek, 2, 4), twin = a_job(&kek, 2, 1);
    open_job(fx, &job, false);
    open_job(fx, &twin, false);
    open_job(fx, &twin, true); /* it runs: nothing to begin anew */
    const struct ward_store_job *found;
    assert_int_equal(jobs_of(fx, &kek, &found), 1);
    assert_true(ward_id_eq(&found->id, &job.id));
    assert_int_equal(found->state, WARD_JOB_RUNNING);
    assert_int_equal(found->version, 2);
    assert_int_equal(found->parts, 4);
    assert_int_equal(found->total, 100);
    assert_int_equal(found->round, 1);
    assert_int_equal(found->ended_us, 0);
    assert_int_equal(running(fx), 1);
}

static void a_later_version_supersedes(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), other = a_kek(fx, "others");
    struct ward_store_job second = a_job(&kek, 2, 1), third = a_job(&kek, 3, 1),
                          others = a_job(&other, 2, 1);
    open_job(fx, &second, false);
    open_job(fx, &others, false);
    open_job(fx, &third, false);
    open_job(fx, &second, true); /* stays superseded */
    const struct ward_store_job *found;
    assert_int_equal(jobs_of(fx, &kek, &found), 2);
    assert_int_equal(found[0].state, WARD_JOB_SUPERSEDED);
    assert_int_equal(found[1].state, WARD_JOB_RUNNING);
    assert_int_equal(running(fx), 2);
    struct ward_job_place place;
    assert_false(claim(fx, &second.id, "node-1", 0, &place));
    struct ward_job_place start = {.job = second.id, .pass = 1};
    struct ward_id cursor = an_id();
    assert_outcome(move(fx, &start, &cursor, 1, false), WARD_COMMIT_CONFLICT);
}

static void parts_are_held_by_one_until_the_lease_ends(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_store_job job = a_job(&kek, 2, 2);
    open_job(fx, &job, false);
    struct ward_job_place a, b, c;
    assert_true(claim(fx, &job.id, "node-1", 0, &a));
    assert_true(claim_for(fx, &job.id, "node-2", NO_LEASE, 0, &b));
    assert_int_equal(a.part, 0);
    assert_int_equal(b.part, 1);
    assert_int_equal(a.pass, 1);
    /* What it was at before it was started anew, or has let go, a node takes back at once. */
    assert_true(claim(fx, &job.id, "node-1", 0, &c));
    assert_int_equal(c.part, 0);
    claim_in_the_end(fx, &job.id, "node-3", &c);
    assert_int_equal(c.part, 1);
    assert_false(claim(fx, &job.id, "node-2", 0, &c)); /* it has lost it */
    assert_false(claim(fx, &job.id, "node-1", 1, &c)); /* the count waits for both */
}

/* The store's clock alone: nobody tells it another. */
static void a_page_holds_its_part_from_the_moment_of_its_commit(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), cursor = an_id(), next = an_id();
    struct ward_store_job job = a_job(&kek, 2, 1);
    open_job(fx, &job, false);
    struct ward_job_place start, taken;
    assert_true(claim_for(fx, &job.id, "node-1", NO_LEASE, 0, &start));
    assert_outcome(move(fx, &start, &cursor, 10, false), WARD_COMMITTED); /* longer than it had */
    assert_false(claim(fx, &job.id, "node-2", 0, &taken));
    struct ward_effect shorter = {.kind = WARD_EFFECT_JOB_MOVE};
    shorter.job_move.from = start;
    shorter.job_move.from.cursor = cursor;
    shorter.job_move.pass = start.pass;
    shorter.job_move.cursor = next;
    shorter.job_move.node = WARD_BYTES_LITERAL("node-1");
    shorter.job_move.lease_us = NO_LEASE;
    assert_outcome(fixture_effect(fx, &shorter), WARD_COMMITTED);
    claim_in_the_end(fx, &job.id, "node-2", &taken);
    assert_true(ward_id_eq(&taken.cursor, &next));
}

static void a_part_moves_by_compare_and_swap(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), cursor = an_id(), next = an_id();
    struct ward_store_job job = a_job(&kek, 2, 1);
    open_job(fx, &job, false);
    struct ward_job_place start, count;
    assert_true(claim(fx, &job.id, "node-1", 0, &start));
    assert_outcome(move(fx, &start, &cursor, 10, false), WARD_COMMITTED);
    assert_outcome(move(fx, &start, &next, 10, false), WARD_COMMIT_CONFLICT);
    struct ward_job_place here = start, otherwise;
    here.cursor = cursor;
    otherwise = here;
    otherwise.pass = 0;
    assert_outcome(move(fx, &otherwise, &next, 10, false), WARD_COMMIT_CONFLICT);
    assert_outcome(move(fx, &here, &next, 5, true), WARD_COMMITTED);
    here.cursor = next;
    assert_outcome(move(fx, &here, &cursor, 5, true), WARD_COMMIT_CONFLICT); /* it is finished */
    const struct ward_store_job *found;
    assert_int_equal(jobs_of(fx, &kek, &found), 1);
    assert_int_equal(found->done, 15);
    assert_int_equal(found->failed, 2);
    assert_true(claim(fx, &job.id, "node-2", 0, &count));
    assert_int_equal(count.part, 1);
    assert_false(claim(fx, &job.id, "node-1", 0, &start));
}

static void it_ends_once_and_may_begin_anew(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), cursor = an_id();
    struct ward_store_job job = a_job(&kek, 2, 1);
    open_job(fx, &job, false);
    struct ward_job_place place;
    const struct ward_store_job *found;
    assert_true(claim(fx, &job.id, "node-1", 0, &place));
    assert_outcome(move(fx, &place, &cursor, 99, true), WARD_COMMITTED);
    /* Another round: what was done stays, what failed is tried again. */
    assert_outcome(end(fx, &job, 1, WARD_JOB_RUNNING, 1), WARD_COMMITTED);
    assert_outcome(end(fx, &job, 1, WARD_JOB_DONE, 0), WARD_COMMIT_CONFLICT);
    assert_int_equal(jobs_of(fx, &kek, &found), 1);
    assert_int_equal(found->round, 2);
    assert_int_equal(found->done, 99);
    assert_int_equal(found->failed, 0);
    struct ward_read anew = {
        .kind = WARD_READ_JOB_CLAIM,
        .claim = {.job = job.id, .node = WARD_BYTES_LITERAL("node-2"), .lease_us = LEASE}};
    assert_ok(read_one(fx, &anew));
    assert_true(anew.claim.found);
    assert_int_equal(anew.claim.place.part, 0);
    assert_int_equal(anew.claim.round, 2);
    assert_int_equal(anew.claim.parts, 1);
    assert_outcome(end(fx, &job, 2, WARD_JOB_STUCK, 1), WARD_COMMITTED);
    assert_int_equal(jobs_of(fx, &kek, &found), 1);
    assert_int_equal(found->state, WARD_JOB_STUCK);
    assert_int_equal(found->left, 1);
    assert_int_equal(found->ended_us, NOW + 5);
    assert_int_equal(running(fx), 0);
    struct ward_store_job again = a_job(&kek, 2, 4);
    again.total = 1;
    open_job(fx, &again, false); /* not asked to */
    assert_int_equal(running(fx), 0);
    open_job(fx, &again, true);
    assert_int_equal(running(fx), 1);
    assert_int_equal(jobs_of(fx, &kek, &found), 1);
    assert_true(ward_id_eq(&found->id, &job.id));
    assert_int_equal(found->parts, 4);
    assert_int_equal(found->total, 100);
    assert_int_equal(found->done, 99);
    assert_int_equal(found->round, 1);
    assert_int_equal(found->ended_us, 0);
    assert_outcome(end(fx, found, 1, WARD_JOB_DONE, 0), WARD_COMMITTED);
    assert_int_equal(running(fx), 0);
}

static void a_compromise_begins_it_anew_with_those_rows(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), cursor = an_id();
    struct ward_store_job job = a_job(&kek, 3, 1);
    open_job(fx, &job, false);
    struct ward_job_place place;
    assert_true(claim(fx, &job.id, "node-1", 0, &place));
    assert_outcome(move(fx, &place, &cursor, 10, false), WARD_COMMITTED);
    job.urgent = 1;
    job.total = 90;
    open_job(fx, &job, false);
    assert_true(claim(fx, &job.id, "node-1", 0, &place));
    assert_int_equal(place.pass, 0);
    assert_true(ward_id_eq(&place.cursor, &(struct ward_id){0}));
    const struct ward_store_job *found;
    assert_int_equal(jobs_of(fx, &kek, &found), 1);
    assert_int_equal(found->urgent, 1);
    assert_int_equal(found->done, 10);
    assert_int_equal(found->total, 100);
}

static void parts_cover_every_id_once(void **state)
{
    (void)state;
    for (uint32_t parts = 1; parts <= WARD_JOB_PARTS_MAX; parts *= 2) {
        struct ward_id after, until, last = {0};
        for (uint32_t part = 0; part < parts; part++) {
            ward_job_range(part, parts, &after, &until);
            assert_memory_equal(after.bytes, last.bytes, sizeof(last.bytes));
            assert_true(memcmp(after.bytes, until.bytes, sizeof(until.bytes)) < 0);
            last = until;
        }
        assert_int_equal(last.bytes[0], 0xff);
        assert_int_equal(last.bytes[15], 0xff);
    }
}

static void a_page_ends_with_its_part_and_picks_versions(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key keys[8];
    for (uint32_t i = 0; i < 8; i++) {
        keys[i] = (struct ward_new_subject_key){.id = an_id(),
                                                .collection = ward_bytes_str("patients"),
                                                .generation = 1,
                                                .kek = kek,
                                                .kek_version = 1 + i % 2,
                                                .wrapped = ward_bytes_str("wrapped")};
        keys[i].id.bytes[0] = (uint8_t)(i * 32);
        a_hash(keys[i].subject_hash);
    }
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = keys;
    commit->n_subject_keys = 8;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    for (uint32_t part = 0; part < 4; part++) {
        struct ward_read page = {.kind = WARD_READ_REWRAP_PAGE,
                                 .rewrap = {.kek = kek, .below = 3, .limit = 10}};
        ward_job_range(part, 4, &page.rewrap.after, &page.rewrap.until);
        assert_ok(read_one(fx, &page));
        assert_int_equal(page.rewrap.n, 2);
        assert_true(ward_id_eq(&page.rewrap.keys[0].id, &keys[2 * part].id));
        const uint32_t second = 2, neither = 7;
        page.rewrap.versions = &second;
        page.rewrap.n_versions = 1;
        assert_ok(read_one(fx, &page));
        assert_int_equal(page.rewrap.n, 1);
        assert_true(ward_id_eq(&page.rewrap.keys[0].id, &keys[2 * part + 1].id));
        page.rewrap.versions = &neither;
        assert_ok(read_one(fx, &page));
        assert_int_equal(page.rewrap.n, 0);
    }
}

enum { ON_PAGE = 6 };

static void read_page(struct fixture *fx, const struct ward_id *kek, uint32_t below,
                      struct ward_read *ret)
{
    *ret = (struct ward_read){.kind = WARD_READ_REWRAP_PAGE,
                              .rewrap = {.kek = *kek, .below = below, .limit = 2 * ON_PAGE}};
    assert_ok(read_one(fx, ret));
}

/* What was read, moved to `version` from where it was then; returns how many of them moved. */
static uint32_t move_page(struct fixture *fx, const struct ward_read *page, uint32_t version)
{
    struct ward_rewrapped moves[2 * ON_PAGE];
    for (size_t i = 0; i < page->rewrap.n; i++) {
        const struct ward_store_subject_key *row = &page->rewrap.keys[i];
        moves[i] = (struct ward_rewrapped){.id = row->id,
                                           .old_wrapped = row->wrapped,
                                           .new_wrapped = ward_bytes_str("wrapped anew"),
                                           .kek_version = version,
                                           .place = page->rewrap.places[i]};
    }
    uint32_t count = 99;
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->rewrapped = moves;
    commit->n_rewrapped = page->rewrap.n;
    commit->ret_rewrapped = &count;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    return count;
}

static void fill_page(struct fixture *fx, const struct ward_id *kek, struct ward_read *ret)
{
    for (int i = 0; i < ON_PAGE; i++) {
        (void)a_subject_key(fx, kek);
    }
    read_page(fx, kek, 2, ret);
    assert_int_equal(ret->rewrap.n, ON_PAGE);
}

static void a_page_moves_from_where_it_was_read_and_once(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_read page, left;
    fill_page(fx, &kek, &page);
    assert_int_equal(move_page(fx, &page, 2), ON_PAGE);
    assert_int_equal(move_page(fx, &page, 3), 0); /* none is as it was */
    read_page(fx, &kek, 2, &left);
    assert_int_equal(left.rewrap.n, 0);
    read_page(fx, &kek, 3, &left);
    assert_int_equal(move_page(fx, &left, 3), ON_PAGE);
}

/* Something else wrote them, and where they lie is not where they were read. */
static void a_row_that_lies_elsewhere_by_now_moves_all_the_same(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_read page, left;
    fill_page(fx, &kek, &page);
    for (size_t i = 0; i < ON_PAGE; i += 2) {
        store_under_test->set_subject_state(fx->store, &page.rewrap.keys[i].id, 2);
    }
    assert_int_equal(move_page(fx, &page, 2), ON_PAGE);
    read_page(fx, &kek, 2, &left);
    assert_int_equal(left.rewrap.n, 0);
}

/* Nothing is believed of a place: not that there is a row, nor that it is the one. */
static void a_place_that_is_of_no_row_or_of_another_is_only_slower(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_read page, left;
    fill_page(fx, &kek, &page);
    uint64_t places[ON_PAGE] = {
        page.rewrap.places[1], page.rewrap.places[0], page.rewrap.places[0], 0, 1,
        (1ull << 48) - 1};
    page.rewrap.places = places;
    assert_int_equal(move_page(fx, &page, 2), ON_PAGE);
    read_page(fx, &kek, 3, &left);
    assert_int_equal(left.rewrap.n, ON_PAGE);
    for (size_t i = 0; i < ON_PAGE; i++) {
        assert_bytes(left.rewrap.keys[i].wrapped, "wrapped anew");
    }
}

static void a_row_that_is_gone_or_was_rewrapped_is_left_out(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_read page, first, left;
    fill_page(fx, &kek, &page);
    struct ward_rekeyed_key gone = {.from = page.rewrap.keys[0].id};
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->rekeyed_keys = &gone; /* no record names it */
    commit->n_rekeyed_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    first = page;
    first.rewrap.keys = &page.rewrap.keys[1];
    first.rewrap.places = &page.rewrap.places[1];
    first.rewrap.n = 2;
    assert_int_equal(move_page(fx, &first, 2), 2);
    assert_int_equal(move_page(fx, &page, 3), ON_PAGE - 3);
    read_page(fx, &kek, 3, &left);
    assert_int_equal(left.rewrap.n, 2); /* as the first left them */
    assert_true(ward_id_eq(&left.rewrap.keys[0].id, &page.rewrap.keys[1].id));
}

static void a_job_needs_its_kek_and_a_claim_its_words(void **state)
{
    struct fixture *fx = *state;
    struct ward_id nothing = an_id();
    struct ward_store_job job = a_job(&nothing, 2, 1);
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_OPEN};
    effect.job_open.job = job;
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMIT_CONFLICT);
    struct ward_read reads[] = {
        {.kind = WARD_READ_JOB_CLAIM, .claim = {.lease_us = 1}},
        {.kind = WARD_READ_JOB_CLAIM, .claim = {.node = WARD_BYTES_LITERAL("n")}},
        {.kind = WARD_READ_JOB_CLAIM, .claim = {.node = WARD_BYTES_LITERAL("n"), .lease_us = -1}},
    };
    for (size_t i = 0; i < 3; i++) {
        struct ward_read *one = &reads[i];
        one->arena = fx->arena;
        assert_code(ward_store_read(fx->r, &one, 1), WARD_E_INTERNAL);
    }
    struct ward_job_place place;
    assert_false(claim(fx, &nothing, "node-1", 0, &place));
}

int store_suite_jobs(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_job_is_opened_once),
        T(a_later_version_supersedes),
        T(parts_are_held_by_one_until_the_lease_ends),
        T(a_page_holds_its_part_from_the_moment_of_its_commit),
        T(a_part_moves_by_compare_and_swap),
        T(it_ends_once_and_may_begin_anew),
        T(a_compromise_begins_it_anew_with_those_rows),
        T(parts_cover_every_id_once),
        T(a_page_ends_with_its_part_and_picks_versions),
        T(a_page_moves_from_where_it_was_read_and_once),
        T(a_row_that_lies_elsewhere_by_now_moves_all_the_same),
        T(a_place_that_is_of_no_row_or_of_another_is_only_slower),
        T(a_row_that_is_gone_or_was_rewrapped_is_left_out),
        T(a_job_needs_its_kek_and_a_claim_its_words),
    };
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
