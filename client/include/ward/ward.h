/* SPDX-License-Identifier: Apache-2.0 */
/* libward: calls to a Ward daemon (wardd) over mutually authenticated TLS 1.3. C11.
 *
 * A client is made once from a configuration and used by any number of threads at a time; calls
 * block, each on a connection of its own out of the client's pool. Every call that can fail returns
 * a ward_rc, WARD_RC_OK (0) when it succeeded, and fills `error` when that is not NULL; its result
 * is written only on success.
 *
 * Ownership: pointers that go in are borrowed for the length of the call. What comes back through
 * `ret` belongs to the caller, who releases it with the function named there; all pointers into it
 * die then. Releasing NULL is fine. Text is UTF-8 and ends with a NUL; sizes are in bytes.
 * Plaintext keys are held in locked memory, everything else that comes from the daemon in memory
 * that is wiped when it is released.
 *
 * Batch calls answer each item on its own: the call succeeds, and an item carries its own code.
 * Calls for one item (ward_generate_data_key and the like) fail with the item's code.
 *
 * Several servers: a call goes to one that works, over a warm connection where there is one. A
 * server that fails is left alone for a while that grows; new connections are spread over the rest.
 *
 * Repeats: within its deadline, and up to ward_config_set_max_attempts times, a call is repeated
 * when the daemon was unavailable, or said when to come again. Pauses grow and are random; where
 * another server is at hand there is none. A call that changes something is sent under one request
 * id in all its attempts, so that the daemon does it once.
 *
 * Certificates: when the CA, certificate or key file has changed, the next connection uses the new
 * ones; calls under way are not disturbed.
 *
 * Fork: a child may go on with a client of its parent's. It begins with new connections; those of
 * the parent are not touched. What was given back before stays readable, but for data keys and
 * cached keys, which are empty in the child.
 *
 * Structs that the library gives back may grow at their end in later versions. */
#ifndef WARD_WARD_H
#define WARD_WARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* gRPC's status codes. */
typedef enum ward_rc {
    WARD_RC_OK = 0,
    WARD_RC_CANCELLED = 1,
    WARD_RC_UNKNOWN = 2,
    WARD_RC_INVALID_ARGUMENT = 3,  /* bad input, or a wrapped key that does not open */
    WARD_RC_DEADLINE_EXCEEDED = 4, /* it is not known whether the daemon did it */
    WARD_RC_NOT_FOUND = 5,
    WARD_RC_ALREADY_EXISTS = 6,
    WARD_RC_PERMISSION_DENIED = 7,
    WARD_RC_RESOURCE_EXHAUSTED = 8, /* a limit, a quota or this process's locked memory */
    WARD_RC_FAILED_PRECONDITION = 9,
    WARD_RC_ABORTED = 10,
    WARD_RC_OUT_OF_RANGE = 11,
    WARD_RC_UNIMPLEMENTED = 12,
    WARD_RC_INTERNAL = 13,
    WARD_RC_UNAVAILABLE = 14, /* no connection, or the daemon cannot work now */
    WARD_RC_DATA_LOSS = 15,
    WARD_RC_UNAUTHENTICATED = 16, /* certificates: theirs or ours */
} ward_rc;

/* What went wrong, in a buffer of the caller. */
typedef struct ward_error {
    ward_rc code;
    int answered;      /* 1: the daemon said so. 0: it was found here; the daemon may not know */
    uint32_t attempts; /* how often the call was tried; 0: it was not */
    uint32_t retry_after_ms; /* the daemon's hint when to come again; 0: none */
    char field[64];          /* the field that broke a rule, e.g. "context"; "": none */
    char reason[64];         /* the daemon's constant for the cause, e.g. "STATE"; "": none */
    char message[504];       /* one sentence; names the field and the rule */
} ward_error;

/* The library's version, e.g. "0.1.0". Static. */
const char *ward_version(void);
/* The code's name, e.g. "PERMISSION_DENIED". Static. */
const char *ward_rc_name(ward_rc code);

/* ---- configuration and client ---- */

typedef struct ward_config ward_config;
typedef struct ward_client ward_client;

