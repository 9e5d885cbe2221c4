# SPDX-License-Identifier: Apache-2.0
"""Ways around the second officer, against the real daemon and its database; and the file that proves that there were two."""
import base64
import concurrent.futures
import json
import subprocess

import grpc
import pytest
from harness import approval_file, pki
from harness.cli import Cli
from harness.client import pae
from harness.deployment import POLICY, TRUST, Deployment
from harness.policy_text import Policy
from harness.processes import wait_until

OFFICERS = POLICY.replace('roles:\n', '  - name: dora\n    identities: ["spiffe://test.ward/officer-c"]\nroles:\n', 1)
OFFICERS = OFFICERS.replace('["person:alice", "person:bob"]', '["person:alice", "person:bob", "person:dora"]')
OFFICERS = OFFICERS.replace("guards:\n", """guards:
  - action: key.rotate
    keys: ["app/two/**"]
    approvals: 2
    expires_hours: 24
  - action: key.rotate
    keys: ["app/manual/**"]
    approvals: 1
    expires_hours: 24
    execute: manual
""")
KEYS = ("app/one", "app/two/key", "app/manual/key")


@pytest.fixture(scope="module")
def four():
    deployment = Deployment(policy=OFFICERS)
    try:
        deployment.identities["officer-c"] = deployment.authority.issue([TRUST + "officer-c"])
        deployment.daemon().start()
        for key in KEYS:
            deployment.client("officer-a").create_key(key)
        yield deployment
    finally:
        deployment.close()


@pytest.fixture(name="a")
def officer_a_(four):
    return four.client("officer-a")


@pytest.fixture(name="b")
def officer_b_(four):
    return four.client("officer-b")


@pytest.fixture(name="c")
def officer_c_(four):
    return four.client("officer-c")


def opened(officer, key="app/one"):
    return officer.submit(officer.propose_rotation(key))


def versions(officer, key="app/one") -> int:
    return len(officer.describe_key(key).versions)


def revoked(four, officer):
    """An act at once: a certificate that nobody uses."""
    return officer.revoke(certificate=four.authority.issue([TRUST + "nobody"]).certificate.fingerprint(pki.hashes.SHA256()))


# ---- who signs ----

def test_the_same_key_under_another_name_is_the_same_officer(four, a, b, refused):
    proposal, before = opened(a), versions(a)
    sibling = four.client(four.authority.issue([TRUST + "officer-b"], key=four.identities["officer-a"].key))
    refused("PERMISSION_DENIED", "proposer", lambda: sibling.approve(proposal))
    assert versions(a) == before
    assert b.approve(proposal).state == "executed"


def test_a_second_card_of_the_same_person_is_the_same_officer(four, a, refused):
    proposal = opened(a)
    for identity in ("officer-a", "officer-a2"):
        card = four.client(four.authority.issue([TRUST + identity]))
        refused("PERMISSION_DENIED", "proposer", lambda card=card: card.approve(proposal))


def test_a_sibling_certificate_gives_no_second_approval(four, a, b, c, refused):
    proposal, before = opened(a, "app/two/key"), versions(a, "app/two/key")
    assert b.approve(proposal).state == "open"
    for key in (None, four.identities["officer-b"].key):
        again = four.client(four.authority.issue([TRUST + "officer-b"], key=key))
        refused("PERMISSION_DENIED", "already", lambda again=again: again.approve(proposal))
    assert versions(a, "app/two/key") == before
    assert c.approve(proposal).state == "executed"


def test_two_last_approvals_at_once_run_it_once(four, a, b, c):
    proposal, before = opened(a), versions(a)

    def approve(officer):
        try:
            return officer.approve(proposal).state
        except grpc.RpcError as error:
            return error.code().name
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(approve, (b, c)))
    assert outcomes == ["FAILED_PRECONDITION", "executed"]
    assert versions(a) == before + 1


# ---- what is signed ----

