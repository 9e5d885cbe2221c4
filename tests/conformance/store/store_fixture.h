/* SPDX-License-Identifier: Apache-2.0 */
/* An empty store with two writers and a reader, and commits that take few words to write. */
#ifndef WARD_TESTS_CONFORMANCE_STORE_FIXTURE_H
#define WARD_TESTS_CONFORMANCE_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "backends/store.h"
#include "base/buffer.h"
#include "base/digest.h"

/* Which store a suite runs over. */
struct store_under_test {
    const char *name;
    /* An empty one. */
    struct ward_store *(*open)(void);
    /* 1 active, 2 retired. */
    void (*set_subject_state)(struct ward_store *store, const struct ward_id *id, uint8_t state);
};
extern const struct store_under_test *store_under_test;

struct fixture {
    struct ward_store *store;
    struct ward_store_writer *w, *w2;
    struct ward_store_reader *r;
    struct ward_arena *arena;
    struct ward_digest *digest;
    struct ward_head head; /* after the last commit made through fixture_commit */
    struct ward_buffer leaves;
    struct ward_commit commit; /* being built */
    ward_status status;        /* of the last commit */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* For suites that open the store themselves. */
void fixture_init(struct fixture *fx, struct ward_store *store);
void fixture_fini(struct fixture *fx);

#define assert_ok(call) assert_status((call), WARD_E_OK, __FILE__, __LINE__)
#define assert_code(call, code) assert_status((call), (code), __FILE__, __LINE__)
void assert_status(ward_status status, enum ward_code code, const char *file, int line);
#define assert_outcome(call, outcome) assert_outcome_at((call), (outcome), __FILE__, __LINE__)
void assert_outcome_at(enum ward_commit_outcome found, enum ward_commit_outcome wanted,
                       const char *file, int line);
const char *outcome_name(enum ward_commit_outcome outcome);

/* Begins a commit on fx->head with n leaves of recognisable text. */
struct ward_commit *fixture_begin(struct fixture *fx, uint32_t n_leaves);
/* Commits what was begun; fx->head moves when it was committed. */
enum ward_commit_outcome fixture_commit(struct fixture *fx, struct ward_store_writer *writer);
/* One effect with one leaf. */
enum ward_commit_outcome fixture_effect(struct fixture *fx, const struct ward_effect *effect);
/* Where the writer's head is. */
struct ward_head fixture_head(struct ward_store_writer *writer);
/* The head did not move past fx->head. */
void assert_head_unmoved(struct fixture *fx);

struct ward_id an_id(void);
/* Committed: what a snapshot needs before it has anything. */
void a_deployment(struct fixture *fx);
void a_hash(uint8_t out[static WARD_HASH_SIZE]);
/* Committed: a KEK "prefix<n>" with an active version 1. */
struct ward_id a_kek(struct fixture *fx, const char *name);
/* Committed: a subject key of generation 1, wrapped "wrapped-1". */
struct ward_new_subject_key a_subject_key(struct fixture *fx, const struct ward_id *kek);
/* Not committed. */
struct ward_new_record a_record(const struct ward_id *subject_key);

/* One read on its own, into fx->arena; its status. */
ward_status read_one(struct fixture *fx, struct ward_read *read);
/* The newest version of a record as stored; 0 when there is none. */
uint32_t record_version(struct fixture *fx, const uint8_t id_hash[static WARD_HASH_SIZE]);
struct ward_store_snapshot a_snapshot(struct fixture *fx);

#define assert_bytes(bytes, text) assert_true(ward_bytes_eq((bytes), ward_bytes_str(text)))

/* The groups, each in a file of its own; the number of failures. */
int store_suite_admin(void);
int store_suite_commit(void);
int store_suite_daemons(void);
int store_suite_reads(void);
int store_suite_jobs(void);
int store_suite_kept(void);
int store_suite_emergencies(void);
int store_suite_life(void);
int store_suite_race(void);
int store_suite_rekey(void);
int store_suite_sightings(void);

#endif
