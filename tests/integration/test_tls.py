# SPDX-License-Identifier: Apache-2.0
"""Which TLS is spoken, whose certificates are no longer good, and files that change under load."""
import datetime
import json
import pathlib
import re
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from harness import client, pki, wire
from harness.client import header
from harness.deployment import TRUST
from harness.processes import wait_until
from harness.stubs import data_keys_pb2

GENERATE = "/ward.v1.DataKeys/GenerateDataKeys"
HOUR = datetime.timedelta(hours=1)


def good() -> bytes:
    return wire.message(data_keys_pb2.GenerateDataKeysRequest(header=header(), items=[
        data_keys_pb2.GenerateDataKeysItem(key="app/demo")]).SerializeToString())


def revocation_list(authority, revoked=(), begin=-HOUR, end=24 * HOUR) -> bytes:
    now = datetime.datetime.utcnow()
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject).last_update(now + begin).next_update(now + end)
    for identity in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(identity.certificate.serial_number).revocation_date(now - HOUR).build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def restart(deployment, tls: str = "", **options) -> None:
    daemon = deployment.daemons[0]
    daemon.stop()
    daemon.start(tls=tls, **options)


def reload(deployment) -> None:
    """SIGHUP, and the line that says what came of it."""
    daemon = deployment.daemons[0]
    before = daemon.log.read_text().count("read anew\"") + daemon.log.read_text().count("stay in force")
    daemon.hangup()
    wait_until(lambda: daemon.log.read_text().count("read anew\"") + daemon.log.read_text().count("stay in force") > before, 5,
               "the files were read anew")


def talks(deployment, who) -> bool:
    """Does a new connection get an answer?"""
    identity = deployment.identities[who] if isinstance(who, str) else who
    try:
        with wire.Wire(deployment, deployment.daemons[0], identity) as line:
            answer = line.call(GENERATE, good())
            return answer["headers"].get("grpc-status") == "0"
    except (OSError, AssertionError):
        return False


# ---- versions ----

def test_tls_1_2_is_spoken_where_it_is_allowed_with_modern_ciphers_only(own):
    restart(own, '  minimum_version: "1.2"')
    only = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    app = own.identities["app"]
    with wire.tls(own, own.daemons[0], app, **only) as sock:
        assert sock.version() == "TLSv1.2"
        assert sock.cipher()[0].startswith("ECDHE-") and ("GCM" in sock.cipher()[0] or "CHACHA20" in sock.cipher()[0])
        assert not sock.session.has_ticket
    for ciphers in ("ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA"):
        old = wire.context(own, app, **only)
        old.set_ciphers(ciphers)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            wire.connect(own.daemons[0], old).close()
    with wire.tls(own, own.daemons[0], app) as sock:
        assert sock.version() == "TLSv1.3"
    assert talks(own, "app") and not talks(own, pki.Authority().issue([TRUST + "app"]))


def test_neither_1_1_nor_a_typing_error_is_a_version(own):
    daemon = own.daemons[0]
    daemon.stop()
    daemon.spawn(tls='  minimum_version: "1.1"')
    assert daemon.process.wait(10) != 0
    assert "neither 1.3 nor 1.2" in daemon.log_tail(500)


def test_no_session_is_resumed_and_no_key_is_logged(own, tmp_path):
    log = pathlib.Path(own.folder) / "keys.log"
    daemon = own.daemons[0]
    daemon.stop()
    daemon.start(environment={"SSLKEYLOGFILE": str(log)})
    context = wire.context(own, own.identities["app"])
    with wire.connect(daemon, context) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        sock.recv(4096)
        session = sock.session
        assert session is None or not session.has_ticket
    assert not log.exists()


# ---- revocation lists ----

@pytest.fixture
def listed(own):
    """The daemon with a revocation list that names nobody."""
    path = own.folder / "crl.pem"
    path.write_bytes(revocation_list(own.authority))
    restart(own, f"  client_crl: {path}")
    return path


def test_a_revoked_certificate_is_refused_and_its_open_connection_ends(own, listed):
    stolen = own.authority.issue([TRUST + "app"])
    with wire.Wire(own, own.daemons[0], stolen) as gone, wire.Wire(own, own.daemons[0], own.identities["app"]) as stays:
        assert gone.status(GENERATE, good()) == 0
        listed.write_bytes(revocation_list(own.authority, [stolen]))
        reload(own)
        gone.socket.settimeout(3)
        with pytest.raises((AssertionError, OSError, KeyError)):
            gone.status(GENERATE, good())
            gone.status(GENERATE, good())
        assert stays.status(GENERATE, good()) == 0
    assert not talks(own, stolen) and talks(own, "app")


