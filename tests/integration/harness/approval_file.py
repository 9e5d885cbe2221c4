# SPDX-License-Identifier: Apache-2.0
"""A check of approval files that shares no code with ours: proto/FORMATS.md, section 6, with the cryptography library alone."""
import base64
import hashlib
import json

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

AT_ONCE = {"key.disable", "key.suspend", "key.compromise", "key.cancel-destroy", "identity.revoke"}


def canonical(document) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def identity_of(certificate) -> str:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uri, = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uri


def key_of(certificate) -> bytes:
    return certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def signature_stands(payload: bytes, signature: dict) -> bool:
    kind = f"application/vnd.ward.proposal+json; decision={signature['decision']}".encode()
    if signature["reason"]:
        kind += b"; reason=" + hashlib.sha256(signature["reason"].encode()).hexdigest().encode()
    if signature["payloadType"].encode() != kind:
        return False
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature["certificate"], validate=True))
    if identity_of(certificate) != signature["identity"]:
        return False
    key, sig = certificate.public_key(), base64.b64decode(signature["sig"], validate=True)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(sig, signed)
        else:
            key.verify(sig, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def issued(certificate, authority) -> bool:
    try:
        authority.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes,
                                      ec.ECDSA(certificate.signature_hash_algorithm))
    except InvalidSignature:
        return False
    return certificate.issuer == authority.subject


def verify(text: bytes, policy=None, *, ca: bytes = b"") -> bool:
    """True when every signature stands, by a certificate that the CA (PEM, ECDSA) issued, they are of different identities
    and keys, and they are enough. Without a CA nothing is established. policy: a policy_text.Policy, by which they are of
    different officers too, with keys on hardware where it asks for them."""
    authority = x509.load_pem_x509_certificate(ca) if ca else None
    try:
        document = json.loads(text)
        if canonical(document) + b"\n" != text:
            return False
        payload = base64.b64decode(document["payload"], validate=True)
        proposal = json.loads(payload)
        if canonical(proposal) != payload or not all(signature_stands(payload, s) for s in document["signatures"]):
            return False
        seen = []
        for s in document["signatures"]:
            certificate = x509.load_der_x509_certificate(base64.b64decode(s["certificate"]))
            seen.append((s["decision"], s["identity"], key_of(certificate)))
            if authority is None or not issued(certificate, authority):
                return False
            if policy and not policy.key_is_good(proposal, s["decision"], s["identity"], certificate):
                return False
    except (ValueError, KeyError, TypeError, x509.ExtensionNotFound):
        return False
    if {"reject", "withdraw"} & {decision for decision, _, _ in seen}:
        return False
    proposers = [(identity, key) for decision, identity, key in seen if decision == "propose"]
    agreed = proposers + [(identity, key) for decision, identity, key in seen if decision == "approve"]
    if len(proposers) != 1 or proposers[0][0] != proposal["proposer"]:
        return False
    if len({i for i, _ in agreed}) != len(agreed) or len({k for _, k in agreed}) != len(agreed):
        return False
    approvals = len(agreed) - 1
    if policy and (policy.sha256 != proposal["policy"] or not policy.enough(proposal, [identity for identity, _ in agreed[1:]])):
        return False
    return approvals >= proposal["approvals"] and (proposal["approvals"] > 0 or proposal["action"] in AT_ONCE)
