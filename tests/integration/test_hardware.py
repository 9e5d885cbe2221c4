# SPDX-License-Identifier: Apache-2.0
"""Policy that takes signatures of keys on hardware alone: by an officer's role, and by a guard. SoftHSM2 plays the cards."""
import base64
import json

import pytest
from harness import approval_file
from harness.card import CardOfficer
from harness.cli import Cli
from harness.client import pae
from harness.deployment import POLICY, TRUST, Deployment
from harness.policy_text import Policy

OID, OTHER_OID = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"
OFFICERS = "  - name: officers\n    kind: officer\n    members: [\"person:alice\", \"person:bob\"]\n"
RULES = POLICY[POLICY.index(OFFICERS) + len(OFFICERS):POLICY.index("  - name: auditors")]
CUSTODIANS = ("  - name: custodians\n    kind: officer\n    hardware: true\n    members: [\"person:bob\", \"person:dora\"]\n" +
              RULES.replace("- name: ", "- name: custodians-"))
CARDS = POLICY.replace("roles:\n", '  - name: dora\n    identities: ["spiffe://test.ward/officer-c"]\nroles:\n', 1)
CARDS = CARDS.replace(OFFICERS, OFFICERS.replace(', "person:bob"', "")).replace("  - name: auditors", CUSTODIANS + "  - name: auditors", 1)
CARDS = CARDS.replace("guards:\n", f"""hardware:
  certificate_policies: ["{OID}"]
guards:
  - {{action: key.rotate, keys: ["app/manual"], approvals: 1, expires_hours: 24, execute: manual}}
  - {{action: key.rotate, keys: ["app/guarded"], approvals: 1, expires_hours: 24, hardware: true}}
""")
NOT_ON_HARDWARE = "signature: it must be made by a key on hardware, and this certificate does not say that its key is on one"
WRONG = "it must be made by a key on hardware, and the certificate names no policy that says so"


class Cards:
    """alice with a key in a file; bob with a card, and the certificate that says so; dora of the same role without."""

    def __init__(self, folder):
        self.ward = Deployment(policy=CARDS)
        try:
            self.ward.identities["officer-c"] = self.ward.authority.issue([TRUST + "officer-c"])
            self.ward.daemon().start()
            self.alice, self.dora = self.ward.client("officer-a"), self.ward.client("officer-c")
            for key in ("app/role", "app/manual", "app/guarded"):
                self.alice.create_key(key)
            (folder / "bob").mkdir()
            self.card = CardOfficer(self.ward, folder / "bob", policies=[OTHER_OID, OID])
            self.bob = self.ward.client(self.card.card.identity)
            self.cli = Cli(self.ward)
        except BaseException:
            self.ward.close()
            raise

    def versions(self, key) -> int:
        return len(self.alice.describe_key(key).versions)

    def opened(self, officer, key):
        return officer.submit(officer.propose_rotation(key))

    def exported(self, proposal, folder):
        path = folder / "approval.json"
        self.cli("auditor", "approval", "export", proposal.id, "--out", path)
        return path

    def judged(self, path, exit: int = 0) -> dict:
        return self.cli.json("auditor", "approval", "verify", path, "--policy", self.ward.policy, "--ca", self.ward.folder / "ca.pem", exit=exit)


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    made = Cards(tmp_path_factory.mktemp("cards"))
    try:
        yield made
    finally:
        made.ward.close()


@pytest.fixture(name="policy", scope="module")
def policy_():
    return Policy(CARDS.encode())


# ---- the daemon ----

def test_an_officer_of_such_a_role_approves_on_the_card(cards, policy, tmp_path):
    proposal, before = cards.opened(cards.alice, "app/role"), cards.versions("app/role")
    code, shown = cards.card.at_terminal("1234\n", "approval", "approve", proposal.id, confirm="approve")
    assert code == 0 and "is executed" in shown and shown.count("PIN of staff") == 1, shown
    assert cards.versions("app/role") == before + 1
    path = cards.exported(proposal, tmp_path)
    judged = cards.judged(path)
    assert [signature["on_hardware"] for signature in judged["signatures"]] == [False, True], "alice's role asks for none"
    assert judged["good"] and not any("hardware" in line for line in judged["not_checked"])
    assert approval_file.verify(path.read_bytes(), policy, ca=cards.ward.authority.pem)


def test_another_of_the_same_role_without_one_is_refused_whatever_he_decides(cards, refused):
    other = cards.ward.client(cards.ward.authority.issue([TRUST + "officer-c"], policies=[OTHER_OID]))
    for officer in (cards.dora, other):
        waits = cards.opened(cards.alice, "app/role")
        refused("PERMISSION_DENIED", NOT_ON_HARDWARE, lambda o=officer: o.submit(o.propose_rotation("app/role")))
        refused("PERMISSION_DENIED", NOT_ON_HARDWARE, lambda o=officer, p=waits: o.approve(p))
        refused("PERMISSION_DENIED", NOT_ON_HARDWARE, lambda o=officer, p=waits: o.reject(p))
        shown = cards.alice.show(waits.id)
        assert shown.state == "open" and [vote.decision for vote in shown.approvals] == ["propose"]
        cards.alice.withdraw(waits)
    told = cards.cli("officer-c", "key", "rotate", "app/role", exit=1).stderr.decode()
    assert "must be made by a key on hardware" in told, told