def test_what_a_certificate_had_signed_counts_no_more_once_it_is_listed(own, listed, refused):
    a, b = own.client("officer-a"), own.client(own.authority.issue([TRUST + "officer-b"]))
    a.create_key("by-hand/listed")
    waits = a.submit(a.propose_rotation("by-hand/listed"))
    assert b.approve(waits).state == "approved"
    listed.write_bytes(revocation_list(own.authority, [b.identity]))
    reload(own)
    refused("FAILED_PRECONDITION", "not enough officers' signatures on it stand", lambda: a.execute(waits))
    assert a.show(waits.id).approvals_missing == 1 and len(a.describe_key("by-hand/listed").versions) == 1
    refused("FAILED_PRECONDITION", "another officer has to approve", lambda: own.client("officer-b").approve(waits))
    listed.write_bytes(revocation_list(own.authority))
    reload(own)
    assert a.execute(waits).state == "executed"


def test_a_list_out_of_date_lets_nobody_in_and_says_so(own, listed):
    with wire.Wire(own, own.daemons[0], own.identities["app"]) as before:
        listed.write_bytes(revocation_list(own.authority, begin=-2 * HOUR, end=-HOUR))
        reload(own)
        assert "tls.client_crl is out of date" in own.daemons[0].log_tail(1000)
        assert not talks(own, "app") and not talks(own, "officer-a")
        assert before.status(GENERATE, good()) == 0  # it was let in under a list that was good
    listed.write_bytes(revocation_list(own.authority))
    reload(own)
    assert talks(own, "app")


def test_a_list_out_of_date_at_start_is_told_at_start(own):
    path = own.folder / "old.pem"
    path.write_bytes(revocation_list(own.authority, begin=-2 * HOUR, end=-HOUR))
    restart(own, f"  client_crl: {path}")
    assert "tls.client_crl is out of date" in own.daemons[0].log_tail(3000)
    assert not talks(own, "app")


def test_what_ends_soon_is_told_once_for_each_file(own, listed):
    daemon = own.daemons[0]
    log = own.client("auditor")

    def entries() -> list:
        return [entry["detail"] for entry in map(json.loads, log.leaves()) if entry["action"] == "system.alarm"]

    before = len(entries())

    def alarms() -> dict:
        told = entries()[before:]
        assert len({entry["alarm"] for entry in told}) == len(told), told  # once each
        return {entry["alarm"]: entry for entry in told}

    def gauge(what: str) -> float:
        return float(re.search(rf'^ward_certificate_not_after_seconds{{what="{what}"}} (\S+)$', daemon.metrics(), re.M).group(1))

    leaf = own.authority.issue(common="wardd", usage=ExtendedKeyUsageOID.SERVER_AUTH, dns=["localhost"], addresses=["127.0.0.1"],
                               start=-60, days=66)
    leaf.write(own.folder, "wardd")
    listed.write_bytes(revocation_list(own.authority, begin=-40 * 24 * HOUR, end=12 * HOUR))
    reload(own)
    wait_until(lambda: len(alarms()) == 2, 60, "certificate and list are told")
    told = alarms()
    assert 5 * 86400 < told["certificate"]["seconds_left"] <= 6 * 86400
    assert 11 * 3600 < told["client_crl"]["seconds_left"] <= 12 * 3600
    for entry in told.values():
        assert "send SIGHUP" in entry["text"]
        wait_until(lambda line=f'"{entry["text"]}"': line in daemon.log.read_text(), 30, "the operator's log has it too")
    end = leaf.certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert gauge("certificate") == end and gauge("client_ca") > end > gauge("client_crl")
    wait_until(lambda: 'ward_alarms_total{kind="client_crl"} 1\n' in daemon.metrics(), 30, "the alarm is counted")
    reload(own)  # the same files: no news
    own.authority.server().write(own.folder, "wardd")
    listed.write_bytes(revocation_list(own.authority))
    reload(own)
    assert set(alarms()) == {"certificate", "client_crl"}
    log.close()


