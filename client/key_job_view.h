/* SPDX-License-Identifier: Apache-2.0 */
/* A key's job as callers see it; its texts are the message's. */
#ifndef WARD_CLIENT_KEY_JOB_VIEW_H
#define WARD_CLIENT_KEY_JOB_VIEW_H

#include "client/include/ward/ward.h"
#include "ward/v1/keys.pb-c.h"

/* NULL, of a daemon that knows no such job: state "none". */
ward_key_job ward_key_job_view(const Ward__V1__KeyJob *from);

#endif