/* NULL when memory is short. Release with ward_config_free; a client keeps its own copy. */
ward_config *ward_config_new(void);
void ward_config_free(ward_config *config);
/* Each copies its text and returns WARD_RC_OK, or RESOURCE_EXHAUSTED when memory is short.
 * servers: "host:port" or "[::1]:7443", or several with commas between; at most 16 in all
 * (INVALID_ARGUMENT). `set` replaces what was given before. server_name: the DNS name or IP address
 * that every daemon's certificate must have; default: the host of each. ca, certificate, key: PEM
 * files; who may have signed the daemon's certificate, our certificate with its chain, and its
 * private key (not encrypted). */
ward_rc ward_config_set_server(ward_config *config, const char *servers);
ward_rc ward_config_add_server(ward_config *config, const char *servers);
ward_rc ward_config_set_server_name(ward_config *config, const char *name);
ward_rc ward_config_set_ca_file(ward_config *config, const char *path);
ward_rc ward_config_set_certificate_file(ward_config *config, const char *path);
/* Also a key that stays in a smart card or HSM: a PKCS#11 URI (RFC 7512) that names one token and
 * one private key, ECDSA P-256 or RSA, such as
 *   pkcs11:token=staff;id=%01?pin-source=file:/run/credentials/pin
 * Modules are those of p11-kit, or module-path. The PIN comes from pin-source (a file), pin-value,
 * the callback below, or the reader's own pad. Needs libp11-kit at run time. */
ward_rc ward_config_set_key_file(ward_config *config, const char *path);
/* Writes the PIN of the token with this label into pin, at most size bytes and no NUL needed, and
 * returns its length; below 0 when there is none. Called when the token is opened, by any thread;
 * must not call this library. The memory is locked, and wiped after the login. */
typedef int (*ward_pin_callback)(void *context, const char *token, char *pin, size_t size);
void ward_config_set_pin_callback(ward_config *config, ward_pin_callback callback, void *context);
/* How long a call may take in all, with its repeats, milliseconds, 1 to 3,600,000; default 10,000.
 */
void ward_config_set_timeout_ms(ward_config *config, uint32_t timeout_ms);
/* Of several servers, how long one may take to be connected before another is tried; default 2,000.
 */
void ward_config_set_connect_timeout_ms(ward_config *config, uint32_t timeout_ms);
/* How many calls may be on their way at once, 1 to 1,024; default 32. More wait for their turn. */
void ward_config_set_max_connections(ward_config *config, uint32_t n);
/* How often a call may be tried, 1 to 16; default 4. */
void ward_config_set_max_attempts(ward_config *config, uint32_t n);

/* Reads the files; connects to nothing yet. INVALID_ARGUMENT: the configuration, with the file's
 * name and what is wrong with it. Release with ward_client_free, when no call is under way. */
ward_rc ward_client_new(const ward_config *config, ward_client **ret, ward_error *error);
void ward_client_free(ward_client *client);

/* What is said about one call; NULL wherever a ward_call is asked for means nothing. */
typedef struct ward_call {
    const char
        *request_id; /* names the call in the audit log, and what changes something is done once
                        under it: 1 to 64 of [A-Za-z0-9._-]; NULL: one is made where it matters */
    const char *on_behalf_of; /* the end user, a pseudonymous id of at most 128 bytes; or NULL */
    const char *reason;       /* why, at most 256 bytes; or NULL */
    uint32_t timeout_ms;      /* 0: the client's */
    uint32_t reserved;        /* 0 */
} ward_call;

/* One pair of an encryption context: at most 32 pairs, no key twice, 8 KiB in all. */
typedef struct ward_pair {
    const char *key, *value;
} ward_pair;

/* ---- data keys ---- */

typedef struct ward_data_keys ward_data_keys;

typedef struct ward_generate_request {
    const char *key; /* the key-encryption key's name */
    const ward_pair *context;
    size_t n_context;
    uint32_t size;         /* bytes of each data key: 16, 24, 32 or 64; 0: 32 */
    uint32_t count;        /* how many, 1 to 1,000; 0: 1 */
    int without_plaintext; /* 1: only the wrapped form */
} ward_generate_request;

