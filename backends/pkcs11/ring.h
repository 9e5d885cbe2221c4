/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that wardd shares with one ward-hsm, and the turn-taking on it. Inside backends/pkcs11
 * only.
 *
 *   wardd                                   ward-hsm
 *   fills slots and data, 1 byte  --------> reads slots, calls the module, fills replies
 *   checks replies, copies, wipes <-------- 1 byte
 *
 * The bytes are doorbells on a socket pair: its hang-up tells each side of the other's death. One
 * batch is under way at a time. wardd is trusted by the helper, which still checks bounds; the
 * helper is not trusted by wardd, which takes offsets from its own copy and sizes from what it
 * asked for. */
#ifndef WARD_BACKENDS_PKCS11_RING_H
#define WARD_BACKENDS_PKCS11_RING_H

#include "backends/kek.h"
#include "base/await.h"

#define WARD_RING_MAGIC 0x57415244u
#define WARD_RING_SLOTS 128
#define WARD_RING_DATA (128 * 1024)

/* The descriptors that a helper is started with, besides 0, 1 and 2. */
#define WARD_RING_SOCKET_FD 3
#define WARD_RING_MEMORY_FD 4

/* A wrapped key as PKCS#11 makes it: IV, ciphertext, tag. */
#define WARD_GCM_IV_SIZE 12
#define WARD_GCM_TAG_SIZE 16
#define WARD_GCM_OVERHEAD (WARD_GCM_IV_SIZE + WARD_GCM_TAG_SIZE)

#define WARD_RING_PUBLIC_KEY_MAX 128
#define WARD_RING_SIGNATURE_MAX 80

/* The first three are enum ward_kek_verb. */
enum ward_ring_verb {
    WARD_RING_WRAP = WARD_KEK_WRAP,
    WARD_RING_UNWRAP = WARD_KEK_UNWRAP,
    WARD_RING_REWRAP = WARD_KEK_REWRAP,
    WARD_RING_CREATE, /* in: label */
    WARD_RING_DESTROY,
    WARD_RING_FORGET,
    WARD_RING_LIST,          /* flags: from which; out: struct ward_ring_object, as many as came */
    WARD_RING_ATTEST,        /* flags: enum ward_ring_attest */
    WARD_RING_CREATE_SIGNER, /* in: label; out: public key; flags: algorithm */
    WARD_RING_SIGN,          /* in: data; flags: algorithm; out: signature */
    WARD_RING_PROBE,
};

enum ward_ring_attest {
    WARD_ATTEST_PRESENT = 1,
    WARD_ATTEST_SENSITIVE = 2,
    WARD_ATTEST_NON_EXTRACTABLE = 4,
    WARD_ATTEST_NEVER_WRAP_WITH_DECRYPT = 8,
    WARD_ATTEST_WORKS = 16,
};

/* How far a helper came with its start. */
enum ward_ring_stage {
    WARD_STAGE_NONE,
    WARD_STAGE_LOGGED_IN, /* the PIN was right */
    WARD_STAGE_READY,
    WARD_STAGE_FAILED,
};

struct ward_ring_ref {
    uint8_t id[16];
    uint32_t version;
};

struct ward_ring_span {
    uint32_t at, size; /* in data */
};

struct ward_ring_object {
    uint8_t signer, id_size, label_size; /* sizes as they are there, 255 for more */
    uint8_t id[WARD_KEK_OBJECT_ID_MAX];
    uint8_t label[WARD_KEK_OBJECT_LABEL_MAX];
};

/* A status without its text, which is a pointer. */
struct ward_ring_status {
    uint16_t code, domain;
    uint32_t foreign;
};

struct ward_ring_slot {
    uint8_t verb, proof, spare[2];
    uint32_t flags; /* asked and answered */
    struct ward_ring_ref key, from;
    struct ward_ring_span aad, from_aad, in, out; /* out: the room that there is */
    uint32_t out_size;
    struct ward_ring_status status;
    uint8_t fill[36]; /* 128 bytes: two cache lines */
};

struct ward_ring {
    uint32_t magic;
    uint32_t parent;  /* pid of wardd */
    uint32_t recheck; /* asked: look at each key's token object again before its next use */
    uint32_t n;       /* slots in this batch */
    /* Written by the helper. */
    uint32_t stage;
    uint32_t copies;  /* working copies are in use */
    uint32_t closing; /* it exits after this answer, for its session is lost */
    uint32_t in_call; /* the Cryptoki function it is in, enum ward_module_call, for the log */
    struct ward_ring_status status; /* why the start failed */
    uint8_t fill[24];
    struct ward_ring_slot slots[WARD_RING_SLOTS];
    uint8_t data[WARD_RING_DATA];
};

_Static_assert(sizeof(struct ward_ring_slot) == 128, "slots are two cache lines");
_Static_assert(sizeof(struct ward_ring) % 64 == 0, "data begins and ends on a cache line");

/* A new ring in a memfd that can neither grow, shrink nor be unsealed; mapped, locked, left out of
 * core files and of forks. UNAVAILABLE when memory cannot be had or locked. */
ward_status ward_ring_new(struct ward_ring **ret, int *ret_fd);
/* The helper's side: maps what it was given, after checking size and seals. */
ward_status ward_ring_map(int fd, struct ward_ring **ret);
/* Wipes all of it. NULL is fine. */
void ward_ring_unmap(struct ward_ring *ring);

/* One byte to the other side. UNAVAILABLE when it is gone. */
ward_status ward_ring_wake(int socket_fd);
/* Waits for one byte; await may be NULL. DEADLINE when timeout_ms passed (-1: none), UNAVAILABLE
 * when the other side is gone. */
ward_status ward_ring_wait(int socket_fd, struct ward_await *await, int timeout_ms);

#endif