def test_a_list_of_another_ca_does_for_nobody(own, listed):
    for authority in (pki.Authority("Another CA"), pki.Authority()):  # the second has our CA's name
        listed.write_bytes(revocation_list(authority))
        reload(own)
        assert not talks(own, "app")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n", b"no list at all", None])
def test_a_list_that_cannot_be_read_changes_nothing(own, listed, content):
    stolen = own.authority.issue([TRUST + "app"])
    listed.write_bytes(revocation_list(own.authority, [stolen]))
    reload(own)
    if content is None:
        listed.unlink()
    else:
        listed.write_bytes(content)
    reload(own)
    assert "client_crl_file: not readable PEM revocation lists" in own.daemons[0].log_tail(1000)
    assert talks(own, "app") and not talks(own, stolen)


def test_a_ca_that_is_taken_out_takes_its_clients_along(own):
    old = pki.Authority("Old CA")
    both = own.folder / "cas.pem"
    both.write_bytes(own.authority.pem + old.pem)
    restart(own, client_ca=both)
    identity = old.issue([TRUST + "app"])
    with wire.Wire(own, own.daemons[0], identity) as gone, wire.Wire(own, own.daemons[0], own.identities["app"]) as stays:
        assert gone.status(GENERATE, good()) == 0
        both.write_bytes(own.authority.pem)
        reload(own)
        with pytest.raises((AssertionError, OSError, KeyError)):
            gone.status(GENERATE, good())
            gone.status(GENERATE, good())
        assert stays.status(GENERATE, good()) == 0


def shown(deployment, *certificates: bytes) -> int:
    """How many certificates a client is shown when the daemon's file holds these."""
    (deployment.folder / "wardd.pem").write_bytes(b"".join(certificates))
    reload(deployment)
    pem, key = deployment.identities["app"].write(deployment.folder, "shown")
    out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{deployment.daemons[0].port}", "-showcerts", "-cert", pem,
                          "-key", key], input="", capture_output=True, text=True, timeout=30, check=False).stdout
    return out.split("Server certificate")[0].count("BEGIN CERTIFICATE")


def test_a_client_is_shown_what_the_certificate_file_holds_and_nothing_of_the_clients_ca(own):
    restart(own)
    leaf = own.authority.server()
    (own.folder / "wardd.key").write_bytes(leaf.key_pem)
    assert shown(own, leaf.pem) == 1
    assert shown(own, leaf.pem, own.authority.pem) == 2


# ---- reload under load ----

