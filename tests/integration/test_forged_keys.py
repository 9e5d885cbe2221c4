# SPDX-License-Identifier: Apache-2.0
"""Forged wrapped keys: none opens, all get one answer, none costs more than another, none disturbs the HSM."""
import os
import random

import pytest
from harness.client import errors_of
from harness.faults import Faults
from harness.processes import wait_until

FORGED = int(os.environ.get("WARD_FORGED", "100000"))
BATCH = 1000
HEADER = 23


@pytest.fixture(scope="module")
def faults(own):
    made = Faults(own)
    own.daemons[0].stop()
    own.daemons[0].start(**{**made.settings(), "workers": 1})
    return made


def wrong_bytes(wrapped: bytes, _) -> bytes:
    at = random.randrange(HEADER, len(wrapped))
    return wrapped[:at] + bytes([wrapped[at] ^ (1 << random.randrange(8))]) + wrapped[at + 1:]


def wrong_key(wrapped: bytes, other: bytes) -> bytes:
    """The header of one key, the ciphertext of another."""
    return other[:HEADER] + wrapped[HEADER:]


def random_bytes(wrapped: bytes, _) -> bytes:
    return wrapped[:HEADER] + os.urandom(len(wrapped) - HEADER)


def unknown_key(wrapped: bytes, _) -> bytes:
    return wrapped[:2] + os.urandom(16) + wrapped[18:]


def unknown_version(wrapped: bytes, _) -> bytes:
    return wrapped[:18] + random.randrange(2, 1 << 32).to_bytes(4, "big") + wrapped[22:]


def another_use(wrapped: bytes, _) -> bytes:
    return wrapped[:1] + bytes([random.choice([2, 3, 4, 5])]) + wrapped[2:]


def same(wrapped: bytes, _) -> bytes:
    return wrapped


KINDS = [(wrong_bytes, {"purpose": "TREAT"}), (wrong_key, {"purpose": "TREAT"}), (random_bytes, {"purpose": "TREAT"}),
         (unknown_key, {"purpose": "TREAT"}), (unknown_version, {"purpose": "TREAT"}), (another_use, {"purpose": "TREAT"}),
         (same, {}), (same, {"purpose": "TREAT", "more": ""}), (same, {"purpose": "treat"})]


def test_a_hundred_thousand_forged_keys(own, faults):
    app, daemon = own.client("app", timeout=60), own.daemons[0]
    _, wrapped = app.generate("app/demo", {"purpose": "TREAT"})
    _, other = app.generate("app/other", {"purpose": "TREAT"})
    wait_until(lambda: len(daemon.helpers()) == 1, 10, "one helper")
    helpers, logins, answers = daemon.helpers(), faults.logins(), set()
    for at in range(0, FORGED, BATCH):
        kinds = [KINDS[(at + i) % len(KINDS)] for i in range(BATCH)]
        items = [(forge(wrapped, other), context) for forge, context in kinds]
        answers |= set(errors_of(lambda items=items: app.unwrap_items(items), BATCH))
    assert answers == {(3, "ciphertext does not open")}
    assert (daemon.helpers(), faults.logins()) == (helpers, logins), "the HSM was connected to anew"
    assert app.unwrap(wrapped, {"purpose": "TREAT"})


@pytest.mark.parametrize("forge, context", KINDS, ids=[f"{forge.__name__}-{len(context)}" for forge, context in KINDS])
def test_every_kind_costs_the_same_call_to_the_hsm(own, faults, forge, context):
    """What is parsed goes to the HSM, whatever is wrong with it: no answer comes sooner than another."""
    app = own.client("app")
    _, wrapped = app.generate("app/demo", {"purpose": "TREAT"})
    _, other = app.generate("app/other", {"purpose": "TREAT"})
    assert app.unwrap(other, {"purpose": "TREAT"})
    items = [(forge(wrapped, other), context) for _ in range(100)]
    faults.do("C_Decrypt count")
    before = faults.counted("C_Decrypt")
    errors_of(lambda: app.unwrap_items(items), len(items))
    faults.stop()
    # Beside the items' own: the known answer, which bad ciphertext asks for once a second.
    assert len(items) <= faults.counted("C_Decrypt") - before <= len(items) + 2
