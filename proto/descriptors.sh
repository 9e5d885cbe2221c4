#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The descriptors of .proto files as a C array: descriptors.sh PROTOC SOURCE_DIR OUT.c FILE.proto...
set -eu
protoc=$1 source=$2 out=$3
shift 3
"$protoc" -I"$source" --include_imports --descriptor_set_out="$out.set" "$@"
{
    echo '#include "descriptors.h"'
    echo 'const uint8_t ward_descriptors[] = {'
    od -An -v -tx1 "$out.set" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    echo '};'
    echo 'const size_t ward_descriptors_size = sizeof(ward_descriptors);'
} >"$out"
