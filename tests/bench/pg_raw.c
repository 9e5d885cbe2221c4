/* SPDX-License-Identifier: Apache-2.0 */
/* The raw rates of PostgreSQL on one connection, to which Ward's own are compared: records of 1.1
 * KB inserted 64 a transaction with one audit row beside them, in pipeline mode, and read back by
 * id 64 a query. Uses libpq and none of Ward's code: what is measured must not depend on what is
 * compared. Makes a schema of its own and drops it. Prints one JSON object. Usage: pg_raw
 * --conninfo STRING
 * [--seconds S], with a role that may create a schema. */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#define BATCH 64
#define ID_SIZE 32
#define SEALED_SIZE 1100
#define LEAF_SIZE 450
#define ARRAY_HEADER 20
#define OID_BYTEA 17

static PGconn *conn;

static void must(int ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "pg_raw: %s: %s\n", what, PQerrorMessage(conn));
        exit(1);
    }
}

static void usage(void)
{
    (void)fputs("usage: pg_raw --conninfo STRING [--seconds S]\n", stderr);
    exit(2);
}

static double now(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* SplitMix64: ids and seals that do not compress and can be made again from their number. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void fill(uint8_t *out, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t x = mix(seed + i / 8);
        memcpy(out + i, &x, size - i < 8 ? size - i : 8);
    }
}

static uint8_t *put_u32(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 24);
    at[1] = (uint8_t)(v >> 16);
    at[2] = (uint8_t)(v >> 8);
    at[3] = (uint8_t)v;
    return at + 4;
}

/* An array of BATCH byteas of one size in binary form; element i is made from seed + i. */
static size_t array(uint8_t *out, size_t size, uint64_t seed)
{
    uint8_t *at = out;
    at = put_u32(at, 1);
    at = put_u32(at, 0);
    at = put_u32(at, OID_BYTEA);
    at = put_u32(at, BATCH);
    at = put_u32(at, 1);
    for (uint64_t i = 0; i < BATCH; i++) {
        at = put_u32(at, (uint32_t)size);
        fill(at, size, (seed + i) << 16);
        at += size;
    }
    return (size_t)(at - out);
}

static void command(const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    must(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, sql);
    PQclear(result);
}

static void prepare(const char *name, const char *sql)
{
    PGresult *result = PQprepare(conn, name, sql, 0, NULL);
    must(PQresultStatus(result) == PGRES_COMMAND_OK, sql);
    PQclear(result);
}

static void send(const char *name, int n, const char *const *values, const int *sizes)
{
    static const int binary[2] = {1, 1};
    must(PQsendQueryPrepared(conn, name, n, values, sizes, binary, 1) == 1, name);
}

/* Reads n results and the sync; how many rows came. */
static long finish(int n)
{
    long rows = 0;
    must(PQpipelineSync(conn) == 1, "sync");
    for (int i = 0; i < n; i++) {
        PGresult *result = PQgetResult(conn);
        ExecStatusType status = PQresultStatus(result);
        must(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "result");
        rows += PQntuples(result);
        PQclear(result);
        must(PQgetResult(conn) == NULL, "end of result");
    }
    PGresult *sync = PQgetResult(conn);
    must(PQresultStatus(sync) == PGRES_PIPELINE_SYNC, "end of pipeline");
    PQclear(sync);
    return rows;
}

