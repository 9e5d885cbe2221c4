/* SPDX-License-Identifier: Apache-2.0 */
/* The table of SQLSTATEs. An exact entry wins over its class; what is not listed is INTERNAL, and
 * its commit FAILED, so that a new error of the server is seen and not retried for ever. */
#include "backends/postgres/sqlstate.h"

struct meaning {
    char state[6]; /* two characters: a class */
    uint8_t code;  /* enum ward_code */
    uint8_t outcome;
};

static const struct meaning meanings[] = {
    /* our own, raised by functions of the schema */
    {"WD001", WARD_E_CONFLICT, WARD_COMMIT_HEAD_MOVED},
    {"WD002", WARD_E_STALE, WARD_COMMIT_STALE},
    {"WD003", WARD_E_CONFLICT, WARD_COMMIT_CONFLICT},
    {"WD004", WARD_E_STATE, WARD_COMMIT_UNAVAILABLE},
    /* somebody else's row */
    {"23505", WARD_E_CONFLICT, WARD_COMMIT_CONFLICT}, /* unique_violation */
    {"23503", WARD_E_CONFLICT, WARD_COMMIT_CONFLICT}, /* foreign_key_violation: the row went away */
    /* the same again */
    {"40003", WARD_E_UNKNOWN_COMMIT, WARD_COMMIT_UNKNOWN},  /* statement_completion_unknown */
    {"40", WARD_E_CONFLICT, WARD_COMMIT_RETRY},             /* serialization, deadlock */
    {"55P03", WARD_E_CONFLICT, WARD_COMMIT_RETRY},          /* lock_not_available: lock_timeout */
    {"57014", WARD_E_CONFLICT, WARD_COMMIT_RETRY},          /* query_canceled: statement_timeout */
    {"0A000", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* cached plan: the schema moved */
    {"26000", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* prepared statement lost (a pooler) */
    {"42703", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* no such column: migrated */
    /* not now */
    {"08", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},    /* connection */
    {"25006", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* read only: a standby */
    {"25P03", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* idle in transaction for too long */
    {"53", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},    /* disk, memory, connections */
    {"57", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},    /* shutting down, starting up */
    {"58", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},    /* input and output of the server */
    /* not ours to use */
    {"28", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* authentication */
    {"3D", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* no such database */
    {"3F", WARD_E_STATE, WARD_COMMIT_FAILED},            /* no such schema */
    {"42501", WARD_E_STATE, WARD_COMMIT_FAILED},         /* the role lacks a right */
    {"42P01", WARD_E_STATE, WARD_COMMIT_FAILED},         /* no such table */
    {"42704", WARD_E_STATE, WARD_COMMIT_FAILED},         /* no such role */
    {"42883", WARD_E_STATE, WARD_COMMIT_FAILED},         /* no such function */
};

uint32_t ward_sqlstate_pack(const char *text)
{
    uint32_t packed = 0;
    if (text == NULL || strnlen(text, 6) != 5) {
        return 0;
    }
    for (unsigned i = 0; i < 5; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))) {
            return 0;
        }
        packed |= (uint32_t)((c - '0') & 0x3f) << (6 * i);
    }
    return packed;
}

void ward_sqlstate_unpack(uint32_t sqlstate, char out[static 6])
{
    for (unsigned i = 0; i < 5; i++) {
        out[i] = (char)('0' + ((sqlstate >> (6 * i)) & 0x3f));
    }
    out[5] = '\0';
}

static const struct meaning *find(uint32_t sqlstate)
{
    char text[6];
    ward_sqlstate_unpack(sqlstate, text);
    const struct meaning *class = NULL;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        const char *state = meanings[i].state;
        if (strcmp(state, text) == 0) {
            return &meanings[i];
        }
        if (state[2] == '\0' && strncmp(state, text, 2) == 0) {
            class = &meanings[i];
        }
    }
    return class;
}

ward_status ward_sqlstate_status(uint32_t sqlstate)
{
    if (sqlstate == 0) {
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    const struct meaning *meaning = find(sqlstate);
    return WARD_FOREIGN(meaning == NULL ? WARD_E_INTERNAL : meaning->code, WARD_DOMAIN_SQLSTATE,
                        sqlstate);
}

enum ward_commit_outcome ward_sqlstate_outcome(uint32_t sqlstate)
{
    if (sqlstate == 0) {
        return WARD_COMMIT_UNKNOWN;
    }
    const struct meaning *meaning = find(sqlstate);
    return meaning == NULL ? WARD_COMMIT_FAILED : (enum ward_commit_outcome)meaning->outcome;
}
