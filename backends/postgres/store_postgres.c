/* SPDX-License-Identifier: Apache-2.0 */
/* The store over PostgreSQL, put together: opening never waits for a server, each reader and writer
 * has a connection of its own and is one thread's at a time. */
#include "backends/postgres/store_postgres.h"

#include <stdlib.h>

#include <openssl/crypto.h>

struct postgres {
    struct ward_store base;
    char *conninfo;
};

static void close_store(struct ward_store *base)
{
    struct postgres *store = (struct postgres *)base;
    OPENSSL_cleanse(store->conninfo, strlen(store->conninfo)); /* it may hold a password */
    free(store->conninfo);
    free(store);
}

static ward_status open_reader(struct ward_store *base, struct ward_store_reader **ret)
{
    struct ward_pg_reader *reader = calloc(1, sizeof(*reader));
    WARD_ENSURE(reader != NULL, WARD_E_EXHAUSTED);
    reader->base.store = base;
    ward_pg_conn_init(&reader->conn, ((struct postgres *)base)->conninfo, WARD_PG_READER);
    *ret = &reader->base;
    return WARD_OK;
}

static void close_reader(struct ward_store_reader *base)
{
    struct ward_pg_reader *reader = (struct ward_pg_reader *)base;
    ward_pg_conn_fini(&reader->conn);
    free(reader);
}

static ward_status open_writer(struct ward_store *base, struct ward_store_writer **ret)
{
    struct ward_pg_writer *writer = calloc(1, sizeof(*writer));
    WARD_ENSURE(writer != NULL, WARD_E_EXHAUSTED);
    writer->base.store = base;
    ward_pg_conn_init(&writer->conn, ((struct postgres *)base)->conninfo, WARD_PG_WRITER);
    *ret = &writer->base;
    return WARD_OK;
}

static void close_writer(struct ward_store_writer *base)
{
    struct ward_pg_writer *writer = (struct ward_pg_writer *)base;
    ward_pg_conn_fini(&writer->conn);
    free(writer);
}

static const struct ward_store_ops ops = {
    .name = "postgres",
    .close = close_store,
    .reader_open = open_reader,
    .reader_close = close_reader,
    .writer_open = open_writer,
    .writer_close = close_writer,
    .snapshot = ward_pg_snapshot,
    .epoch = ward_pg_epoch,
    .read = ward_pg_read,
    .head = ward_pg_head,
    .unlock = ward_pg_unlock,
    .commit = ward_pg_commit,
    .resolve = ward_pg_resolve,
};

ward_status ward_store_postgres_open(const char *conninfo, struct ward_store **ret)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    WARD_REQUIRE(options != NULL, "database: the connection string does not parse");
    PQconninfoFree(options);
    struct postgres *store = calloc(1, sizeof(*store));
    char *copy = strdup(conninfo);
    if (store == NULL || copy == NULL) {
        free(store);
        free(copy);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    store->base.ops = &ops;
    store->conninfo = copy;
    *ret = &store->base;
    return WARD_OK;
}