typedef struct ward_unwrap_request {
    const void *wrapped; /* as it was given out */
    size_t wrapped_size;
    const ward_pair *context; /* the one given at issue */
    size_t n_context;
} ward_unwrap_request;

typedef struct ward_rewrap_request {
    const void *wrapped; /* as it was given out */
    size_t wrapped_size;
    const ward_pair *context; /* the one given at issue */
    size_t n_context;
    const char *key;  /* the key-encryption key to wrap under; NULL or "": the same */
    uint32_t version; /* of that one; 0: its newest */
    /* 1: the context becomes new_context, which may be empty. 0: it stays, and new_context is not
     * looked at. */
    int change_context;
    const ward_pair *new_context;
    size_t n_new_context;
} ward_rewrap_request;

/* 1 to 1,000 requests, at most 1,000 keys in all. */
ward_rc ward_generate_data_keys(ward_client *client, const ward_call *call,
                                const ward_generate_request *requests, size_t n,
                                ward_data_keys **ret, ward_error *error);
ward_rc ward_generate_data_key(ward_client *client, const ward_call *call, const char *key,
                               const ward_pair *context, size_t n_context, uint32_t size,
                               ward_data_keys **ret, ward_error *error);
/* 1 to 1,000 requests. A key that was altered, or wrapped for another context, answers
 * INVALID_ARGUMENT "ciphertext does not open", and nothing more. */
ward_rc ward_unwrap_data_keys(ward_client *client, const ward_call *call,
                              const ward_unwrap_request *requests, size_t n, ward_data_keys **ret,
                              ward_error *error);
ward_rc ward_unwrap_data_key(ward_client *client, const ward_call *call, const void *wrapped,
                             size_t wrapped_size, const ward_pair *context, size_t n_context,
                             ward_data_keys **ret, ward_error *error);
/* 1 to 1,000 requests. Moves wrapped keys to the newest version, to a named one, to another
 * key-encryption key or to another context; no plaintext comes or goes. What was there already
 * comes back as it was sent. Keep the old form until the new one is stored. */
ward_rc ward_rewrap_data_keys(ward_client *client, const ward_call *call,
                              const ward_rewrap_request *requests, size_t n, ward_data_keys **ret,
                              ward_error *error);
ward_rc ward_rewrap_data_key(ward_client *client, const ward_call *call,
                             const ward_rewrap_request *request, ward_data_keys **ret,
                             ward_error *error);
/* Wipes the keys. */
void ward_data_keys_free(ward_data_keys *keys);
/* How many requests were answered: as many as were asked. */
size_t ward_data_keys_items(const ward_data_keys *keys);
/* The code of one request, and its text in *message unless that is NULL. */
ward_rc ward_data_keys_code(const ward_data_keys *keys, size_t item, const char **message);
/* How many keys this request gave: 0 when it failed. */
size_t ward_data_keys_count(const ward_data_keys *keys, size_t item);
/* The i-th of them; NULL and size 0 where there is none. wrapped is empty after an unwrap. */
const void *ward_data_keys_plaintext(const ward_data_keys *keys, size_t item, size_t i,
                                     size_t *size);
const void *ward_data_keys_wrapped(const ward_data_keys *keys, size_t item, size_t i, size_t *size);
/* After an unwrap or rewrap: the key-encryption key's name and version; "" and 0 otherwise. */
const char *ward_data_keys_name(const ward_data_keys *keys, size_t item);
uint32_t ward_data_keys_version(const ward_data_keys *keys, size_t item);
/* After a rewrap: 1 when the key was there already. */
int ward_data_keys_unchanged(const ward_data_keys *keys, size_t item);

/* ---- records ---- */

typedef struct ward_put_request {
    const char *collection, *subject,
        *id;          /* 1 to 128 bytes each; subject: a pseudonym of the patient */
    const void *json; /* one JSON object of at most 1 MiB */
    size_t json_size;
} ward_put_request;

