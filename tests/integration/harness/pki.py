# SPDX-License-Identifier: Apache-2.0
"""Certificates, good and bad."""
import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of_key(key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def tlv(tag: int, content: bytes) -> bytes:
    """DER."""
    size = len(content)
    head = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + head + content


class Identity:
    """A certificate with its key."""

    def __init__(self, certificate: x509.Certificate, key):
        self.certificate, self.key = certificate, key
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.key_pem = pem_of_key(key)

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def write(self, folder: pathlib.Path, stem: str) -> tuple:
        paths = folder / f"{stem}.pem", folder / f"{stem}.key"
        for path, content in zip(paths, (self.pem, self.key_pem)):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return paths


class Authority:
    def __init__(self, common: str = "Ward test CA"):
        self.key = new_key()
        self.subject = name(common)
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.subject).issuer_name(self.subject).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + 90 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .sign(self.key, hashes.SHA256()))
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, uris=(), *, common: str = "client", usage=ExtendedKeyUsageOID.CLIENT_AUTH, dns=(), addresses=(),
              start: float = -1, days: float = 7, key=None, policies=()) -> Identity:
        """policies: dotted OIDs of certificate policies, such as one that says that the key is on hardware."""
        key = key or new_key()
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder().subject_name(name(common)).issuer_name(self.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now + start * DAY)
            .not_valid_after(now + (start + days) * DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False))
        names = [x509.UniformResourceIdentifier(uri) for uri in uris] + [x509.DNSName(n) for n in dns]
        names += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if policies:
            listed = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in policies]
            builder = builder.add_extension(x509.CertificatePolicies(listed), critical=False)
        return Identity(builder.sign(self.key, hashes.SHA256()), key)

    def twin(self, identity: Identity) -> Identity:
        """The same certificate with the other of our two signatures, (r, n - s), which needs no key of ours."""
        r, s = utils.decode_dss_signature(identity.certificate.signature)
        body = identity.certificate.tbs_certificate_bytes + ECDSA_SHA256 + tlv(3, b"\0" + utils.encode_dss_signature(r, P256_ORDER - s))
        return Identity(x509.load_der_x509_certificate(tlv(0x30, body)), identity.key)

    def server(self) -> Identity:
        return self.issue(common="wardd", usage=ExtendedKeyUsageOID.SERVER_AUTH, dns=["localhost"], addresses=["127.0.0.1"])