@pytest.mark.parametrize("decision", ["propose", "reject", "withdraw", "execute", "review"])
def test_a_signature_of_another_decision_approves_nothing(a, b, refused, decision):
    proposal = opened(a)
    refused("INVALID_ARGUMENT", "signature", lambda: b.approve(proposal, signature=b.sign(decision, proposal.payload)))


def test_a_reason_that_was_not_signed_is_refused(a, b, refused):
    proposal = opened(a)
    plain = b.sign("reject", proposal.payload)
    refused("INVALID_ARGUMENT", "signature", lambda: b.reject(proposal, signature=plain, reason="not now"))
    other = b.identity.sign(pae("reject", proposal.payload, "never"))
    refused("INVALID_ARGUMENT", "signature", lambda: b.reject(proposal, signature=other, reason="not now"))
    refused("INVALID_ARGUMENT", "reason: empty", lambda: b.reject(proposal, reason=""))
    assert b.reject(proposal, reason="not now").state == "rejected"
    vote = b.show(proposal.id).approvals[-1]
    assert (vote.decision, vote.reason) == ("reject", "not now")


@pytest.mark.parametrize("change", [
    lambda p: p.replace(b"app/one", b"app/two"),
    lambda p: p[:-1] + b',"extra":1}',
    lambda p: p.replace(b'"approvals":1', b'"approvals":0'),
    lambda p: p.replace(b'"approvals":1', b'"approvals":1,"approvals":1'),
    lambda p: p.replace(b'"approvals":1', b'"approvals":01'),
    lambda p: p.replace(b'"from_version":', b'"from_version":0'),
], ids=["object", "unknown-member", "no-quorum", "duplicate-member", "leading-zero", "number"])
def test_a_payload_altered_in_the_database_runs_nothing(four, a, b, change):
    proposal, before = opened(a), versions(a)
    altered = change(proposal.payload)
    assert altered != proposal.payload
    four.postgres.sql(f"UPDATE ward.proposal SET payload = '\\x{altered.hex()}' WHERE id = '{proposal.id}'")
    for payload in (proposal.payload, altered):
        with pytest.raises(grpc.RpcError):
            b.approve(proposal, signature=b.sign("approve", payload))
    assert versions(a) == before
    four.postgres.sql(f"UPDATE ward.proposal SET payload = '\\x{proposal.payload.hex()}' WHERE id = '{proposal.id}'")
    a.withdraw(proposal)


def test_a_vote_row_written_into_the_database_is_no_vote(four, a, b, c):
    proposal, before = opened(a, "app/two/key"), versions(a, "app/two/key")
    forger = pki.Authority().issue([TRUST + "officer-c"])
    signature = forger.sign(pae("approve", proposal.payload))
    four.postgres.sql(f"INSERT INTO ward.vote (proposal, identity, decision, signature, certificate, created_us) VALUES "
                      f"('{proposal.id}', '{TRUST}somebody', 1, '\\x{signature.hex()}', '\\x{forger.der.hex()}', 1)")
    assert b.approve(proposal).state == "open"
    assert versions(a, "app/two/key") == before
    assert c.approve(proposal).state == "executed"


def test_a_state_written_into_the_database_lets_nothing_run(four, a, b, refused):
    proposal = opened(a, "app/manual/key")
    four.postgres.sql(f"UPDATE ward.proposal SET state = 6 WHERE id = '{proposal.id}'")
    refused("FAILED_PRECONDITION", "signatures", lambda: b.execute(proposal))
    assert versions(a, "app/manual/key") == 1


# ---- when ----

