# SPDX-License-Identifier: Apache-2.0
"""How long a connection lives, how it is told to go, and for whom it counts."""
import contextlib
import hashlib
import json
import socket
import struct
import time

import pytest
from harness import wire
from harness.client import header
from harness.deployment import TRUST
from harness.processes import wait_until
from harness.stubs import data_keys_pb2

GENERATE = "/ward.v1.DataKeys/GenerateDataKeys"
WATCH = "/grpc.health.v1.Health/Watch"
ENHANCE_YOUR_CALM = 11
PROXY = b"\r\n\r\n\0\r\nQUIT\n"


def good(request_id: str = "") -> bytes:
    return wire.message(data_keys_pb2.GenerateDataKeysRequest(header=header(request_id), items=[
        data_keys_pb2.GenerateDataKeysItem(key="app/demo")]).SerializeToString())


def restart(deployment, **connections) -> None:
    """The daemon with other settings about connections."""
    daemon = deployment.daemons[0]
    daemon.stop()
    daemon.start(extra="connections:\n" + "".join(f"  {key}: {value}\n" for key, value in connections.items()))


class Line(wire.Wire):
    """A connection that is listened to until its end."""

    def __init__(self, deployment, who="app"):
        super().__init__(deployment, deployment.daemons[0], deployment.identities[who])

    def goodbye(self, seconds: float) -> list:
        """Every GOAWAY that comes until the connection is closed."""
        end = time.monotonic() + seconds
        data = b""
        while True:
            self.socket.settimeout(max(0.1, end - time.monotonic()))
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                break
            data += piece
            with contextlib.suppress(Exception):
                self.http.receive_data(piece)
                self.flush()
        return goaways(data)


def goaways(data: bytes) -> list:
    """(last stream, error, debug data) of each GOAWAY among whole frames."""
    found, at = [], 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at:at + 3], "big")
        if data[at + 3] == 7:
            last, error = struct.unpack_from(">II", data, at + 9)
            found.append((last & 0x7fffffff, error, data[at + 17:at + 9 + size].decode()))
        at += 9 + size
    return found


def metric(deployment, name: str) -> float:
    return next(float(line.rsplit(" ", 1)[1]) for line in deployment.daemons[0].metrics().split("\n") if line.startswith(name + " "))


# ---- age and idleness ----

def test_old_connections_are_told_to_go_in_two_steps(own):
    restart(own, max_age_s=2, officer_max_age_s=0, age_grace_s=1)
    with Line(own) as line:
        assert line.status(GENERATE, good()) == 0
        first, last = line.goodbye(8)
    assert first[0] == 0x7fffffff and first[1] == 0  # every call that is on its way is still taken
    assert last == (1, 0, "max_age")


def test_open_calls_are_cut_when_the_grace_is_over(own):
    restart(own, max_age_s=1, age_grace_s=1)
    with Line(own) as line:
        line.data(line.headers(WATCH), wire.message(b""), end=True)
        start = time.monotonic()
        assert line.goodbye(10)[-1][2] == "max_age"
        assert time.monotonic() - start > 1.5


def test_officers_have_an_age_of_their_own(own):
    restart(own, officer_max_age_s=1, max_age_s=3600)
    with Line(own, "app") as application, Line(own, "officer-a") as officer, Line(own, "auditor") as auditor:
        assert officer.goodbye(8)[-1][2] == "max_age"
        assert auditor.goodbye(8)[-1][2] == "max_age"
        assert application.status(GENERATE, good()) == 0


def test_idle_connections_are_told_to_go_and_busy_ones_stay(own):
    restart(own, idle_timeout_s=2)
    with Line(own) as idle, Line(own) as busy:
        for _ in range(8):
            assert busy.status(GENERATE, good()) == 0
            time.sleep(0.5)
        assert idle.goodbye(8)[-1] == (0, 0, "max_idle")


# ---- pings ----

def test_dead_peers_are_found_and_others_asked_in_vain(own):
    restart(own, keepalive_s=1, keepalive_timeout_s=1)
    before = metric(own, "ward_connections_dead_total")
    with Line(own) as dead, Line(own) as alive:
        end = time.monotonic() + 5
        while time.monotonic() < end and metric(own, "ward_connections") > 1:
            alive.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                alive.receive()  # answers pings
        assert metric(own, "ward_connections_dead_total") == before + 1
        assert alive.status(GENERATE, good()) == 0
        dead.socket.settimeout(5)
        with contextlib.suppress(ConnectionError):
            while dead.socket.recv(4096):
                pass


def ping(line) -> None:
    line.socket.sendall(b"\0\0\x08\x06\0\0\0\0\0abcdefgh")


def test_too_many_pings_are_too_many(ward):
    with Line(ward) as line:
        for _ in range(4):
            ping(line)
        assert line.goodbye(5)[-1][1:] == (ENHANCE_YOUR_CALM, "too_many_pings")


