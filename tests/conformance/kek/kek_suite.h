/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite of backends/kek.h: what every place that holds KEKs must do. */
#ifndef WARD_TESTS_CONFORMANCE_KEK_SUITE_H
#define WARD_TESTS_CONFORMANCE_KEK_SUITE_H

#include "backends/kek.h"

/* Runs all of it over an open backend; the number of failed tests. */
int kek_suite_run(const char *name, struct ward_kek *kek);

/* Items and references for tests; views point at static memory or at what was given. */
struct ward_kek_ref kek_new_ref(void);
struct ward_kek_ref kek_new_key(struct ward_kek_session *session);
struct ward_kek_item kek_wrap_item(const struct ward_kek_ref *ref, struct ward_bytes plain,
                                   uint8_t *out);
struct ward_kek_item kek_unwrap_item(const struct ward_kek_ref *ref, struct ward_bytes blob,
                                     uint8_t *out);
/* Runs one item and returns its code. */
enum ward_code kek_run_one(struct ward_kek_session *session, struct ward_kek_item *item);

#define KEK_AAD WARD_BYTES_LITERAL("header|subject=7")
#define KEK_PLAIN WARD_BYTES_LITERAL("0123456789abcdef0123456789abcdef")

#endif