/* Rows a second; how many there then are. */
static double inserts(double seconds, uint64_t *ret_rows)
{
    static uint8_t ids[ARRAY_HEADER + BATCH * (4 + ID_SIZE)];
    static uint8_t seals[ARRAY_HEADER + BATCH * (4 + SEALED_SIZE)];
    static char leaves[BATCH * LEAF_SIZE];
    uint64_t rows = 0;
    for (size_t i = 0; i < sizeof(leaves); i++) { /* text like a leaf's: it compresses */
        leaves[i] = "{\"action\":\"record.put\",\"identity\":\"app\",\"outcome\":\"ok\","[i % 56];
    }
    size_t seal_size = array(seals, SEALED_SIZE, 1);
    double began = now(), at;
    do {
        size_t id_size = array(ids, ID_SIZE, rows);
        fill((uint8_t *)leaves, LEAF_SIZE, rows);
        const char *row_values[] = {(const char *)ids, (const char *)seals};
        const int row_sizes[] = {(int)id_size, (int)seal_size};
        const char *audit_values[] = {leaves};
        const int audit_sizes[] = {(int)sizeof(leaves)};
        send("begin", 0, NULL, NULL);
        send("put", 2, row_values, row_sizes);
        send("audit", 1, audit_values, audit_sizes);
        send("commit", 0, NULL, NULL);
        (void)finish(4);
        rows += BATCH;
        at = now();
    } while (at - began < seconds);
    *ret_rows = rows;
    return (double)rows / (at - began);
}

static double selects(double seconds, uint64_t rows)
{
    static uint8_t ids[ARRAY_HEADER + BATCH * (4 + ID_SIZE)];
    uint64_t found = 0;
    double began = now(), at;
    do {
        uint64_t first = mix(found) % (rows - BATCH + 1);
        size_t size = array(ids, ID_SIZE, first);
        const char *values[] = {(const char *)ids};
        const int sizes[] = {(int)size};
        send("get", 1, values, sizes);
        long n = finish(1);
        must(n == BATCH, "a row that was inserted is not there");
        found += BATCH;
        at = now();
    } while (at - began < seconds);
    return (double)found / (at - began);
}

static void make_schema(void)
{
    command("SET client_min_messages = error");
    command("DROP SCHEMA IF EXISTS ward_bench_raw CASCADE");
    command("CREATE SCHEMA ward_bench_raw");
    command("CREATE TABLE ward_bench_raw.record (id bytea PRIMARY KEY, sealed bytea NOT NULL)");
    command("ALTER TABLE ward_bench_raw.record ALTER COLUMN sealed SET STORAGE EXTERNAL");
    command("CREATE TABLE ward_bench_raw.audit (first bigserial PRIMARY KEY, "
            "leaves bytea COMPRESSION lz4 NOT NULL)");
    command("ALTER TABLE ward_bench_raw.audit ALTER COLUMN leaves SET STORAGE MAIN");
    command("SET enable_seqscan = off");
    command("SET plan_cache_mode = force_generic_plan");
    prepare("begin", "BEGIN");
    prepare("put",
            "INSERT INTO ward_bench_raw.record SELECT * FROM unnest($1::bytea[], $2::bytea[])");
    prepare("audit", "INSERT INTO ward_bench_raw.audit (leaves) VALUES ($1::bytea)");
    prepare("commit", "COMMIT");
    prepare("get", "SELECT id, sealed FROM ward_bench_raw.record WHERE id = ANY ($1::bytea[])");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"conninfo", required_argument, NULL, 'c'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *conninfo = NULL;
    double seconds = 3;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c') {
            conninfo = optarg;
        } else if (option == 's') {
            char *end;
            seconds = strtod(optarg, &end);
            if (*end != '\0' || !(seconds > 0 && seconds <= 3600)) {
                usage();
            }
        } else {
            usage();
        }
    }
    if (conninfo == NULL || optind != argc) {
        usage();
    }
    conn = PQconnectdb(conninfo);
    must(PQstatus(conn) == CONNECTION_OK, "connect");
    make_schema();
    must(PQenterPipelineMode(conn) == 1, "pipeline");
    uint64_t rows = 0;
    double insert_rate = inserts(seconds, &rows);
    double select_rate = selects(seconds, rows);
    must(PQexitPipelineMode(conn) == 1, "pipeline");
    command("DROP SCHEMA ward_bench_raw CASCADE");
    PQfinish(conn);
    (void)printf("{\"pg_insert\":%.0f,\"pg_select\":%.0f}\n", insert_rate, select_rate);
    return 0;
}