def test_it_runs_when_it_is_executed_and_not_before(four, a, b, c, refused):
    proposal = opened(a, "app/manual/key")
    assert json.loads(proposal.payload)["terms"] == {"execute": "manual"}
    refused("FAILED_PRECONDITION", "not enough", lambda: c.execute(proposal))
    assert b.approve(proposal).state == "approved"
    assert versions(a, "app/manual/key") == 1
    refused("PERMISSION_DENIED", "", lambda: four.client("auditor").execute(proposal))
    assert c.show(proposal.id).waits_for_you == "execute"
    assert c.execute(proposal).state == "executed"
    assert versions(a, "app/manual/key") == 2


def test_only_its_proposer_withdraws_it(a, b, c, refused):
    proposal = opened(a)
    refused("PERMISSION_DENIED", "proposer", lambda: b.withdraw(proposal))
    assert a.withdraw(proposal, reason="wrong key").state == "withdrawn"
    refused("FAILED_PRECONDITION", "decided", lambda: c.approve(proposal))


# ---- afterwards ----

def test_what_ran_at_once_is_reviewed_by_somebody_else(four, a, b, c, refused):
    done = revoked(four, a)
    assert (done.state, done.review) == ("executed", "pending")
    twin = four.client(four.authority.issue([TRUST + "officer-b"], key=four.identities["officer-a"].key))
    for officer in (a, four.client("officer-a2"), twin):
        refused("PERMISSION_DENIED", "proposer", lambda officer=officer: officer.review(done))
    cli = Cli(four)
    listed = [row["proposal"] for row in cli.json("officer-b", "approval", "list", "--unreviewed")["proposals"]]
    assert done.id in listed
    assert b.review(done, reason="seen").review == "done"
    assert c.show(done.id).review == "done"
    refused("FAILED_PRECONDITION", "reviewed", lambda: c.review(done))
    listed = [row["proposal"] for row in cli.json("officer-b", "approval", "list", "--unreviewed")["proposals"]]
    assert done.id not in listed


def test_what_waits_for_a_review_is_counted(four, a, b):
    def counted(n: int):
        return lambda: f"\nward_unreviewed_acts {n}\n" in four.daemons[0].metrics()
    before = len(Cli(four).json("officer-b", "approval", "list", "--unreviewed")["proposals"])
    done = revoked(four, a)
    wait_until(counted(before + 1), 30, "it is counted")
    b.review(done)
    wait_until(counted(before), 30, "it is counted no more")


def test_a_review_written_into_the_database_is_none(four, a, b):
    done = revoked(four, a)
    forger = pki.Authority().issue([TRUST + "officer-b"])
    signature = forger.sign(pae("review", done.payload))
    four.postgres.sql(f"INSERT INTO ward.vote (proposal, identity, decision, signature, certificate, created_us) VALUES "
                      f"('{done.id}', '{TRUST}somebody', 5, '\\x{signature.hex()}', '\\x{forger.der.hex()}', 1)")
    assert b.show(done.id).review == "pending"
    assert b.review(done).review == "done"


# ---- the file ----

@pytest.fixture
def exported(four, a, b, tmp_path):
    """A rotation that ran, as a file: (cli, path)."""
    proposal = opened(a)
    b.approve(proposal)
    cli, path = Cli(four), tmp_path / "approval.json"
    cli("auditor", "approval", "export", proposal.id, "--out", path)
    return cli, path


def trusted(four, folder) -> list:
    officers = folder / "officers.pem"
    officers.write_bytes(four.identities["officer-a"].pem + four.identities["officer-b"].pem)
    return ["--policy", four.policy, "--ca", four.folder / "ca.pem", "--trust", officers]