def test_pings_between_calls_are_welcome(ward):
    with Line(ward) as line:
        for _ in range(8):
            assert line.status(GENERATE, good()) == 0
            ping(line)
        assert line.status(GENERATE, good()) == 0


def test_how_often_one_may_ping_is_a_setting(own):
    restart(own, min_ping_interval_s=0, min_ping_interval_idle_s=0, ping_strikes=0)
    with Line(own) as line:
        for _ in range(20):
            ping(line)
        assert line.status(GENERATE, good()) == 0


# ---- places ----

def connect(daemon, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=10, source_address=(source, 0))


def is_closed(sock) -> bool:
    sock.settimeout(5)
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def test_an_address_has_its_share_of_connections(own):
    restart(own, max_per_address=3)
    daemon = own.daemons[0]
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(daemon, "127.0.0.9")) for _ in range(3)]
        assert is_closed(stack.enter_context(connect(daemon, "127.0.0.9")))
        with Line(own) as line:  # another address
            assert line.status(GENERATE, good()) == 0
        before = metric(own, "ward_connections_turned_away_total")
        assert before >= 1
        held[0].close()
        wait_until(lambda: metric(own, "ward_connections") < 3, 5, "its place is free")
        again = stack.enter_context(connect(daemon, "127.0.0.9"))
        again.settimeout(0.3)
        with pytest.raises(TimeoutError):
            again.recv(1)
        assert metric(own, "ward_connections_turned_away_total") == before


# ---- who gave trouble ----

def handshake_s(deployment, source: str) -> float:
    sock, start = connect(deployment.daemons[0], source), time.monotonic()
    with wire.context(deployment, deployment.identities["app"]).wrap_socket(sock, server_hostname="localhost"):
        return time.monotonic() - start


def say(daemon, source: str, data: bytes) -> None:
    """Until the daemon has closed it."""
    with contextlib.suppress(ConnectionError), connect(daemon, source) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass


def some(number: int, hold) -> bool:
    """A machine that stalls makes any one handshake late, or takes as long as a strike counts."""
    return any(hold() for _ in range(number))


def test_an_address_that_gave_trouble_waits_and_one_that_said_nothing_does_not(ward):
    daemon = ward.daemons[0]

    def after(source: str, *said: bytes) -> float:
        for data in said:
            say(daemon, source, data)
        return handshake_s(ward, source)
    assert some(10, lambda: after("127.0.0.21", b"", b"") < 0.25)
    assert some(10, lambda: after("127.0.0.22", b"GET / HTTP/1.1\r\n\r\n") >= 0.25)


def test_neighbours_of_a_known_client_do_not_wait_for_one_probe_but_for_a_flood(ward):
    daemon, probe = ward.daemons[0], b"GET / HTTP/1.1\r\n\r\n"

    def after(strikes: int) -> float:
        for _ in range(strikes):
            say(daemon, "127.0.0.23", probe)
        return handshake_s(ward, "127.0.0.23")

    def once() -> float:
        time.sleep(2.1)  # what was before does not count any more
        return after(1)
    with Behind(ward, "127.0.0.23", b"") as line:
        assert line.status(GENERATE, good()) == 0
        assert some(10, lambda: once() < 0.25)
        assert some(10, lambda: after(6) >= 0.25)
        assert line.status(GENERATE, good()) == 0


# ---- PROXY protocol ----

class Behind(Line):
    """A connection whose balancer says `head` first."""

    def __init__(self, deployment, source: str, head: bytes, who="app"):
        self.source, self.head = source, head
        super().__init__(deployment, who)

    def connect(self, deployment, server, identity):
        sock = connect(server, self.source)
        for at in range(0, len(self.head), 7):  # in pieces
            sock.sendall(self.head[at:at + 7])
        return wire.context(deployment, identity).wrap_socket(sock, server_hostname="localhost")


V4 = socket.inet_aton("192.0.2.77") + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 4242, 7443)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::77") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4242, 7443)


