# SPDX-License-Identifier: Apache-2.0
"""Four eyes: a rotation runs when a second officer has signed exactly what runs, and never before."""
import json

import pytest
from harness import pki
from harness.client import header, pae
from harness.processes import wait_until
from harness.stubs import approvals_pb2


def versions(client, key: str) -> list:
    return [(v.version, v.state) for v in client.describe_key(key).versions]


@pytest.fixture
def key(officer_a, request):
    """A key of the test's own."""
    name = "app/four-eyes-" + request.node.name.replace("_", "-").replace("[", "-").rstrip("]")[-90:]
    officer_a.create_key(name)
    return name


def test_a_rotation_with_a_second_signature_runs(app, officer_a, officer_b, key):
    plaintext, wrapped = app.generate(key)
    draft = officer_a.propose_rotation(key, reason="yearly")
    assert draft.state == "draft" and draft.approvals_needed == 1
    opened = officer_a.submit(draft)
    assert opened.state == "open" and opened.payload == draft.payload
    done = officer_b.approve(opened)
    assert done.state == "executed"
    assert versions(officer_b, key) == [(1, "deactivated"), (2, "active")]
    assert app.unwrap(wrapped) == plaintext
    again, rewrapped = app.generate(key)
    result, = app.unwrap_items([(rewrapped, {})])
    assert result.version == 2 and result.plaintext == again


def test_the_proposal_says_what_will_run(officer_a, key):
    draft = officer_a.propose_rotation(key, reason="because")
    payload = json.loads(draft.payload)
    assert payload["action"] == "key.rotate" and payload["object"] == key and payload["approvals"] == 1
    assert payload["proposer"].endswith("/officer-a") and payload["person"] == "alice" and payload["reason"] == "because"
    assert payload["id"] == draft.id and payload["expires"] > payload["created"]


def test_the_proposer_cannot_approve(officer_a, key, refused):
    opened = officer_a.submit(officer_a.propose_rotation(key))
    refused("PERMISSION_DENIED", "proposer", lambda: officer_a.approve(opened))
    assert versions(officer_a, key) == [(1, "active")]


def test_the_same_person_with_another_certificate_cannot_approve(officer_a, officer_a2, key, refused):
    opened = officer_a.submit(officer_a.propose_rotation(key))
    refused("PERMISSION_DENIED", "proposer", lambda: officer_a2.approve(opened))
    assert versions(officer_a, key) == [(1, "active")]


@pytest.mark.parametrize("client", ["app", "auditor", "writer", "stranger"])
def test_who_is_no_officer_can_neither_propose_nor_approve(request, officer_a, officer_b, key, refused, client):
    other = request.getfixturevalue(client)
    refused("PERMISSION_DENIED", "", lambda: other.propose_rotation(key))
    opened = officer_a.submit(officer_a.propose_rotation(key))
    refused("PERMISSION_DENIED", "", lambda: other.approve(opened))
    refused("PERMISSION_DENIED", "", lambda: other.reject(opened))
    assert versions(officer_b, key) == [(1, "active")]
    assert officer_b.show(opened.id).state == "open"


def test_a_draft_waits_for_its_proposer(officer_a, officer_b, key, refused):
    draft = officer_a.propose_rotation(key)
    refused("FAILED_PRECONDITION", "", lambda: officer_b.approve(draft))
    refused("PERMISSION_DENIED", "", lambda: officer_b.submit(draft))
    assert versions(officer_b, key) == [(1, "active")]


BAD_SIGNATURES = {
    "nothing": lambda officer, p: b"",
    "noise": lambda officer, p: b"\x30\x06\x02\x01\x01\x02\x01\x01",
    "another_decision": lambda officer, p: officer.sign("reject", p.payload),
    "the_proposers_word": lambda officer, p: officer.sign("propose", p.payload),
    "another_payload": lambda officer, p: officer.sign("approve", p.payload + b" "),
    "the_bare_payload": lambda officer, p: officer.identity.sign(p.payload),
    "another_key": lambda officer, p: pki.Authority().issue([]).sign(pae("approve", p.payload)),
    "too_long": lambda officer, p: officer.sign("approve", p.payload) + b"\0" * 600,
    "trailing": lambda officer, p: officer.sign("approve", p.payload) + b"\0",
}


