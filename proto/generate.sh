#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# protoc-c of one .proto; meson wants outputs flat in its build folder, includes want folders: give both.
set -eu
protoc=$1 source=$2 out=$3 name=$4
"$protoc" -I"$source" --c_out="$out" "$name.proto"
base=${name##*/}
cp "$out/$name.pb-c.c" "$out/$base.pb-c.c"
cp "$out/$name.pb-c.h" "$out/$base.pb-c.h"
