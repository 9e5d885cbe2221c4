#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fills a SoftHSM2 token with KEKs of the kind that Ward makes, faster than Ward may make them.

usage: make_keys.py MODULE PIN_FILE < references      (SOFTHSM2_CONF names the configuration)

A reference is one line of 40 hex digits: the CKA_ID, a UUID and a version of four bytes.
"""
import ctypes
import sys

CKF_RW_SERIAL, CKU_USER, CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN = 6, 1, 4, 0x1F, 0x1080
CLASS, TOKEN, PRIVATE, LABEL, KEY_TYPE, ID, SENSITIVE = 0, 1, 2, 3, 0x100, 0x102, 0x103
ENCRYPT, DECRYPT, WRAP, UNWRAP, SIGN, VERIFY, DERIVE = 0x104, 0x105, 0x106, 0x107, 0x108, 0x10A, 0x10C
VALUE_LEN, EXTRACTABLE = 0x161, 0x162
FLAGS = {TOKEN: 1, PRIVATE: 1, SENSITIVE: 1, EXTRACTABLE: 0, ENCRYPT: 1, DECRYPT: 1, WRAP: 0, UNWRAP: 0, SIGN: 0, VERIFY: 0, DERIVE: 0}


class Attribute(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("value", ctypes.c_void_p), ("size", ctypes.c_ulong)]


class Mechanism(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("size", ctypes.c_ulong)]


def attributes(values: dict):
    """A template, and the buffers that it points into."""
    buffers = {kind: ctypes.create_string_buffer(value, len(value)) for kind, value in values.items()}
    array = (Attribute * len(values))(*[Attribute(kind, ctypes.cast(b, ctypes.c_void_p), len(b)) for kind, b in buffers.items()])
    return array, buffers


def number(value: int) -> bytes:
    return bytes(ctypes.c_ulong(value))


def main() -> int:
    library = ctypes.CDLL(sys.argv[1])
    with open(sys.argv[2], encoding="ascii") as file:
        pin = file.read().strip().encode()

    def call(name: str, *arguments) -> None:
        rv = getattr(library, name)(*arguments)
        if rv != 0:
            raise SystemExit(f"{name}: {rv:#x}")

    call("C_Initialize", None)
    count = ctypes.c_ulong(64)
    slots = (ctypes.c_ulong * 64)()
    call("C_GetSlotList", ctypes.c_ubyte(1), slots, ctypes.byref(count))
    session = ctypes.c_ulong()
    call("C_OpenSession", ctypes.c_ulong(slots[0]), ctypes.c_ulong(CKF_RW_SERIAL), None, None, ctypes.byref(session))
    call("C_Login", session, ctypes.c_ulong(CKU_USER), pin, ctypes.c_ulong(len(pin)))
    mechanism = Mechanism(CKM_AES_KEY_GEN, None, 0)
    for line in sys.stdin:
        reference = bytes.fromhex(line.strip())
        values = {CLASS: number(CKO_SECRET_KEY), KEY_TYPE: number(CKK_AES), VALUE_LEN: number(32), ID: reference,
                  LABEL: b"test key", **{kind: bytes([flag]) for kind, flag in FLAGS.items()}}
        template, _buffers = attributes(values)
        key = ctypes.c_ulong()
        call("C_GenerateKey", session, ctypes.byref(mechanism), template, ctypes.c_ulong(len(values)), ctypes.byref(key))
    call("C_Finalize", None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