typedef struct ward_get_request {
    const char *collection, *subject, *id;
    const char *const *fields; /* top-level members; "*" alone: the whole record as it was put */
    size_t n_fields;           /* 0: the collection's default set */
    uint32_t version;          /* 0: the newest */
} ward_get_request;

typedef struct ward_record_value {
    const char *name;
    const void *json; /* the member's value, as it was put */
    size_t json_size;
} ward_record_value;

typedef struct ward_record_result {
    ward_rc code;
    const char *message; /* "" when it succeeded */
    uint32_t version;    /* written or found */
    const void *json;    /* of get with "*" */
    size_t json_size;
    const ward_record_value *const *values; /* of get with fields */
    size_t n_values;
} ward_record_result;

typedef struct ward_records {
    const ward_record_result *const *items; /* one for each request, in order */
    size_t n;
} ward_records;

/* 1 to 1,000 requests of under 4 MiB in all, no record twice. context: what policy decides on. */
ward_rc ward_put_records(ward_client *client, const ward_call *call, const ward_pair *context,
                         size_t n_context, const ward_put_request *requests, size_t n,
                         ward_records **ret, ward_error *error);
/* 1 to 1,000 requests. Results that no longer fit under 4 MiB answer RESOURCE_EXHAUSTED. */
ward_rc ward_get_records(ward_client *client, const ward_call *call, const ward_pair *context,
                         size_t n_context, const ward_get_request *requests, size_t n,
                         ward_records **ret, ward_error *error);
/* One record: fails with the item's code. */
ward_rc ward_put_record(ward_client *client, const ward_call *call, const ward_pair *context,
                        size_t n_context, const ward_put_request *request, ward_records **ret,
                        ward_error *error);
ward_rc ward_get_record(ward_client *client, const ward_call *call, const ward_pair *context,
                        size_t n_context, const ward_get_request *request, ward_records **ret,
                        ward_error *error);
void ward_records_free(ward_records *records);

/* ---- proposals: what waits for a second officer ---- */

typedef struct ward_vote_info {
    const char *identity;
    const char *decision;  /* "propose", "approve", "reject", "withdraw", "execute", "review" */
    const void *signature; /* over the DSSE encoding of the payload under the decision */
    size_t signature_size;
    const void *certificate; /* DER */
    size_t certificate_size;
    const char *time;   /* RFC 3339, UTC */
    const char *reason; /* that its signer gave and signed; "": none */
} ward_vote_info;

typedef struct ward_missing_info {
    const char *role;
    uint32_t approvals;
} ward_missing_info;

typedef struct ward_proposal_info {
    const char *id;
    const void *payload; /* canonical JSON: exactly what would run, and what is signed */
    size_t payload_size;
    const char *state; /* "draft", "open", "approved" (it waits for ward_execute_proposal),
                          "executing", "executed", "rejected", "withdrawn", "expired" */
    const char *proposer;
    uint32_t approvals_needed; /* besides the proposer */
    const ward_vote_info *const *votes;
    size_t n_votes;
    /* As the daemon counts, for people: nobody signs it. */
    const char *review;                  /* "pending", "done"; "": it needs none */
    uint32_t approvals_missing;          /* in all */
    const ward_missing_info *missing_of; /* of members of these roles, among them */
    size_t n_missing_of;
    const char *const *may_approve; /* persons */
    size_t n_may_approve;
    const char *waits_for_you; /* "submit", "approve", "execute", "review"; "": nothing does */
    const char *cannot_run;    /* why it never will, though it is open; "": it may */
} ward_proposal_info;

typedef struct ward_proposals {
    const ward_proposal_info *const *items;
    size_t n;
    const char *next_page; /* for the next ward_list_proposals; "" after the last page */
} ward_proposals;

/* Newest first. all: 1 also for those that are executed, rejected or expired. page_size: 1 to
 * 1,000, 0: 100. page: next_page of the page before, NULL for the first. */
ward_rc ward_list_proposals(ward_client *client, const ward_call *call, int all, uint32_t page_size,
                            const char *page, ward_proposals **ret, ward_error *error);
/* Those alone that ran on their proposer's signature and wait for another officer's review. A page
 * may hold fewer than it might, and none, before the last. */
