/* SPDX-License-Identifier: Apache-2.0 */
/* Does one pattern hold wherever another does? Never yes wrongly; no where it cannot tell. */
#ifndef WARD_POLICY_COVERS_H
#define WARD_POLICY_COVERS_H

#include "policy/model.h"

/* The glob's own text. */
struct ward_bytes ward_glob_text(const struct ward_glob *glob);
/* Every name that inner matches, outer matches. */
bool ward_glob_covers(const struct ward_glob *outer, const struct ward_glob *inner);
/* Each of inner is covered by one of outer. */
bool ward_globs_cover(struct ward_globs outer, struct ward_globs inner);
/* One of inner at least is covered by one of outer. */
bool ward_globs_cover_one(struct ward_globs outer, struct ward_globs inner);
/* There is a name that one of each matches. Never no wrongly. */
bool ward_globs_meet(struct ward_globs a, struct ward_globs b);
/* The same of fields: each of inner by one of outer. */
bool ward_fields_cover(const struct ward_field_glob *outer, size_t n_outer,
                       const struct ward_field_glob *inner, size_t n_inner);

#endif
