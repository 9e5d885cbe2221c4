#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What lies in a SoftHSM2 token, seen past Ward: for tests that hold the token against the database.

usage: token_objects.py MODULE PIN_FILE                     prints JSON: [[class, id in hex, label], ...]
       token_objects.py MODULE PIN_FILE make ID LABEL       makes an AES key, as somebody's hand would
       token_objects.py MODULE PIN_FILE remove ID
SOFTHSM2_CONF names the configuration.
"""
import ctypes
import json
import sys

SERIAL_RW, USER = 0x2 | 0x4, 1
CLASS, TOKEN, PRIVATE, LABEL, KEY_TYPE, ID, VALUE_LEN = 0x0, 0x1, 0x2, 0x3, 0x100, 0x102, 0x161
SECRET_KEY, AES, AES_KEY_GEN = 4, 0x1F, 0x1080
WORD = ctypes.c_ulong


class Attribute(ctypes.Structure):
    _fields_ = [("type", WORD), ("value", ctypes.c_void_p), ("size", WORD)]


class Mechanism(ctypes.Structure):
    _fields_ = [("mechanism", WORD), ("parameter", ctypes.c_void_p), ("size", WORD)]


def attributes(**given):
    kept = [ctypes.create_string_buffer(value, len(value)) for value in given.values()]
    rows = (Attribute * len(kept))(*(Attribute(globals()[name], ctypes.cast(buffer, ctypes.c_void_p), len(buffer))
                                     for name, buffer in zip(given, kept)))
    return rows, kept


def word(value: int) -> bytes:
    return bytes(WORD(value))


class Token:
    def __init__(self, module: str, pin: bytes):
        self.module = ctypes.CDLL(module)
        self.session = WORD()
        slots, n = (WORD * 16)(), WORD(16)
        self.call("C_Initialize", None)
        self.call("C_GetSlotList", ctypes.c_ubyte(1), slots, ctypes.byref(n))
        self.call("C_OpenSession", WORD(slots[0]), WORD(SERIAL_RW), None, None, ctypes.byref(self.session))
        self.call("C_Login", self.session, WORD(USER), pin, WORD(len(pin)))

    def call(self, name: str, *arguments) -> None:
        rv = getattr(self.module, name)(*arguments)
        if rv != 0:
            sys.exit(f"{name}: {rv:#x}")

    def read(self, handle: int, kind: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        one = (Attribute * 1)(Attribute(kind, ctypes.cast(buffer, ctypes.c_void_p), 256))
        rv = self.module.C_GetAttributeValue(self.session, WORD(handle), one, WORD(1))
        return buffer.raw[:one[0].size] if rv == 0 else b""

    def handles(self) -> list:
        rows, kept = attributes(TOKEN=b"\x01")
        found, n, all_of_them = (WORD * 1000)(), WORD(), []
        self.call("C_FindObjectsInit", self.session, rows, WORD(len(kept)))
        while True:
            self.call("C_FindObjects", self.session, found, WORD(1000), ctypes.byref(n))
            if n.value == 0:
                break
            all_of_them += found[:n.value]
        self.call("C_FindObjectsFinal", self.session)
        return all_of_them

    def list(self) -> list:
        return [[int.from_bytes(self.read(handle, CLASS), sys.byteorder), self.read(handle, ID).hex(),
                 self.read(handle, LABEL).decode(errors="replace")] for handle in self.handles()]

    def make(self, identifier: bytes, label: bytes) -> None:
        rows, kept = attributes(TOKEN=b"\x01", PRIVATE=b"\x01", VALUE_LEN=word(32), ID=identifier, LABEL=label)
        made, how = WORD(), Mechanism(AES_KEY_GEN, None, 0)
        self.call("C_GenerateKey", self.session, ctypes.byref(how), rows, WORD(len(kept)), ctypes.byref(made))

    def remove(self, identifier: bytes) -> None:
        for handle in self.handles():
            if self.read(handle, ID) == identifier:
                self.call("C_DestroyObject", self.session, WORD(handle))


def main() -> None:
    with open(sys.argv[2], "rb") as file:
        token = Token(sys.argv[1], file.read().strip())
    if sys.argv[3:4] == ["make"]:
        token.make(bytes.fromhex(sys.argv[4]), sys.argv[5].encode())
    elif sys.argv[3:4] == ["remove"]:
        token.remove(bytes.fromhex(sys.argv[4]))
    else:
        print(json.dumps(token.list()))


if __name__ == "__main__":
    main()