ward_rc ward_list_unreviewed(ward_client *client, const ward_call *call, uint32_t page_size,
                             const char *page, ward_proposals **ret, ward_error *error);
/* These give back one proposal, as it is afterwards. The signature is DSSE over the payload,
 * payloadType "application/vnd.ward.proposal+json; decision=D" with D propose (submit), approve,
 * reject, withdraw, execute or review, by the private key of this client's certificate: ECDSA P-256
 * with SHA-256 in DER, or Ed25519. Sign only what was read and understood. The call's reason of
 * reject, withdraw and review is kept, and has to be signed: behind it "; reason=" and the 64 hex
 * digits of its SHA-256. */
ward_rc ward_show_proposal(ward_client *client, const ward_call *call, const char *id,
                           ward_proposals **ret, ward_error *error);
ward_rc ward_submit_proposal(ward_client *client, const ward_call *call, const char *id,
                             const void *signature, size_t size, ward_proposals **ret,
                             ward_error *error);
ward_rc ward_approve_proposal(ward_client *client, const ward_call *call, const char *id,
                              const void *signature, size_t size, ward_proposals **ret,
                              ward_error *error);
ward_rc ward_reject_proposal(ward_client *client, const ward_call *call, const char *id,
                             const void *signature, size_t size, ward_proposals **ret,
                             ward_error *error);
/* By the proposer, before it ran. */
ward_rc ward_withdraw_proposal(ward_client *client, const ward_call *call, const char *id,
                               const void *signature, size_t size, ward_proposals **ret,
                               ward_error *error);
/* Runs what is "approved". */
ward_rc ward_execute_proposal(ward_client *client, const ward_call *call, const char *id,
                              const void *signature, size_t size, ward_proposals **ret,
                              ward_error *error);
ward_rc ward_review_proposal(ward_client *client, const ward_call *call, const char *id,
                             const void *signature, size_t size, ward_proposals **ret,
                             ward_error *error);
void ward_proposals_free(ward_proposals *proposals);

/* ---- key-encryption keys ---- */

typedef struct ward_key_version_info {
    uint32_t version;
    const char *state;   /* SP 800-57: "pre-active", "active", "deactivated", ... */
    const char *created; /* RFC 3339, UTC */
    uint64_t rows;       /* stored patients' keys that it wraps; in ward_describe_key only */
    const char *changed; /* when it came into its state */
    const char *prior;   /* "pending-destruction": the state before; "" otherwise */
    const char *due;     /* "pending-destruction": when it may be destroyed; "" otherwise */
} ward_key_version_info;

typedef struct ward_key_info {
    const char *name, *id; /* id: a UUID, never reused */
    const char *purpose;   /* "data-keys", "records", "system" */
    int enabled;
    const char *backend, *created;
    uint32_t rotation_period_days;
    const ward_key_version_info *const *versions;
    size_t n_versions;
} ward_key_info;

/* How far the stored rows of a key are moved to its active version; or its records, the rows then,
 * to new subject keys. */
typedef struct ward_key_job {
    const char *state; /* "none", "running", "done", "stuck" (rows are left), "superseded" */
    uint32_t version;  /* of a rekey the number of the run */
    uint64_t total, done;
    uint64_t failed; /* rows that did not move the last time they were tried */
    uint64_t left;   /* when it is stuck: rows that still need an older version or subject key */
    uint64_t rows_per_second;
    const char *started, *ended; /* RFC 3339, UTC, or "" */
    /* Of ward_rekey_key where policy asks for approvals: it waits, and there is no job yet. */
    const ward_proposal_info *proposal;
    /* Of a rekey, told with the key and its usage: the newest version whose compromise no finished
     * run has followed, of a key that has rows; 0: none is owed. */
    uint32_t owed_for;
} ward_key_job;

typedef struct ward_keys {
    const ward_key_info *const *items;
    size_t n;
    const char *next_page;
    const ward_proposal_info *proposal; /* of create and rotate: it waits for approval, n is 0 */
    const ward_key_job *rewrap;         /* of ward_describe_key; else NULL */
    const ward_key_job *rekey;          /* as rewrap */
} ward_keys;

