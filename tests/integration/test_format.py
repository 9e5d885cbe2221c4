# SPDX-License-Identifier: Apache-2.0
"""Another implementation reads and writes what Ward does, from proto/FORMATS.md alone: the HSM holds a KEK whose value is known here."""
import os
import struct

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from harness.client import item_refused
from harness.faults import Faults

HEADER = 23  # format, use, key id, version, algorithm
ISSUED, SUBJECT = 1, 2
CONTEXTS = [{}, {"purpose": "TREAT"}, {"b": "2", "a": "1", "empty": ""}, {"tenant": "nörd", "Ä": "\N{GRINNING FACE}"},
            {f"k{i:02}": "v" * (i * 8) for i in range(32)}]


def canonical(context: dict) -> bytes:
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    sized = [struct.pack(">H", len(text)) + text for pair in pairs for text in pair]
    return struct.pack(">H", len(pairs)) + b"".join(sized)


def kek_value(header: bytes) -> bytes:
    """As the test's module makes it: the CKA_ID, which is key id and version, over and over."""
    return (header[2:22] * 2)[:32]


def unwrap(wrapped: bytes, context: dict) -> bytes:
    header, iv, sealed = wrapped[:HEADER], wrapped[HEADER:HEADER + 12], wrapped[HEADER + 12:]
    return AESGCM(kek_value(header)).decrypt(iv, sealed, header + canonical(context))


def wrap(header: bytes, plaintext: bytes, context: dict) -> bytes:
    iv = os.urandom(12)
    return header + iv + AESGCM(kek_value(header)).encrypt(iv, plaintext, header + canonical(context))


@pytest.fixture(scope="module")
def known(own):
    """An application's client; the key app/known has a known value."""
    faults = Faults(own)
    own.daemons[0].stop()
    own.daemons[0].start(**faults.settings())
    faults.do("C_GenerateKey known")
    own.client("officer-a").create_key("app/known")
    faults.stop()
    return own.client("app")


@pytest.mark.parametrize("size", [16, 24, 32, 64])
@pytest.mark.parametrize("context", CONTEXTS, ids=range(len(CONTEXTS)))
def test_what_ward_wraps_opens_elsewhere(known, size, context):
    plaintext, wrapped = known.generate("app/known", context, size=size)
    assert (wrapped[0], wrapped[1], wrapped[22]) == (1, ISSUED, 1), "format 1, use issued, algorithm AES-256-GCM"
    assert len(plaintext) == size and len(wrapped) == HEADER + 12 + size + 16
    assert unwrap(wrapped, context) == plaintext
    with pytest.raises(InvalidTag):
        unwrap(wrapped, {**context, "more": ""})


@pytest.mark.parametrize("context", CONTEXTS, ids=range(len(CONTEXTS)))
def test_what_ward_moves_opens_elsewhere(known, context):
    plaintext, wrapped = known.generate("app/demo", {"purpose": "TREAT"})
    moved = known.rewrap(wrapped, {"purpose": "TREAT"}, key="app/known", new_context=context)
    assert unwrap(moved.wrapped, context) == plaintext


@pytest.mark.parametrize("context", CONTEXTS, ids=range(len(CONTEXTS)))
def test_what_is_wrapped_elsewhere_opens_here(known, context):
    header = known.generate("app/known")[1][:HEADER]
    plaintext = os.urandom(32)
    assert known.unwrap(wrap(header, plaintext, context), context) == plaintext
    item_refused(3, "ciphertext does not open", lambda: known.unwrap(wrap(header, plaintext, context), {"purpose": "other"}))


def test_a_key_of_another_use_does_not_open_as_a_data_key(known):
    """Even rightly wrapped under the same KEK: what protects records stays with the records."""
    header = known.generate("app/known")[1][:HEADER]
    for use in (0, SUBJECT, 3, 4, 5, 255):
        other = header[:1] + bytes([use]) + header[2:]
        item_refused(3, "ciphertext does not open", lambda other=other: known.unwrap(wrap(other, os.urandom(32), {}), {}))