def test_an_exported_proposal_is_checked_offline(four, exported, tmp_path):
    cli, path = exported
    ca = (four.folder / "ca.pem").read_bytes()
    assert approval_file.verify(path.read_bytes(), ca=ca) and not approval_file.verify(path.read_bytes())
    bare = cli.json("auditor", "approval", "verify", path, "--ca", four.folder / "ca.pem", exit=1)
    assert not bare["good"] and bare["faults"] == [] and bare["verdict"].startswith("the signatures are good; who the signers are")
    assert all(s["stands"] for s in bare["signatures"]) and any("--policy" in line for line in bare["not_checked"])
    text = cli("auditor", "approval", "verify", path, "--ca", four.folder / "ca.pem", "--output", "table", exit=1).stdout.decode()
    assert "quorum" not in text and "give --policy." in text
    full = cli.json("auditor", "approval", "verify", path, *trusted(four, tmp_path))
    assert full["good"] and not any("--" in line for line in full["not_checked"]), full
    assert approval_file.verify(path.read_bytes(), Policy(OFFICERS.encode()), ca=ca)
    assert [s["decision"] for s in full["signatures"]] == ["propose", "approve"]
    text = cli("auditor", "approval", "verify", path, "--output", "table", *trusted(four, tmp_path)).stdout.decode()
    assert "times are the daemon's" in text and "Verdict: quorum reached." in text


def resigned(text: bytes) -> bytes:
    """Another payload, under certificates that say the officers' names and that nobody issued but the forger."""
    document = json.loads(text)
    payload = base64.b64decode(document["payload"]).replace(b'"app/one"', b'"app/own"')
    forger = pki.Authority()
    for signature in document["signatures"]:
        identity = forger.issue([signature["identity"]])
        signature.update(sig=base64.b64encode(identity.sign(pae(signature["decision"], payload))).decode(),
                         certificate=base64.b64encode(identity.der).decode())
    document["payload"] = base64.b64encode(payload).decode()
    return approval_file.canonical(document) + b"\n"


def test_nothing_is_established_without_an_anchor(four, exported, tmp_path):
    """The true file and a forged one look alike to whoever asks nobody whose the certificates are."""
    cli, path = exported
    forged = tmp_path / "forged.json"
    forged.write_bytes(resigned(path.read_bytes()))
    for file in (path, forged):
        for options in ([], ["--policy", four.policy]):
            judged = cli.json("auditor", "approval", "verify", file, *options, exit=1)
            assert not judged["good"] and judged["faults"] == [] and "not established: give --ca" in judged["verdict"], judged
            assert any("--ca" in line for line in judged["not_checked"])
        assert not approval_file.verify(file.read_bytes()) and not approval_file.verify(file.read_bytes(), Policy(OFFICERS.encode()))
    text = cli("auditor", "approval", "verify", forged, "--output", "table", exit=1).stdout.decode()
    assert "Verdict: the signatures are of the certificates in the file; whose those are is not established" in text
    for anchor in (["--ca", four.folder / "ca.pem"], trusted(four, tmp_path)[-2:]):
        assert cli.json("auditor", "approval", "verify", path, "--policy", four.policy, *anchor)["verdict"] == "quorum reached"
        judged = cli.json("auditor", "approval", "verify", forged, *anchor, exit=1)
        assert judged["verdict"] == "not as it should be" and [s["stands"] for s in judged["signatures"]] == [False, False]
    assert not approval_file.verify(forged.read_bytes(), ca=(four.folder / "ca.pem").read_bytes())


def test_another_policy_ca_or_officer_is_not_believed(four, exported, tmp_path):
    cli, path = exported
    other = tmp_path / "other.pem"
    other.write_bytes(pki.Authority("Ward test CA").pem)
    policy = tmp_path / "policy.yaml"
    policy.write_text(OFFICERS + "# changed\n")
    only_a = tmp_path / "a.pem"
    only_a.write_bytes(four.identities["officer-a"].pem)
    for options in (["--policy", policy, "--ca", four.folder / "ca.pem"], ["--ca", other], ["--trust", only_a]):
        assert not cli.json("auditor", "approval", "verify", path, *options, exit=1)["good"], options
    only_b = tmp_path / "b.pem"
    only_b.write_bytes(four.identities["officer-b"].pem)
    both = ["--trust", only_a, "--trust", only_b, "--policy", four.policy]
    assert cli.json("auditor", "approval", "verify", path, *both)["verdict"] == "quorum reached"
    ca = (four.folder / "ca.pem").read_bytes()
    assert not approval_file.verify(path.read_bytes(), Policy(policy.read_bytes()), ca=ca)
    assert not approval_file.verify(path.read_bytes(), ca=other.read_bytes())