/* purpose: "data-keys" or "records". rotation_period_days: 0 means 365. */
ward_rc ward_create_key(ward_client *client, const ward_call *call, const char *name,
                        const char *purpose, uint32_t rotation_period_days, ward_keys **ret,
                        ward_error *error);
ward_rc ward_rotate_key(ward_client *client, const ward_call *call, const char *name,
                        ward_keys **ret, ward_error *error);
ward_rc ward_describe_key(ward_client *client, const ward_call *call, const char *name,
                          ward_keys **ret, ward_error *error);
/* Sorted by name; only those that the caller may describe. Pages as in ward_list_proposals. */
ward_rc ward_list_keys(ward_client *client, const ward_call *call, uint32_t page_size,
                       const char *page, ward_keys **ret, ward_error *error);
void ward_keys_free(ward_keys *keys);

/* Starts it now, which the daemons otherwise do by themselves after a rotation; one that has ended
 * begins anew, and ends with a full count. */
ward_rc ward_rewrap_key(ward_client *client, const ward_call *call, const char *name,
                        ward_key_job **ret, ward_error *error);
/* Costs little, however many rows there are. */
ward_rc ward_rewrap_progress(ward_client *client, const ward_call *call, const char *name,
                             ward_key_job **ret, ward_error *error);
/* Encrypts every record of the key anew, under new subject keys: for one that leaked, which a
 * rewrap does not heal. A run that is under way is left to run. */
ward_rc ward_rekey_key(ward_client *client, const ward_call *call, const char *name,
                       ward_key_job **ret, ward_error *error);
ward_rc ward_rekey_progress(ward_client *client, const ward_call *call, const char *name,
                            ward_key_job **ret, ward_error *error);
void ward_key_job_free(ward_key_job *job);

typedef struct ward_collection_rows {
    const char *collection;
    uint64_t rows;
} ward_collection_rows;

typedef struct ward_key_version_usage {
    uint32_t version;
    const char *state, *created;
    uint64_t issued, opened;    /* data keys given out under it; keys that it opened for callers */
    const char *last_opened;    /* "": never */
    uint64_t rows;              /* stored patients' keys */
    uint64_t wraps, wraps_left; /* of what one version may wrap; left is 0 when it wraps no more */
    uint32_t age_days;
    const ward_collection_rows *const *collections; /* the rows, the fullest first */
    size_t n_collections;
} ward_key_version_usage;

typedef struct ward_key_usage {
    const char *name;
    uint32_t rotation_period_days;
    const char *next_rotation; /* by its period; "": none is due */
    const ward_key_version_usage *const *versions;
    size_t n_versions;
    const ward_key_job *rewrap, *rekey; /* the newest ones */
} ward_key_usage;

ward_rc ward_get_key_usage(ward_client *client, const ward_call *call, const char *name,
                           ward_key_usage **ret, ward_error *error);
void ward_key_usage_free(ward_key_usage *use);

/* Each gives a draft that says what it would do; call's reason must be there. It runs when the
 * caller has signed it with ward_submit_proposal: disable, suspend, compromise and cancel then at
 * once, for another officer to review, the others when officers have approved it. */
ward_rc ward_change_key(ward_client *client, const ward_call *call, const char *name,
                        uint32_t rotation_period_days, ward_proposals **ret, ward_error *error);
ward_rc ward_disable_key(ward_client *client, const ward_call *call, const char *name,
                         ward_proposals **ret, ward_error *error);
ward_rc ward_enable_key(ward_client *client, const ward_call *call, const char *name,
                        ward_proposals **ret, ward_error *error);
/* Of one version; 0: the active one, of a resume the newest. */
ward_rc ward_suspend_key(ward_client *client, const ward_call *call, const char *name,
                         uint32_t version, ward_proposals **ret, ward_error *error);
ward_rc ward_resume_key(ward_client *client, const ward_call *call, const char *name,
                        uint32_t version, ward_proposals **ret, ward_error *error);
ward_rc ward_deactivate_key(ward_client *client, const ward_call *call, const char *name,
                            uint32_t version, ward_proposals **ret, ward_error *error);
