/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit of the wire and of what is stored, in one place. Sizes in bytes. */
#ifndef WARD_PROTO_WIRE_LIMITS_H
#define WARD_PROTO_WIRE_LIMITS_H

#define WARD_MESSAGE_MAX (1024u * 1024u)            /* a request's message */
#define WARD_MESSAGE_RECORDS_MAX (4u * 1024 * 1024) /* of PutRecords */
/* gRPC clients refuse more than 4 MiB by default. */
#define WARD_RESPONSE_MAX (4u * 1024 * 1024 - 4096)
#define WARD_EXPORT_PAGE_MAX (3u * 1024 * 1024)
#define WARD_BATCH_ITEMS_MAX 1000u
#define WARD_ITEM_ERROR_MAX                                              \
    384u /* an item's refusal in an answer: text, field, action and rule \
          */
#define WARD_CONTEXT_PAIRS_MAX 32u
#define WARD_CONTEXT_SIZE_MAX 8192u
#define WARD_NAME_MAX 128u /* of a key, collection, subject, record */
#define WARD_REQUEST_ID_MAX 64u
#define WARD_ON_BEHALF_OF_MAX 128u
#define WARD_REASON_MAX 256u
#define WARD_SIGNATURE_MAX 512u
#define WARD_VKEY_MAX 512u /* a printed key of the log, its end included */
#define WARD_RECORD_JSON_MAX (1024u * 1024u)
#define WARD_RECORD_FIELDS_MAX 256u
#define WARD_LEAF_MAX (60u * 1024u)
#define WARD_PAGE_SIZE_MAX 1000u
#define WARD_PAGE_SIZE_DEFAULT 100u
#define WARD_DESTROY_WAITING_DAYS_MIN 7u
#define WARD_DESTROY_WAITING_DAYS_MAX 30u

#endif
