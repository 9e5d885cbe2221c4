/* SPDX-License-Identifier: Apache-2.0 */
/* What reflection can be asked about our .proto files. Pure: views into the descriptors that were
 * built in. */
#ifndef WARD_SERVER_RPC_REFLECTION_H
#define WARD_SERVER_RPC_REFLECTION_H

#include "base/bytes.h"

#define WARD_REFLECTION_FILES_MAX 24
#define WARD_REFLECTION_SERVICES_MAX 32
#define WARD_REFLECTION_NAME_MAX 128

/* Serialised FileDescriptorProtos: the file, then all that it imports, each once. 0: no such file.
 */
size_t ward_reflection_file(struct ward_bytes name,
                            struct ward_bytes out[static WARD_REFLECTION_FILES_MAX]);
/* The same for the file that declares a symbol by its full name: a service, method, message, field,
 * enum or value. */
size_t ward_reflection_symbol(struct ward_bytes symbol,
                              struct ward_bytes out[static WARD_REFLECTION_FILES_MAX]);
/* Full names of the services, each terminated. */
size_t
ward_reflection_services(char out[static WARD_REFLECTION_SERVICES_MAX][WARD_REFLECTION_NAME_MAX]);

#endif