/* Of a version that is named: not 0. */
ward_rc ward_compromise_key(ward_client *client, const ward_call *call, const char *name,
                            uint32_t version, ward_proposals **ret, ward_error *error);
/* waiting_days: 7 to 30; 0: what policy says. FAILED_PRECONDITION while stored rows need the
 * version, or while it opened something lately; the message ends with the numbers. */
ward_rc ward_schedule_key_destruction(ward_client *client, const ward_call *call, const char *name,
                                      uint32_t version, uint32_t waiting_days, ward_proposals **ret,
                                      ward_error *error);
ward_rc ward_cancel_key_destruction(ward_client *client, const ward_call *call, const char *name,
                                    uint32_t version, ward_proposals **ret, ward_error *error);

/* ---- audit ---- */

typedef struct ward_leaf_data {
    const void *json; /* one canonical JSON object */
    size_t size;
} ward_leaf_data;

typedef struct ward_leaves {
    const ward_leaf_data *items; /* from `start` on, as many as fit 3 MiB */
    size_t n;
} ward_leaves;

typedef struct ward_checkpoint_info {
    const char *note; /* C2SP tlog-checkpoint, a signed note */
    const char *vkey; /* the log's key as the daemon says; trust the one you were given instead */
    /* Of each change of that key so far, oldest first, the first checkpoint behind it: signed by
     * the key before and the one after it. */
    const char *const *handovers;
    size_t n_handovers;
    /* Sizes of rows in the database that no key of the log signed and that stood in the place of
     * one of these: they were passed over. */
    const uint64_t *passed_over;
    size_t n_passed_over;
} ward_checkpoint_info;

/* Leaves start to end - 1; end is at most the size of the newest checkpoint. */
ward_rc ward_audit_export(ward_client *client, const ward_call *call, uint64_t start, uint64_t end,
                          ward_leaves **ret, ward_error *error);
void ward_leaves_free(ward_leaves *leaves);
ward_rc ward_audit_checkpoint(ward_client *client, const ward_call *call,
                              ward_checkpoint_info **ret, ward_error *error);
void ward_checkpoint_info_free(ward_checkpoint_info *checkpoint);
/* Proposes another key for the log's checkpoints. */
ward_rc ward_rotate_log_key(ward_client *client, const ward_call *call, ward_proposals **ret,
                            ward_error *error);

/* ---- identities: who is no longer let in ---- */

typedef struct ward_revocation_info {
    const char *identity;           /* "" when it is a certificate */
    const char *certificate_sha256; /* 64 hex digits; "" when it is an identity */
    const char *proposal;           /* who revoked it, and why: ward_show_proposal */
    const char *created;            /* RFC 3339, UTC */
} ward_revocation_info;

typedef struct ward_revocations {
    const ward_revocation_info *const *items;
    size_t n;
    const char *next_page;
} ward_revocations;

/* Of identity and certificate_sha256 (hex, of the DER) one is NULL; call's reason must be there.
 * Gives a draft: ward_submit_proposal with the caller's signature revokes at once. force: 1 makes a
 * proposal that needs approvals where too few officers would be left for one, instead of refusing.
 */
ward_rc ward_revoke_identity(ward_client *client, const ward_call *call, const char *identity,
                             const char *certificate_sha256, int force, ward_proposals **ret,
                             ward_error *error);
/* Gives a draft that needs approvals. */
ward_rc ward_unrevoke_identity(ward_client *client, const ward_call *call, const char *identity,
                               const char *certificate_sha256, ward_proposals **ret,
                               ward_error *error);
/* Identities by name, then certificates. Pages as in ward_list_proposals. */
ward_rc ward_list_revocations(ward_client *client, const ward_call *call, uint32_t page_size,
                              const char *page, ward_revocations **ret, ward_error *error);
void ward_revocations_free(ward_revocations *revocations);

/* ---- emergencies ---- */

