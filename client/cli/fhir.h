/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a FHIR bundle into its resources, byte by byte as they stand in the file, and naming
 * whose each is. No I/O; nothing is re-serialised, so that what is stored is what came. */
#ifndef WARD_CLIENT_CLI_FHIR_H
#define WARD_CLIENT_CLI_FHIR_H

#include "base/json.h"
#include "base/wipe_alloc.h"

struct cli_item {
    const char *subject; /* "fhir-" and 32 hex digits: a pseudonym of the patient */
    const char *id;      /* "Observation/4f1..." */
    struct ward_bytes json;
};

struct cli_items {
    struct cli_item *items;
    size_t n, patients; /* Patient resources among them */
};

/* text: a Bundle, or one bare resource. name: the file's, from which the pseudonym of resources
 * that are no patient's is made. Items borrow from text and arena. A resource belongs to the
 * bundle's one Patient; where there is none or more, to whom its subject, patient, beneficiary,
 * individual or for refers. INVALID with a text: "bundle: ...", "json: ...". */
ward_status cli_fhir_parse(struct ward_bytes text, const char *name, struct ward_arena *arena,
                           struct cli_items *ret);

/* One JSON object a line: {"subject": .., "id": .., "json": {..}}. *ret_line: where it is wrong. */
ward_status cli_ndjson_parse(struct ward_bytes text, struct ward_arena *arena,
                             struct cli_items *ret, unsigned *ret_line);

/* Takes the next element out of the inside of a JSON array that was scanned before; false at its
 * end. */
bool cli_json_next_element(struct ward_bytes *rest, struct ward_bytes *ret);

#endif