def head(payload: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    return PROXY + bytes([command, family]) + struct.pack(">H", len(payload)) + payload


@pytest.fixture(scope="module")
def balanced(own):
    restart(own, proxy_from="[127.0.0.3, 127.0.1.0/24]", max_per_address=4)
    return own


@pytest.mark.parametrize("header_bytes, address", [
    (head(V4), "192.0.2.77:4242"), (head(V6, 0x21), "[2001:db8::77]:4242"), (head(V4 + b"\x04\0\x03abc" + b"\x05\0\x80" + b"u" * 128), "192.0.2.77:4242"),
    (head(V4 + b"\x04" + struct.pack(">H", 1009) + b"x" * 1009), "192.0.2.77:4242"), (head(b"", 0, 0x20), "127.0.0.3:")])
def test_a_listed_balancer_names_the_client(balanced, header_bytes, address):
    request_id = f"proxy-{len(header_bytes)}"
    with Behind(balanced, "127.0.0.3", header_bytes) as line:
        assert line.status(GENERATE, good(request_id)) == 0
    auditor = balanced.client("auditor")
    entry, = auditor.entries(request_id)
    auditor.close()
    assert entry["address"].startswith(address)


@pytest.mark.parametrize("bad", [b"", head(V4)[:-1] + b"\xff\xff\xff", head(V4, 0x12), head(V4, 0x31), head(V4, 0x11, 0x11), head(V4[:8]),
                                 head(V4 + b"\0" * 1100), b"PROXY TCP4 192.0.2.77 127.0.0.1 4242 7443\r\n", b"\r\n\r\n\0\r\nQUIX" + head(V4)[12:]])
def test_a_balancer_that_does_not_say_it_well_is_refused(balanced, bad):
    with pytest.raises((OSError, EOFError)):  # ssl.SSLError is an OSError
        Behind(balanced, "127.0.1.200", bad).close()
    with Behind(balanced, "127.0.1.200", head(V4)) as line:
        assert line.status(GENERATE, good()) == 0


def test_from_anybody_else_the_header_is_a_bad_handshake(balanced):
    before = metric(balanced, "ward_handshakes_failed_total")
    with pytest.raises((OSError, EOFError)):
        Behind(balanced, "127.0.0.4", head(V4)).close()
    assert metric(balanced, "ward_handshakes_failed_total") == before + 1


def test_the_share_is_the_clients_and_not_the_balancers(balanced):
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(Behind(balanced, "127.0.0.3", head(V4)))
        with pytest.raises((OSError, EOFError)):
            Behind(balanced, "127.0.0.3", head(V4)).close()
        with Behind(balanced, "127.0.0.3", head(V6, 0x21)) as other:
            assert other.status(GENERATE, good()) == 0


# ---- one certificate in two places ----

def from_v4(address: str) -> bytes:
    return head(socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 4242, 7443))


def from_v6(address: str) -> bytes:
    return head(socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4242, 7443), 0x21)


class As(Behind):
    """The same with a certificate of one's own."""

    def __init__(self, deployment, identity, source: str):
        self.identity = identity
        super().__init__(deployment, "127.0.0.3", from_v6(source) if ":" in source else from_v4(source))

    def connect(self, deployment, server, _identity):
        return super().connect(deployment, server, self.identity)


def test_a_certificate_in_two_places_is_told_once_with_its_owner(own):
    restart(own, proxy_from="[127.0.0.3]", one_source="[203.0.113.0/28]")
    daemon, log = own.daemons[0], own.client("auditor")
    issued = {name: own.authority.issue([TRUST + name.split("/")[0]]) for name in ("app/1", "app/2", "app/3", "officer-a")}

    def alarms() -> dict:
        found = [entry for entry in map(json.loads, log.leaves()) if entry.get("detail", {}).get("alarm", "").startswith("shared")]
        assert len({entry["object"] for entry in found}) == len(found), found  # once each
        return {entry["object"]: entry["detail"] for entry in found}

    def digest(name: str) -> str:
        return "sha256:" + hashlib.sha256(issued[name].der).hexdigest()

    with contextlib.ExitStack() as stack:
        def open_line(name: str, source: str):
            return stack.enter_context(As(own, issued[name], source))
        lines = [open_line("app/1", source) for source in ("192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::ffff:1")]  # one host
        lines += [open_line("app/2", "203.0.113.1"), open_line("app/2", "203.0.113.2")]  # behind one NAT
        lines += [open_line("app/3", "192.0.2.1"), open_line("officer-a", "192.0.2.1")]
        thief = open_line("app/3", "192.0.2.66")
        visitor = open_line("officer-a", "192.0.2.77")

        def told() -> bool:
            for line in [*lines, thief, visitor]:
                line.status(GENERATE, good())
            return len(alarms()) >= 2
        wait_until(told, 30, "both are told")
        found = alarms()
        assert set(found) == {digest("app/3"), digest("officer-a")}
        app, officer = found[digest("app/3")], found[digest("officer-a")]
        assert (app["alarm"], app["role"], app["holder"]) == ("shared_certificate", "application", TRUST + "app")
        assert (app["first_address"], app["second_address"]) == ("192.0.2.1", "192.0.2.66")
        assert (officer["alarm"], officer["role"]) == ("shared_officer_certificate", "officer")
        wait_until(lambda: metric(own, 'ward_alarms_total{kind="shared_officer_certificate"}') == 1, 30, "it is counted")
        assert f"{digest('officer-a')} of {TRUST}officer-a, from 192.0.2.1 and 192.0.2.77" in daemon.log.read_text()
        again = open_line("app/3", "192.0.2.99")  # within the hour; and nobody is refused
        for line in (*lines, thief, again):
            assert line.status(GENERATE, good()) in (0, 7)
    shared = [finding.text for finding in log.diagnose() if finding.check == "shared-certificates"]
    assert len(shared) == 2 and len(alarms()) == 2
    log.close()