typedef struct ward_emergency_info {
    const char *id;       /* UUID; of the proposal that an officer reviews, too */
    const char *identity; /* whose it is */
    const char *collection;
    const char *subject_hash;              /* keyed, 64 hex digits */
    const char *opened, *expires, *closed; /* RFC 3339, UTC; closed: empty, or before expires */
    int open;                              /* it gives access now */
    int reviewed;                          /* an officer has signed that he looked at it */
} ward_emergency_info;

typedef struct ward_emergencies {
    const ward_emergency_info *const *items;
    size_t n;
    const char *next_page;
} ward_emergencies;

/* Break-glass: access for this identity to one subject in one collection, at once and for so many
 * minutes, as policy's rules for emergencies have it. call's reason (10 to 256 bytes) and
 * on_behalf_of must be there. Everybody hears of it, and an officer reviews it. Gives one item. */
ward_rc ward_open_emergency(ward_client *client, const ward_call *call, const char *collection,
                            const char *subject, uint32_t minutes, ward_emergencies **ret,
                            ward_error *error);
/* Ends it early: one's own, or as an officer. Gives one item. */
ward_rc ward_close_emergency(ward_client *client, const ward_call *call, const char *id,
                             ward_emergencies **ret, ward_error *error);
/* Newest first. open, unreviewed: 1 for those alone. Pages as in ward_list_proposals. */
ward_rc ward_list_emergencies(ward_client *client, const ward_call *call, int open, int unreviewed,
                              uint32_t page_size, const char *page, ward_emergencies **ret,
                              ward_error *error);
void ward_emergencies_free(ward_emergencies *emergencies);

/* ---- policy: its versions, and how it is changed ---- */

typedef struct ward_policy_info {
    uint32_t version; /* 0: only proposed */
    const void *text; /* YAML; NULL in a list */
    size_t text_size;
    const char *sha256;   /* 64 hex digits: of the text that came, else as the daemon says */
    const char *created;  /* RFC 3339, UTC */
    const char *ceased;   /* when the next one came; "" when it is in force, or only proposed */
    const char *proposal; /* who changed it, and why: ward_show_proposal; "" from the start */
} ward_policy_info;

typedef struct ward_policies {
    const ward_policy_info *const *items;
    size_t n;
    const char *next_page;
} ward_policies;

/* One with its text. version 0: the one in force. proposal, a UUID or NULL: what that one would put
 * in force; the version is then 0. Compare sha256 with to_hash in the payload before you sign. */
ward_rc ward_show_policy(ward_client *client, const ward_call *call, uint32_t version,
                         const char *proposal, ward_policies **ret, ward_error *error);
/* All, newest first, without texts. Pages as in ward_list_proposals. */
ward_rc ward_list_policies(ward_client *client, const ward_call *call, uint32_t page_size,
                           const char *page, ward_policies **ret, ward_error *error);
/* Gives a draft that needs approvals; call's reason must be there. base_version: the one in force,
 * which it replaces. */
ward_rc ward_apply_policy(ward_client *client, const ward_call *call, const void *text, size_t size,
                          uint32_t base_version, ward_proposals **ret, ward_error *error);
void ward_policies_free(ward_policies *policies);

/* ---- diagnosis ---- */

typedef struct ward_finding_info {
    const char *check;  /* "token-orphans", "rotation", ... */
    const char *level;  /* "ok", "warning", "gap" */
    const char *text;   /* what was found */
    const char *advice; /* what to do; "" when all is well */
} ward_finding_info;

typedef struct ward_findings {
    const ward_finding_info *const *items;
    size_t n;
    uint32_t left_out; /* findings beyond those that are told */
} ward_findings;

/* Looks at token, keys, daemons and officers for what is not as it should be; changes nothing. */
ward_rc ward_diagnose(ward_client *client, const ward_call *call, ward_findings **ret,
                      ward_error *error);
void ward_findings_free(ward_findings *findings);

/* ---- health ---- */

/* *serving: 1 when the daemon's HSM, database and audit log all answer, else 0. */
ward_rc ward_check_health(ward_client *client, const ward_call *call, int *serving,
                          ward_error *error);

#ifdef __cplusplus
}
#endif

#include <ward/cache.h>
#include <ward/seal.h>

#endif