@pytest.mark.parametrize("kind", BAD_SIGNATURES)
def test_a_signature_over_anything_else_is_refused(officer_a, officer_b, key, refused, kind):
    opened = officer_a.submit(officer_a.propose_rotation(key))
    refused("INVALID_ARGUMENT", "signature", lambda: officer_b.approve(opened, signature=BAD_SIGNATURES[kind](officer_b, opened)))
    assert versions(officer_b, key) == [(1, "active")]
    assert officer_b.approve(opened).state == "executed"


def test_an_approval_of_one_proposal_does_not_fit_another(officer_a, officer_b, key, refused):
    one = officer_a.submit(officer_a.propose_rotation(key))
    other = officer_a.submit(officer_a.propose_rotation("app/other"))
    refused("INVALID_ARGUMENT", "signature", lambda: officer_b.approve(other, signature=officer_b.sign("approve", one.payload)))


def test_what_ran_does_not_run_again(officer_a, officer_b, key, refused):
    opened = officer_a.submit(officer_a.propose_rotation(key))
    officer_b.approve(opened)
    refused("FAILED_PRECONDITION", "", lambda: officer_b.approve(opened))
    refused("FAILED_PRECONDITION", "", lambda: officer_b.reject(opened))
    refused("FAILED_PRECONDITION", "", lambda: officer_a.submit(opened))
    assert len(versions(officer_b, key)) == 2


def test_what_was_rejected_does_not_run(officer_a, officer_b, key, refused):
    opened = officer_a.submit(officer_a.propose_rotation(key))
    assert officer_b.reject(opened).state == "rejected"
    refused("FAILED_PRECONDITION", "", lambda: officer_b.approve(opened))
    assert versions(officer_b, key) == [(1, "active")]


@pytest.mark.parametrize("proposal_id", ["", "x", "00000000-0000-0000-0000-000000000000x", "../..", "A" * 36])
def test_an_id_that_is_none_is_refused(officer_b, refused, proposal_id):
    refused("INVALID_ARGUMENT", "id", lambda: officer_b.show(proposal_id))


def test_an_unknown_proposal_is_not_found(officer_b, refused):
    refused("NOT_FOUND", "", lambda: officer_b.show("00000000-0000-4000-8000-000000000001"))


def test_the_list_shows_what_waits_and_all_when_asked(officer_a, officer_b, auditor, key):
    waits = officer_a.submit(officer_a.propose_rotation(key))
    done = officer_a.submit(officer_a.propose_rotation(key))
    officer_b.reject(done)

    def ids(client, everything):
        return [p.id for p in client.approvals.List(approvals_pb2.ListApprovalsRequest(header=header(), all=everything, page_size=1000),
                                                    timeout=10).proposals]
    assert waits.id in ids(auditor, False) and done.id not in ids(auditor, False)
    everything = ids(officer_b, True)
    assert everything.index(done.id) < everything.index(waits.id), "newest first"


def test_signatures_are_kept_with_certificates(officer_a, officer_b, auditor, key):
    opened = officer_a.submit(officer_a.propose_rotation(key))
    officer_b.approve(opened)
    votes = auditor.show(opened.id).approvals
    assert [(v.decision, v.identity.rsplit("/", 1)[1]) for v in votes] == [("propose", "officer-a"), ("approve", "officer-b")]
    assert [v.certificate for v in votes] == [officer_a.identity.der, officer_b.identity.der]


def test_a_rotation_of_records_rewraps_every_subject_key(app, officer_a, officer_b, auditor):
    data = b'{"resourceType": "Patient", "id": "r", "n": 1.10}'
    for subject in range(25):
        app.put(f"rewrap-{subject}", "r", data)
    opened = officer_a.submit(officer_a.propose_rotation("phi/records"))
    officer_b.approve(opened)
    newest = max(v.version for v in auditor.describe_key("phi/records").versions)

    def moved() -> bool:
        rows = {v.version: v.rows for v in auditor.describe_key("phi/records").versions}
        return rows[newest] >= 25 and not any(count for version, count in rows.items() if version != newest)
    wait_until(moved, 20, "every subject key is wrapped by the new version")
    for subject in range(25):
        assert app.get(f"rewrap-{subject}", "r").json == data