def test_people_whom_policy_does_not_let_approve_are_found_by_both_verifiers(four, exported, tmp_path):
    """Signed all the same, by certificates of our CA: what a daemon that lies might put together."""
    cli, path = exported
    payload = base64.b64decode(json.loads(path.read_bytes())["payload"])
    for who in ("officer-a2", "auditor", "stranger", "officer-c"):
        identity = four.identities[who]
        signature = base64.b64encode(identity.sign(pae("approve", payload))).decode()
        forged = edit(lambda d, i=identity, s=signature, w=who: d["signatures"][1].update(
            identity=TRUST + w, sig=s, certificate=base64.b64encode(i.der).decode()))(path.read_bytes())
        other = tmp_path / f"{who}.json"
        other.write_bytes(forged)
        good = who == "officer-c"
        judged = cli.json("auditor", "approval", "verify", other, "--policy", four.policy, "--ca", four.folder / "ca.pem", exit=0 if good else 1)
        assert judged["good"] == approval_file.verify(forged, Policy(OFFICERS.encode()), ca=four.authority.pem) == good, who


def test_without_enough_signatures_there_is_no_quorum(four, a, tmp_path):
    proposal = opened(a, "app/two/key")
    cli, path = Cli(four), tmp_path / "open.json"
    cli("auditor", "approval", "export", proposal.id, "--out", path)
    assert not approval_file.verify(path.read_bytes(), ca=four.authority.pem)
    assert cli.json("auditor", "approval", "verify", path, "--ca", four.folder / "ca.pem", exit=1)["verdict"] == "quorum not reached"
    a.withdraw(proposal)


def test_an_act_at_once_is_told_as_one(four, a, b, tmp_path):
    done = revoked(four, a)
    cli, before, after = Cli(four), tmp_path / "before.json", tmp_path / "after.json"
    cli("auditor", "approval", "export", done.id, "--out", before)
    b.review(done)
    cli("auditor", "approval", "export", done.id, "--out", after)
    anchor = ["--ca", four.folder / "ca.pem", "--policy", four.policy]
    assert "signatures are good" in cli.json("auditor", "approval", "verify", after, *anchor[:2], exit=1)["verdict"]
    assert cli.json("auditor", "approval", "verify", before, *anchor)["verdict"] == "at once on one signature, not reviewed"
    assert cli.json("auditor", "approval", "verify", after, *anchor)["verdict"] == "at once on one signature, reviewed"
    assert all(approval_file.verify(file.read_bytes(), ca=four.authority.pem) for file in (before, after))


def edit(change):
    """Of the parsed file, written canonically again."""
    def edited(text: bytes) -> bytes:
        document = json.loads(text)
        change(document)
        return approval_file.canonical(document) + b"\n"
    return edited


def with_payload(old: bytes, new: bytes):
    def change(document):
        payload = base64.b64decode(document["payload"])
        assert old in payload
        document["payload"] = base64.b64encode(payload.replace(old, new)).decode()
    return edit(change)


def repeat_approval(document):
    document["signatures"].append(document["signatures"][1])


def self_approval(document):
    document["signatures"][1] = dict(document["signatures"][0], decision="approve",
                                     payloadType=document["signatures"][1]["payloadType"])


