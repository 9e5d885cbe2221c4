/* SPDX-License-Identifier: Apache-2.0 */
/* The schema's steps, embedded from schema/ as text that ends with NUL. */
#ifndef WARD_BACKENDS_POSTGRES_MIGRATE_H
#define WARD_BACKENDS_POSTGRES_MIGRATE_H

extern const char ward_pg_schema_001[], ward_pg_schema_002[], ward_pg_schema_003[],
    ward_pg_schema_004[], ward_pg_schema_005[], ward_pg_schema_006[], ward_pg_schema_007[],
    ward_pg_schema_008[], ward_pg_schema_009[], ward_pg_schema_010[], ward_pg_schema_011[],
    ward_pg_schema_012[], ward_pg_schema_013[];

#endif
