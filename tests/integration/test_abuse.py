# SPDX-License-Identifier: Apache-2.0
"""Peers that mean ill. Whatever one does, the daemon's memory stays bounded and others are served."""
import contextlib
import os
import resource
import socket
import ssl
import struct
import threading
import time

import hpack
import pytest
from harness import wire
from harness.client import header
from harness.daemon import sanitized
from harness.processes import wait_until
from harness.stubs import data_keys_pb2, records_pb2

GENERATE = "/ward.v1.DataKeys/GenerateDataKeys"
GET = "/ward.v1.Records/GetRecords"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8


@pytest.fixture(scope="module")
def daemon(own):
    """With little room, so that little is needed to fill it."""
    running = own.daemons[0]
    running.stop()
    running.start(extra="connections:\n  max: 400\n  max_per_address: 390\n  memory_mib: 16\n  handshake_timeout_s: 2\n")
    return running


def resident(server) -> int:
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        return next(int(row.split()[1]) for row in status if row.startswith("VmRSS"))


def stays_within(server, before: int, mebibytes: int) -> None:
    """A sanitizer keeps what was freed: there is nothing to measure."""
    grown = resident(server) - before
    assert grown < mebibytes * 1024 or sanitized("wardd"), f"grew by {grown} KiB"


@pytest.fixture
def honest(own, daemon):
    """Somebody who calls all the time; not one call fails, and calls go on after the test as before."""
    errors, calls, stop = [], [0], threading.Event()

    def work() -> None:
        client = own.client("app2")
        while not stop.is_set():
            try:
                client.generate()
                calls[0] += 1
            except Exception as error:  # noqa: BLE001
                errors.append(error)
                return
        client.close()
    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: calls[0] > 20 or errors, 10, "calls are answered")
    before = calls[0]
    yield calls
    wait_until(lambda: calls[0] > before + 20 or errors, 10, "calls go on")
    stop.set()
    thread.join()
    assert not errors, errors
    assert daemon.running()


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(path: str = GENERATE) -> bytes:
    return hpack.Encoder().encode([(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"), ("te", "trailers"),
                                   ("content-type", "application/grpc")], huffman=False)


REQUEST = block()


class Raw:
    """TLS, the preface, and then whatever bytes a test likes."""

    def __init__(self, own, daemon, settings: bytes = b""):
        self.socket = wire.tls(own, daemon, own.identities["app"])
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, payload=settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flood(self, pieces, most: int = 400_000) -> int:
        """Sends until the daemon has had enough; how many pieces it took."""
        self.socket.settimeout(10)
        n, batch = 0, b""
        try:
            for piece in pieces:
                batch += piece
                n += 1
                if len(batch) > 8192:
                    self.socket.sendall(batch)
                    batch = b""
                if n >= most:
                    break
            self.socket.sendall(batch)
            self.socket.settimeout(1)
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            pytest.fail(f"the connection is still open after {n} pieces")
        except OSError:
            pass
        return n


def same(piece: bytes):
    while True:
        yield piece


def streams(make):
    for number in range(1, 1 << 30, 2):
        yield make(number)


OPEN = frame(HEADERS, END_HEADERS, 1, REQUEST)
FLOODS = {
    "rapid_reset": lambda: streams(lambda s: frame(HEADERS, END_HEADERS, s, REQUEST) + frame(RST_STREAM, 0, s, b"\0\0\0\x08")),
    "made_to_reset": lambda: streams(lambda s: frame(HEADERS, END_HEADERS, s, REQUEST) + frame(WINDOW_UPDATE, 0, s, b"\0\0\0\0")),
    "streams_without_end": lambda: streams(lambda s: frame(HEADERS, END_HEADERS, s, REQUEST)),
    "continuation": lambda: (piece for many in (frame(HEADERS, 0, 1, REQUEST), *[frame(CONTINUATION, 0, 1, b"\x82")] * 100000) for piece in (many,)),
    "large_headers": lambda: streams(lambda s: frame(HEADERS, 0, s, REQUEST) + b"".join(
        frame(CONTINUATION, 0, s, b"\x40\x01x\x7f\x80\x7e" + b"y" * 16255) for _ in range(20))),
    "settings": lambda: same(frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff")),
    "settings_of_many": lambda: same(frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff" * 100)),
    "ping": lambda: same(frame(PING, 0, 0, b"12345678")),
    "ping_answers": lambda: same(frame(PING, ACK, 0, b"12345678")),
    "window_updates": lambda: same(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")),
    "priorities": lambda: same(frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
    "unknown": lambda: same(frame(0xbe, 0, 0, b"x" * 50)),
    "empty_data": lambda: (OPEN if n == 0 else frame(DATA, 0, 1) for n in range(1_000_000)),
    "padding": lambda: (OPEN if n == 0 else frame(DATA, PADDED, 1, b"\x05" + b"\0" * 5) for n in range(1_000_000)),
    "data_of_a_closed_stream": lambda: (OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") if n == 0 else frame(DATA, 0, 1, b"x")
                                        for n in range(1_000_000)),
    "garbage": lambda: same(b"\xde\xad\xbe\xef" * 64),
    "too_large_a_frame": lambda: same(b"\xff\xff\xff" + b"\0" * 6 + b"x" * 1000),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_its_own_connection_and_nothing_else(own, daemon, honest, kind):
    before = resident(daemon)
    for _ in range(3):
        with Raw(own, daemon) as raw:
            assert raw.flood(FLOODS[kind]()) < 400_000
    stays_within(daemon, before, 16)


def test_who_is_thrown_out_comes_back_only_after_a_while(own, daemon):
    """Or it would make the daemon spend a millisecond on a handshake as often as it likes."""
    with Raw(own, daemon) as raw:
        raw.flood(FLOODS["garbage"]())
    start = time.monotonic()
    with wire.Wire(own, daemon, own.identities["app"]) as line:
        assert time.monotonic() - start > 0.2
        assert line.status(GENERATE, wire.message(data_keys_pb2.GenerateDataKeysRequest(header=header(), items=[
            data_keys_pb2.GenerateDataKeysItem(key="app/demo")]).SerializeToString())) == 0


def test_who_shows_no_certificate_waits_as_well(own, daemon):
    context = ssl.create_default_context(cafile=own.folder / "ca.pem")
    start = time.monotonic()
    for _ in range(3):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", daemon.port)) as bare, \
                context.wrap_socket(bare, server_hostname="localhost") as line:
            line.settimeout(10)
            line.recv(1)
    assert time.monotonic() - start > 0.4


# ---- those that do not read ----

def get(count: int) -> bytes:
    return wire.message(records_pb2.GetRecordsRequest(header=header(), context={"purpose": "TREAT"}, items=[
        records_pb2.GetRecordsItem(collection="fhir", subject="large", id="one", fields=["*"])] * count).SerializeToString())


@pytest.fixture(scope="module")
def large(own, daemon):
    client = own.client("app")
    client.put("large", "one", b'{"resourceType":"Binary","id":"one","data":"' + b"A" * 900_000 + b'"}')
    client.close()


def test_who_asks_for_much_and_reads_nothing_holds_a_bounded_part(own, daemon, honest, large):
    """3 x 100 answers of 900 kB are asked for; 16 MiB may be held."""
    request = block(GET)
    before = resident(daemon)
    with contextlib.ExitStack() as stack:
        closed = [stack.enter_context(Raw(own, daemon, b"\0\x04\0\0\0\0")) for _ in range(3)]  # a window of nothing
        for raw in closed:
            body = get(1)
            for stream in range(1, 200, 2):
                raw.socket.sendall(frame(HEADERS, END_HEADERS, stream, request) + frame(DATA, END_STREAM, stream, body))
        wait_until(lambda: daemon.metrics().count("ward_held_bytes 0\n") == 0, 10, "something is held")
        time.sleep(1)
        stays_within(daemon, before, 120)
        client = own.client("app2")
        assert client.generate()
        client.close()
    wait_until(lambda: float(daemon.metrics().split("\nward_held_bytes ", 1)[1].split("\n")[0]) < 1 << 20, 10, "it is given back")


def test_who_does_not_even_read_the_socket_is_not_read_either(own, daemon, honest, large):
    request, body = block(GET), get(1)
    before = resident(daemon)
    with Raw(own, daemon, b"\0\x04\x7f\xff\xff\xff") as raw:
        raw.socket.sendall(frame(WINDOW_UPDATE, 0, 0, b"\x7f\0\0\0"))
        raw.socket.settimeout(2)
        with contextlib.suppress(OSError):
            for stream in range(1, 100_000, 2):
                raw.socket.sendall(frame(HEADERS, END_HEADERS, stream, request) + frame(DATA, END_STREAM, stream, body))
        stays_within(daemon, before, 120)


# ---- those that are slow ----

def hello(own) -> bytes:
    """A ClientHello."""
    out = ssl.MemoryBIO()
    client = wire.context(own, own.identities["app"]).wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def ends(sock, seconds: float) -> bool:
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_handshake_has_its_time(own, daemon, honest):
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as silent, \
            socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as slow, wire.tls(own, daemon, own.identities["app"]) as mute:
        with contextlib.suppress(OSError):
            for byte in hello(own):
                slow.sendall(bytes([byte]))
                time.sleep(0.01)
        for sock in (silent, slow, mute):  # the last has shown its certificate and says no word of HTTP/2
            assert ends(sock, 8)


def test_a_message_has_its_time(own, daemon, honest):
    with wire.Wire(own, daemon, own.identities["app"]) as line:
        stream = line.headers(GENERATE, grpc_timeout="1S")
        body = wire.message(data_keys_pb2.GenerateDataKeysRequest(header=header()).SerializeToString())
        line.data(stream, body[:6])
        assert line.answer(stream)["headers"]["grpc-status"] == "4"


@pytest.mark.parametrize("first", ["nothing", "a ClientHello"])
def test_thousands_of_half_open_handshakes(own, daemon, honest, first):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    before = resident(daemon)
    say = hello(own) if first != "nothing" else b""
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for number in range(2000):
            sock = stack.enter_context(socket.socket())
            sock.settimeout(10)
            sock.bind((f"127.0.2.{number % 50 + 1}", 0))
            sock.connect(("127.0.0.1", daemon.port))
            with contextlib.suppress(OSError):
                sock.sendall(say)
            if number % 500 == 499:
                with wire.Wire(own, daemon, own.identities["app"]) as line:  # newcomers get in all the same
                    assert line.status(GENERATE, wire.message(data_keys_pb2.GenerateDataKeysRequest(header=header(), items=[
                        data_keys_pb2.GenerateDataKeysItem(key="app/demo")]).SerializeToString())) == 0
        stays_within(daemon, before, 24)


def test_who_comes_and_goes_leaves_nothing_behind(own, daemon, honest):
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for _ in range(10):
        with wire.tls(own, daemon, own.identities["app"]):
            pass
    wait_until(lambda: descriptors() < 60, 10, "descriptors are given back")
    before, fds = resident(daemon), descriptors()
    for _ in range(30):
        with wire.tls(own, daemon, own.identities["app"]):
            pass
        with socket.create_connection(("127.0.0.1", daemon.port)):
            pass
    wait_until(lambda: descriptors() <= fds + 3, 10, "descriptors are given back")
    stays_within(daemon, before, 8)