TAMPERED = {
    "payload": with_payload(b'"app/one"', b'"app/two"'),
    "fewer-needed": with_payload(b'"approvals":1', b'"approvals":0'),
    "unknown-member": with_payload(b'"approvals":1', b'"approvals":1,"more":1'),
    "signature-cut": edit(lambda d: d["signatures"][1].update(sig=d["signatures"][1]["sig"][:-4])),
    "signatures-swapped": edit(lambda d: d["signatures"][0].update(sig=d["signatures"][1]["sig"])),
    "certificate-swapped": edit(lambda d: d["signatures"][1].update(certificate=d["signatures"][0]["certificate"])),
    "identity": edit(lambda d: d["signatures"][1].update(identity=TRUST + "officer-c")),
    "decision": edit(lambda d: d["signatures"][1].update(decision="reject")),
    "reason": edit(lambda d: d["signatures"][1].update(reason="because")),
    "no-proposer": edit(lambda d: d["signatures"].pop(0)),
    "no-approval": edit(lambda d: d["signatures"].pop(1)),
    "approval-twice": edit(repeat_approval),
    "self-approval": edit(self_approval),
    "spaces": lambda text: text.replace(b'","', b'", "', 1),
    "order": lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")).encode() + b"\n",
    "no-end": lambda text: text[:-1],
    "half": lambda text: text[:len(text) // 2],
    "nothing": lambda text: b"",
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_what_was_tampered_with_is_found_by_both_verifiers(four, exported, kind):
    cli, path = exported
    tampered = TAMPERED[kind](path.read_bytes())
    assert tampered != path.read_bytes()
    path.write_bytes(tampered)
    ca = four.folder / "ca.pem"
    assert not approval_file.verify(tampered, Policy(OFFICERS.encode()), ca=ca.read_bytes()) or kind == "order"
    if kind != "order":  # the other one asks for the members and not for their order
        assert not approval_file.verify(tampered, ca=ca.read_bytes())
    ran = subprocess.run(cli.command("auditor", "approval", "verify", path, "--ca", ca), capture_output=True, timeout=60, check=False)
    assert ran.returncode == 1, ran.stdout.decode()


# ---- people ----

def test_the_list_begins_with_what_waits_for_me(four, a, b):
    mine, theirs = opened(b), opened(a)
    rows = Cli(four).json("officer-b", "approval", "list")["proposals"]
    order = [row["proposal"] for row in rows]
    assert order.index(theirs.id) < order.index(mine.id)
    row = rows[order.index(theirs.id)]
    assert row["waits_for_you"] == "approve" and row["approvals_missing"] == 1 and row["expires_in"].startswith("in 23 h")
    a.withdraw(theirs)
    b.withdraw(mine)


def test_the_proposer_is_told_who_may_approve(four):
    cli = Cli(four)
    ran = cli("officer-a", "key", "rotate", "app/one", "--output", "json", exit=4)
    answer, told = json.loads(ran.stdout), ran.stderr.decode()
    assert answer["may_approve"] == ["bob", "dora"] and answer["approvals_missing"] == 1
    assert "bob, dora" in told and f"approval approve {answer['proposal']}" in told
    shown = cli.json("officer-b", "approval", "show", answer["proposal"])
    assert shown["may_approve"] == ["bob", "dora"] and shown["waits_for_you"] == "approve"
    done = cli.json("officer-b", "approval", "reject", answer["proposal"], "--yes", "--reason", "not today")
    assert done["state"] == "rejected"
    assert cli.json("officer-a", "approval", "show", answer["proposal"])["signatures"][-1]["reason"] == "not today"


def test_the_log_is_judged_with_all_of_it(four, tmp_path):
    four.client("auditor").settle()
    cli, folder = Cli(four), tmp_path / "log"
    cli("auditor", "audit", "export", folder)
    report = cli.json("auditor", "audit", "verify", folder, "--vkey", four.vkey)
    assert report["at_once"] >= 1 and report["reviewed"] >= 1, report
    for options in ([], ["--output", "table"]):
        ran = cli("auditor", "audit", "verify", folder, *options, exit=1).stdout.decode()
        assert "NOT verified" in ran and "--vkey" in ran if options else not json.loads(ran)["verified"], ran
