/* SPDX-License-Identifier: Apache-2.0 */
/* The .proto files of all services that we answer and what they import, as a serialised
 * google.protobuf.FileDescriptorSet. Written by protoc at build time. */
#ifndef WARD_PROTO_DESCRIPTORS_H
#define WARD_PROTO_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t ward_descriptors[];
extern const size_t ward_descriptors_size;

#endif
