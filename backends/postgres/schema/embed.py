#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a schema file into a C array, so that the binary carries its own schema: embed.py IN OUT NAME"""
import sys

source, out, name = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(out, "w", encoding="ascii") as f:
    f.write('/* Generated from %s. */\n#include "backends/postgres/migrate.h"\n' % source.rsplit("/", 1)[-1])
    f.write("const char %s[] = {\n" % name)
    for i in range(0, len(data), 16):
        f.write("    " + ", ".join("%d" % b if b < 128 else "%d" % (b - 256) for b in data[i:i + 16]) + ",\n")
    f.write("    0};\n")
