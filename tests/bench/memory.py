#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What wardd takes at rest, and for each connection that says nothing: TLS and HTTP/2 set up, one PING answered.

usage: memory.py PID PORT PKI_FOLDER [CONNECTIONS]      prints {"memory": {...}}, sizes in bytes
"""
import json
import pathlib
import socket
import ssl
import struct
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, ACK = 4, 6, 1


def frame(kind: int, flags: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, 0) + payload


def resident(pid: int) -> int:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("memory: no VmRSS")


def read_exactly(connection, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise SystemExit("memory: the daemon closed a connection")
        data += more
    return data


def connect(context: ssl.SSLContext, port: int):
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")
    connection.sendall(PREFACE + frame(SETTINGS, 0) + frame(PING, 0, b"measured"))
    while True:
        head = read_exactly(connection, 9)
        read_exactly(connection, int.from_bytes(head[:3], "big"))
        if head[3] == SETTINGS and not head[4] & ACK:
            connection.sendall(frame(SETTINGS, ACK))
        if head[3] == PING and head[4] & ACK:
            return connection


def main() -> None:
    pid, port, pki = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 200
    context = ssl.create_default_context(cafile=pki / "ca.pem")
    context.load_cert_chain(pki / "app.pem", pki / "app.key")
    context.set_alpn_protocols(["h2"])
    rest = resident(pid)
    first = [connect(context, port) for _ in range(8)]  # what the first ones make is for all
    time.sleep(0.5)
    before = resident(pid)
    idle = [connect(context, port) for _ in range(count)]
    time.sleep(0.5)
    after = resident(pid)
    for connection in first + idle:
        connection.close()
    print(json.dumps({"memory": {"daemon_at_rest": rest, "connections": count,
                                 "idle_connection": round((after - before) / count)}}))


if __name__ == "__main__":
    main()
