/* SPDX-License-Identifier: Apache-2.0 */
/* A client of libward and a stub server that follows a script: what most tests of calls stand on.
 */
#ifndef WARD_TESTS_UNIT_CLIENT_RIG_H
#define WARD_TESTS_UNIT_CLIENT_RIG_H

#include "client/include/ward/ward.h"
#include "tests/unit/client/check.h"
#include "tests/unit/client/stub_server.h"

struct script {
    enum stub_behaviour first, then; /* of the first call, and of those after it */
    int grpc_status;
    const char *grpc_message, *grpc_details;
    uint32_t http2_error;
    const char *http_status;
    unsigned calls;
    char path[128], timeout[32];
    char request_ids[4][80]; /* of the first calls */
    size_t largest;
};

struct rig {
    char *folder;
    struct pki pki;
    struct script script;
    struct stub_server *server;
    ward_client *client;
    ward_error error;
};

/* Of the group: a folder with certificates. */
int rig_make_folder(void **state);
int rig_drop_folder(void **state);
/* Of a test: a server that answers, and alice's client of it. */
int rig_start(void **state);
/* The same with the server in a process of its own. */
int rig_start_apart(void **state);
int rig_stop(void **state);

/* The script as a stub_handler; context is the script. */
void rig_handle(void *context, const struct stub_call *call, struct stub_reply *reply);
/* A configuration with the person's certificate; name may be NULL. */
ward_config *rig_config(struct rig *rig, const char *server, const char *person, const char *name);
ward_client *rig_client(struct rig *rig, const char *server, const char *person, const char *name);

/* One safe call, and one that changes something. */
ward_rc rig_list(struct rig *rig);
ward_rc rig_put(struct rig *rig);

#endif
