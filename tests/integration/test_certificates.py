# SPDX-License-Identifier: Apache-2.0
"""Who gets in: every kind of certificate that must not, and what each is told."""
import datetime
import ssl
import time

import grpc
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from harness import pki, wire
from harness.deployment import TRUST
from harness.processes import wait_until

APP = TRUST + "app"


def handshake_refused(ward, identity) -> None:
    """TLS 1.3 tells a client of its bad certificate after the client's own Finished: read to see it."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as caught:
        with wire.tls(ward, ward.daemons[0], identity) as sock:
            sock.settimeout(5)
            sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            for _ in range(10):
                if not sock.recv(4096):
                    raise ConnectionError("closed")
    assert "timed out" not in str(caught.value)


def rpc_unavailable(ward, identity) -> None:
    client = ward.client(identity, timeout=3)
    with pytest.raises(grpc.RpcError) as caught:
        client.generate()
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    client.close()


BAD = {
    "of_an_unknown_authority": lambda ward: pki.Authority().issue([APP]),
    "of_an_authority_with_our_name": lambda ward: pki.Authority("Ward test CA").issue([APP]),
    "expired": lambda ward: ward.authority.issue([APP], start=-3, days=1),
    "not_yet_valid": lambda ward: ward.authority.issue([APP], start=2),
    "for_servers_only": lambda ward: ward.authority.issue([APP], usage=ExtendedKeyUsageOID.SERVER_AUTH),
    "none_at_all": lambda ward: None,
}


@pytest.mark.parametrize("kind", BAD)
def test_handshake_fails_with_a_certificate(ward, app, kind):
    identity = BAD[kind](ward)
    handshake_refused(ward, identity)
    rpc_unavailable(ward, identity)
    app.generate()  # others go on


def test_failed_handshakes_are_counted(ward):
    def count() -> float:
        return sum(float(line.rsplit(" ", 1)[1]) for line in ward.daemons[0].metrics().split("\n")
                   if line.startswith("ward") and "handshake" in line and "fail" in line)
    before = count()
    handshake_refused(ward, None)
    wait_until(lambda: count() == before + 1, 5, "it is counted, if after the client was told")


def test_tls_1_2_is_refused(ward):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        wire.tls(ward, ward.daemons[0], ward.identities["app"], maximum_version=ssl.TLSVersion.TLSv1_2).close()


def test_two_san_uris_name_nobody(ward, refused):
    client = ward.client(ward.authority.issue([APP, TRUST + "officer-a"]))
    refused("UNAUTHENTICATED", "more than one SAN URI", client.generate)
    client.close()


def test_no_san_uri_is_an_identity_that_policy_does_not_name(ward, refused, auditor):
    client = ward.client(ward.authority.issue([], common="app"))
    refused("PERMISSION_DENIED", "", lambda: client.describe_key("app/demo", request_id="no-san"))
    client.close()
    entry, = auditor.entries("no-san")
    assert entry["identity"].startswith("key:sha256:") and entry["outcome"] == "refused"


def test_an_unnamed_san_uri_may_do_nothing(ward, stranger, refused, auditor):
    refused("PERMISSION_DENIED", "", lambda: stranger.describe_key("app/demo", request_id="unnamed"))
    entry, = auditor.entries("unnamed")
    assert entry["identity"] == TRUST + "stranger" and entry["outcome"] == "refused"


@pytest.mark.parametrize("uri", [APP + "/", "spiffe://TEST.ward/app", "spiffe://test.ward/APP", APP + "%00", "spiffe://test.ward//app", APP + ".",
                                 "https://test.ward/app", "app"])
def test_nearly_an_identity_is_not_it(ward, uri):
    client = ward.client(ward.authority.issue([uri]))
    with pytest.raises(grpc.RpcError) as caught:
        client.describe_key("app/demo")
    assert caught.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)
    client.close()


def test_a_common_name_is_no_identity(ward, refused):
    client = ward.client(ward.authority.issue([], common=APP, dns=["app"]))
    refused("PERMISSION_DENIED", "", lambda: client.describe_key("app/demo"))
    client.close()


def test_another_certificate_of_the_same_identity_works(ward):
    client = ward.client(ward.authority.issue([APP]))
    client.generate()
    client.close()


def test_a_certificate_that_was_good_a_moment_ago_is_refused_once_it_ends(ward):
    """The daemon remembers whom it verified, and holds him against the time all the same."""
    brief = ward.authority.issue([APP], days=1 + 4 / 86400)
    for _ in range(2):
        client = ward.client(brief, timeout=3)
        client.generate()
        client.close()
    wait_until(lambda: datetime.datetime.utcnow() > brief.certificate.not_valid_after, 10, "it ends")
    time.sleep(1.1)  # to the second
    handshake_refused(ward, brief)