def test_and_executes_nothing_either(cards, refused):
    proposal = cards.opened(cards.alice, "app/manual")
    assert cards.bob.approve(proposal).state == "approved"
    refused("PERMISSION_DENIED", NOT_ON_HARDWARE, lambda: cards.dora.execute(proposal))
    assert cards.alice.show(proposal.id).state == "approved" and cards.versions("app/manual") == 1
    code, shown = cards.card.at_terminal("1234\n", "approval", "execute", proposal.id, "--yes")
    assert code == 0, shown
    assert cards.alice.show(proposal.id).state == "executed" and cards.versions("app/manual") == 2


def test_a_guard_asks_everybody_for_a_card(cards, refused):
    draft = cards.alice.propose_rotation("app/guarded")
    assert json.loads(draft.payload)["terms"] == {"hardware": "required"}
    refused("PERMISSION_DENIED", NOT_ON_HARDWARE, lambda: cards.alice.submit(draft))
    told = cards.cli("officer-a", "key", "rotate", "app/guarded", exit=1).stderr.decode()
    assert "signatures made in hardware" in told, told
    proposal = cards.opened(cards.bob, "app/guarded")
    refused("PERMISSION_DENIED", NOT_ON_HARDWARE, lambda: cards.alice.approve(proposal))
    assert cards.versions("app/guarded") == 1
    assert cards.alice.reject(proposal).state == "rejected", "what stops it is good from any key"


# ---- the file ----

def signature_of(identity, decision: str, payload: bytes) -> dict:
    """As an export has it, over this very payload."""
    kind = f"application/vnd.ward.proposal+json; decision={decision}"
    return {"payloadType": kind, "decision": decision, "reason": "", "identity": TRUST + identity.name, "time": "2026-11-22T12:00:00.000000Z",
            "sig": base64.b64encode(identity.sign(pae(decision, payload))).decode(), "certificate": base64.b64encode(identity.der).decode()}


def certified(cards, name: str, key=None, policies=()):
    identity = cards.ward.authority.issue([TRUST + name], key=key, policies=policies)
    identity.name = name
    return identity


@pytest.fixture(name="payloads", scope="module")
def payloads_(cards):
    """Of drafts: what an export of theirs would have in it."""
    bob = cards.ward.client(cards.card.card.identity)
    return {"role": cards.alice.propose_rotation("app/role").payload, "manual": cards.alice.propose_rotation("app/manual").payload,
            "guarded": bob.propose_rotation("app/guarded").payload}


# What is proposed; the signatures, with the certificate policies of each; which of them fails, by number.
EXPORTS = {
    "role, with the OID": ("role", [("officer-a", "propose", []), ("officer-b", "approve", [OID])], None),
    "role, without": ("role", [("officer-a", "propose", []), ("officer-b", "approve", [])], 2),
    "role, another OID": ("role", [("officer-a", "propose", []), ("officer-b", "approve", [OTHER_OID])], 2),
    "role, the OID is one of two": ("role", [("officer-a", "propose", []), ("officer-c", "approve", [OTHER_OID, OID])], None),
    "guard, both with it": ("guarded", [("officer-b", "propose", [OID]), ("officer-c", "approve", [OID])], None),
    "guard, the proposer without": ("guarded", [("officer-b", "propose", []), ("officer-c", "approve", [OID])], 1),
    "guard, an officer of a role without": ("guarded", [("officer-b", "propose", [OID]), ("officer-a", "approve", [])], 2),
    "executed with it": ("manual", [("officer-a", "propose", []), ("officer-b", "approve", [OID]), ("officer-c", "execute", [OID])], None),
    "executed without": ("manual", [("officer-a", "propose", []), ("officer-b", "approve", [OID]), ("officer-c", "execute", [])], 3),
    "executed by a role that needs none": ("manual", [("officer-a", "propose", []), ("officer-b", "approve", [OID]), ("officer-a", "execute", [])], None),
}


@pytest.mark.parametrize("case", EXPORTS)
def test_both_verifiers_find_the_signature_that_no_card_made(cards, policy, payloads, tmp_path, case):
    what, signers, wrong = EXPORTS[case]
    payload, keys, signatures = payloads[what], {}, []
    for name, decision, policies in signers:
        identity = certified(cards, name, keys.get(name), policies)
        keys[name] = identity.key
        signatures.append(signature_of(identity, decision, payload))
    text = approval_file.canonical({"type": "ward approval 1", "payload": base64.b64encode(payload).decode(), "state": "executed",
                                    "signatures": signatures}) + b"\n"
    path = tmp_path / "approval.json"
    path.write_bytes(text)
    judged = cards.judged(path, exit=0 if wrong is None else 1)
    assert judged["good"] == (wrong is None) == approval_file.verify(text, policy, ca=cards.ward.authority.pem)
    assert [s["stands"] for s in judged["signatures"]] == [number != wrong for number in range(1, len(signers) + 1)]
    faults = [fault for fault in judged["faults"] if WRONG in fault]
    assert [fault.split(" ")[:2] for fault in faults] == ([] if wrong is None else [["signature", str(wrong)]])
    assert approval_file.verify(text, ca=cards.ward.authority.pem), "without the policy nobody knows what it asks for"
    bare = cards.cli.json("auditor", "approval", "verify", path, "--ca", cards.ward.folder / "ca.pem", exit=1)
    assert not bare["good"] and bare["faults"] == [] and any("--policy" in line for line in bare["not_checked"])
    assert any("hardware" in line for line in bare["not_checked"]) == (what == "guarded")
