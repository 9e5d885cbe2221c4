#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Initialises a SoftHSM2 token without putting a PIN on a command line.

softhsm2-util takes PINs from argv, where every process can read them, or from a terminal. This gives
it a terminal. The user PIN is read from a file, the SO PIN is made here and not kept: nobody needs it
again on a development token.

usage: init_token.py LABEL PIN_FILE       (SOFTHSM2_CONF names the configuration)
"""
import os
import pty
import secrets
import sys


def answer(terminal: int, said: bytes) -> bytes:
    """Waits until the tool asks for a PIN; returns what it said."""
    while not said.rstrip(b" ").endswith(b"PIN:"):
        said += os.read(terminal, 4096)
    return said


def main() -> int:
    label, pin_file = sys.argv[1], sys.argv[2]
    with open(pin_file, encoding="ascii") as file:
        pin = file.read().strip()
    so_pin = secrets.token_hex(16)
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("softhsm2-util", ["softhsm2-util", "--init-token", "--free", "--label", label])
    said = b""
    try:
        for reply in (so_pin, so_pin, pin, pin):
            said = answer(terminal, said)
            os.write(terminal, reply.encode() + b"\n")
            said = b""
        while True:
            said += os.read(terminal, 4096)
    except OSError:
        pass  # the tool has closed its terminal
    _, status = os.waitpid(child, 0)
    if status != 0:
        print(said.decode(errors="replace").strip(), file=sys.stderr)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