def test_certificates_change_under_load_and_no_call_fails(own):
    restart(own)
    failures, calls, stop = [], [0], threading.Event()
    context = wire.context(own, own.identities["app"])

    class Line(wire.Wire):
        @staticmethod
        def connect(_deployment, server, _identity):
            return wire.connect(server, context)

    def load() -> None:
        client = own.client("app")
        while not stop.is_set():
            try:
                client.generate()
                calls[0] += 1
            except Exception as error:  # noqa: BLE001
                failures.append(error)
        client.close()

    def connect() -> None:
        while not stop.is_set():
            try:
                with Line(own, own.daemons[0], None) as line:
                    assert line.status(GENERATE, good()) == 0
                    calls[0] += 1
            except Exception as error:  # noqa: BLE001
                failures.append(error)
    threads = [threading.Thread(target=work) for work in (load, load, connect)]
    for thread in threads:
        thread.start()
    serials = set()
    try:
        for _ in range(10):
            fresh = own.authority.server()
            fresh.write(own.folder, "wardd")
            reload(own)
            with wire.connect(own.daemons[0], context) as sock:
                shown = x509.load_der_x509_certificate(sock.getpeercert(binary_form=True))
            assert shown.serial_number == fresh.certificate.serial_number
            serials.add(shown.serial_number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures and len(serials) == 10 and calls[0] > 50


def test_a_fleet_moves_from_one_ca_to_another_and_no_call_fails(own):
    """The way of wardd(8): both CAs in every file, then certificates, then the old CA goes."""
    first, second = own.authority, pki.Authority("Second CA")
    cas, both = own.folder / "moving.pem", first.pem + second.pem
    cas.write_bytes(first.pem)
    restart(own, client_ca=cas)
    daemon, failures, stop = own.daemons[0], [], threading.Event()
    fleet = {"old": own.identities["app"], "new": second.issue([TRUST + "app"])}
    calls = dict.fromkeys(fleet, 0)
    may_fail = threading.Event()
    trust = own.folder / "both.pem"
    trust.write_bytes(both)

    def load(name: str, connects: bool) -> None:
        """On one connection, or on a new one for each call."""
        line = client.Client(daemon.target, both, fleet[name])
        while not stop.is_set():
            try:
                line.generate()
                calls[name] += 1
            except Exception as error:  # noqa: BLE001
                if name == "old" and may_fail.is_set():
                    break
                failures.append((name, error))
            if connects:
                line.close()
                line = client.Client(daemon.target, both, fleet[name])
        line.close()

    def grow(name: str) -> None:
        before = calls[name]
        wait_until(lambda: calls[name] > before + 20 or failures, 30, f"{name} goes on")

    def libward(name: str, ca: pathlib.Path) -> bool:
        """Does the daemon know whose call it is? An application may not list keys."""
        pem, key = fleet[name].write(own.folder, f"fleet-{name}")
        profile = own.folder / "fleet.yaml"
        profile.write_text(f"profiles:\n  - name: app\n    server: {daemon.target}\n    ca: {ca}\n    certificate: {pem}\n    key: {key}\n")
        ran = subprocess.run([own.binary("ward"), "--config", profile, "--profile", "app", "key", "list"], capture_output=True, timeout=30,
                             check=False)
        return b"PERMISSION_DENIED" in ran.stderr

    threads = [threading.Thread(target=load, args=("old", connects)) for connects in (False, True)]
    for thread in threads:
        thread.start()
    try:
        grow("old")
        assert libward("old", trust) and not libward("new", trust)  # every client trusts both; the daemon one
        cas.write_bytes(both)
        reload(own)
        threads += [threading.Thread(target=load, args=("new", connects)) for connects in (False, True)]
        for thread in threads[2:]:
            thread.start()
        grow("old"), grow("new")
        assert libward("old", trust) and libward("new", trust)
        second.server().write(own.folder, "wardd")
        reload(own)
        grow("old"), grow("new")
        assert libward("new", trust) and not libward("new", own.folder / "ca.pem")  # libward, too, takes both CAs
        may_fail.set()
        cas.write_bytes(second.pem)
        reload(own)
        for thread in threads[:2]:
            thread.join(60)
            assert not thread.is_alive()  # clients of the first CA are cut off, open connections too
        grow("new")
        assert not libward("old", trust) and libward("new", trust)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        first.server().write(own.folder, "wardd")
    assert not failures


def test_certificates_change_all_together_or_not_at_all(own):
    """OpenSSL reads past any text before a CA; the daemon's own reading has a bound, and fails after it."""
    cas = own.folder / "large.pem"
    cas.write_bytes(own.authority.pem)
    restart(own, client_ca=cas)
    pem, key = own.folder / "wardd.pem", own.folder / "wardd.key"
    good_pem, good_key = pem.read_bytes(), key.read_bytes()
    context = wire.context(own, own.identities["app"])

    def serial() -> int:
        with wire.connect(own.daemons[0], context) as sock:
            return x509.load_der_x509_certificate(sock.getpeercert(binary_form=True)).serial_number
    before, fresh = serial(), own.authority.server()
    try:
        fresh.write(own.folder, "wardd")
        cas.write_bytes(b"# the hospital's own\n" * 60000 + own.authority.pem)
        reload(own)
        assert "the old ones stay in force" in own.daemons[0].log_tail(1000)
        assert serial() == before
        cas.write_bytes(own.authority.pem)
        reload(own)
        assert serial() == fresh.certificate.serial_number
    finally:
        pem.write_bytes(good_pem)
        key.write_bytes(good_key)


def test_a_key_that_does_not_fit_is_not_taken(own):
    restart(own)
    pem, key = own.folder / "wardd.pem", own.folder / "wardd.key"
    good_pem, good_key = pem.read_bytes(), key.read_bytes()
    try:
        key.write_bytes(own.authority.server().key_pem)
        reload(own)
        assert "key_file: not the key of certificate_file" in own.daemons[0].log_tail(1000)
        assert talks(own, "app")
    finally:
        pem.write_bytes(good_pem)
        key.write_bytes(good_key)
