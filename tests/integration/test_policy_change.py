# SPDX-License-Identifier: Apache-2.0
"""Policy is changed by two officers, is in force with its own commit at every daemon, and cannot be changed in the database."""
import hashlib
import itertools
import json
import re
import threading

import grpc
import pytest
from harness import log
from harness.cli import Cli
from harness.client import header
from harness.deployment import POLICY, TRUST, Deployment
from harness.lying_log import LyingLog
from harness.processes import wait_until
from harness.stubs import admin_pb2

BOTH = 'members: ["spiffe://test.ward/app", "spiffe://test.ward/app2"]'
assert BOTH in POLICY
WITHOUT = POLICY.replace(BOTH, 'members: ["spiffe://test.ward/app"]')


@pytest.fixture(scope="module")
def pair(own):
    own.daemon("node-2").start()
    return own


@pytest.fixture
def officers(pair):
    """Officers a and b, each at another daemon."""
    a, b = pair.client("officer-a", pair.daemons[0]), pair.client("officer-b", pair.daemons[1])
    yield a, b
    a.close()
    b.close()


def show(client, **members):
    return client.admin.ShowPolicy(admin_pb2.ShowPolicyRequest(header=header(), **members), timeout=15).policy


def versions(client) -> list:
    return list(client.admin.ListPolicies(admin_pb2.ListPoliciesRequest(header=header()), timeout=15).policies)


def propose(client, text, base: int = None, reason: str = "because"):
    base = show(client).version if base is None else base
    text = text if isinstance(text, bytes) else text.encode()
    return client.admin.ApplyPolicy(admin_pb2.ApplyPolicyRequest(header=header(reason=reason), text=text, base_version=base),
                                    timeout=15).proposal


def change(officers, text) -> None:
    a, b = officers
    assert b.approve(a.submit(propose(a, text))).state == "executed"


def test_a_draft_binds_both_texts_and_tells_what_changes(officers):
    a, _ = officers
    draft = propose(a, WITHOUT)
    payload = json.loads(draft.payload)
    assert (payload["action"], payload["object"]) == ("policy.apply", f"policy#{payload['parameters']['from_version'] + 1}")
    assert payload["parameters"]["to_hash"] == hashlib.sha256(WITHOUT.encode()).hexdigest()
    assert payload["parameters"]["from_hash"] == payload["policy"] == show(a).sha256.hex()
    assert payload["consequences"]["identities_that_lose_rights"] == 1
    assert show(a, proposal=draft.id).text == WITHOUT.encode()


REFUSALS = {
    "no_yaml": ("roles: [", "INVALID_ARGUMENT", "text: 2:1: "),
    "another_kind": (POLICY.replace("kind: auditor", "kind: king"), "INVALID_ARGUMENT", "king"),
    "the_same": (POLICY, "INVALID_ARGUMENT", "the same"),
    "another_deployment": (POLICY.replace("deployment: test.ward", "deployment: other"), "INVALID_ARGUMENT", "deployment"),
    "no_officer_left": (POLICY.replace('["person:alice", "person:bob"]', '["person:alice"]'), "INVALID_ARGUMENT", "officers"),
    "nobody_may_undo_it": (POLICY.replace("policy.apply, ", ""), "FAILED_PRECONDITION", "undo"),
    "too_large": (POLICY + "# " + "x" * 1044480, "INVALID_ARGUMENT", "text: longer than"),
    "empty": ("", "INVALID_ARGUMENT", "text: empty"),
    "nul": (POLICY.encode() + b"#\0", "INVALID_ARGUMENT", "text"),
    "not_utf8": (POLICY.encode() + b"#\xff", "INVALID_ARGUMENT", "text"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_text_that_cannot_be_is_refused_and_changes_nothing(officers, refused, kind):
    text, code, words = REFUSALS[kind]
    before = len(versions(officers[0]))
    refused(code, words, lambda: propose(officers[0], text))
    assert len(versions(officers[0])) == before


def test_a_base_that_is_not_in_force_and_a_missing_reason_are_refused(officers, refused):
    refused("FAILED_PRECONDITION", "base_version", lambda: propose(officers[0], WITHOUT, base=77))
    refused("INVALID_ARGUMENT", "base_version", lambda: propose(officers[0], WITHOUT, base=0))
    refused("INVALID_ARGUMENT", "reason", lambda: propose(officers[0], WITHOUT, reason=""))


@pytest.mark.parametrize("who", ["app", "auditor", "stranger"])
def test_nobody_but_an_officer_proposes_a_policy(pair, refused, who):
    refused("PERMISSION_DENIED", "", lambda: propose(pair.client(who), WITHOUT, base=1))


def test_the_proposer_alone_changes_nothing(officers, refused):
    a, _ = officers
    opened = a.submit(propose(a, WITHOUT))
    refused("PERMISSION_DENIED", "proposer", lambda: a.approve(opened))
    assert show(a).text == POLICY.encode()


class Watcher:
    """Asks one daemon without a pause on one connection, and holds each answer against the policy that was in force all the while."""

    def __init__(self, client):
        self.client, self.answers, self.wrong = client, 0, []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        for turn in itertools.count():
            before = Watcher.in_force
            if before == "end":
                return
            try:
                self.client.generate(request_id=f"watch-{id(self)}-{turn}")
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            except Exception as error:  # an item's own refusal
                code = str(error)
            self.answers += 1
            if before is not None and before == Watcher.in_force:
                expected = code == "OK" if before[1] else code != "OK" and "UNAVAILABLE" not in code
                if not expected:
                    self.wrong.append((before, code))

    in_force = None


def test_no_answer_is_by_the_older_policy_once_a_change_was_executed(pair, officers):
    watchers = [Watcher(pair.client("app2", server)) for server in pair.daemons[:2] for _ in range(2)]
    Watcher.in_force = None
    for watcher in watchers:
        watcher.thread.start()
    try:
        for turn in range(20):
            text = WITHOUT if turn % 2 == 0 else POLICY
            opened = officers[0].submit(propose(officers[0], text))
            Watcher.in_force = None
            assert officers[1].approve(opened).state == "executed"
            Watcher.in_force = (turn, text == POLICY)
            seen = [watcher.answers for watcher in watchers]
            wait_until(lambda seen=seen: all(w.answers > n + 2 for w, n in zip(watchers, seen)), 30, "every connection is answered")
    finally:
        Watcher.in_force = "end"
        for watcher in watchers:
            watcher.thread.join(30)
    assert not any(watcher.wrong for watcher in watchers), [w.wrong[:3] for w in watchers]
    assert show(officers[0]).text == POLICY.encode()


def test_every_version_is_kept_with_its_times(officers):
    a, _ = officers
    found = versions(a)
    assert [v.version for v in found] == list(range(len(found), 0, -1))
    assert found[0].ceased == "" and found[-1].proposal == ""
    for newer, older in zip(found, found[1:]):
        assert older.ceased == newer.created and newer.proposal and not older.text
    assert show(a, version=2).text == WITHOUT.encode()
    assert json.loads(a.show(found[0].proposal).payload)["parameters"]["to_hash"] == found[0].sha256.hex()


def test_a_proposal_that_was_overtaken_does_not_run(officers, refused):
    a, b = officers
    late = a.submit(propose(a, WITHOUT))
    change(officers, POLICY + "# another\n")
    refused("FAILED_PRECONDITION", "policy has changed", lambda: b.approve(late))
    assert show(a).text.endswith(b"# another\n")


def test_two_officers_change_it_by_command(pair, officers, tmp_path):
    cli = Cli(pair)
    file = tmp_path / "next.yaml"
    file.write_text(POLICY.replace("keys: [\"app/vault/**\"]", "keys: [\"app/safe/**\"]"))
    told = cli("officer-a", "policy", "diff", file, "--output", "table").stdout.decode()
    assert '-        keys: ["app/vault/**"]\n+        keys: ["app/safe/**"]\n' in told
    assert "spiffe://test.ward/app gains no longer denied: " in told and "app/safe/**" in told
    waits = officers[0].submit(officers[0].propose_rotation("app/demo")).id
    applied = cli("officer-a", "policy", "apply", file, "--reason", "the vault moved", "--output", "json", exit=4)
    told = re.search(r"warning: (\d+) open proposals? can never run once this policy is in force", applied.stderr.decode())
    open_now = [p for p in cli.json("officer-b", "approval", "list")["proposals"] if not p.get("cannot_run") and p["state"] != "draft"]
    assert int(told[1]) == len(open_now) - 1, "but for the one that was just made"
    assert re.search(rf"{file}:\d+:\d+: warning: .*without the card of {TRUST}officer-b no quorum is left", applied.stderr.decode())
    draft = json.loads(applied.stdout)
    shown = cli("officer-b", "approval", "show", draft["proposal"], "--output", "table").stdout.decode()
    assert '+        keys: ["app/safe/**"]\n' in shown and "gains no longer denied" in shown
    cli("officer-b", "approval", "approve", draft["proposal"], "--yes")
    assert re.search(r"^  stale +\S", cli("officer-b", "approval", "show", waits, "--output", "table").stdout.decode(), re.M)
    assert re.search(rf"{waits} +stale: ", cli("officer-b", "approval", "list", "--output", "table").stdout.decode())
    assert cli("auditor", "policy", "show", "--text").stdout == file.read_bytes()
    assert cli("auditor", "policy", "show", "--version", "1", "--text").stdout == POLICY.encode()
    assert cli.json("auditor", "policy", "list")["policies"][0]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert cli.json("auditor", "policy", "diff", "--from", "1")["identities_that_gain_rights"] == 2
    cli("officer-a", "policy", "apply", file, "--reason", "again", exit=1)
    cli("officer-a", "policy", "diff", exit=2)


def test_the_log_tells_under_which_policy_each_was_decided(pair, officers, tmp_path):
    """All of the above, two daemons and four busy connections: followed by two verifiers."""
    auditor = pair.client("auditor")
    entries = log.verify(auditor, pair.genesis["log_vkey"])
    known = versions(auditor)
    assert entries[0]["policy"] == pair.policy_sha256
    applied = [entry["detail"]["to_hash"] for entry in entries if entry.get("detail", {}).get("executed") == "policy.apply"]
    assert applied == [version.sha256.hex() for version in reversed(known[:-1])]
    cli, folder = Cli(pair), tmp_path / "log"
    cli("auditor", "audit", "export", folder)
    report = cli.json("auditor", "audit", "verify", folder, "--vkey", pair.vkey)
    assert report["verified"] and report["policies"] == len(known), report["problems"]
    assert (report["policy_genesis"], report["policy"]) == (pair.policy_sha256, known[0].sha256.hex())


# ---- the database ----

FORGERIES = {
    "the_text_is_altered": ("UPDATE ward.policy SET text = convert_to(convert_from(text, 'UTF8') || '# x', 'UTF8') "
                            "WHERE version = (SELECT max(version) FROM ward.policy)"),
    "text_and_hash_are_altered": ("UPDATE ward.policy SET text = '\\x{text}', hash = '\\x{hash}' "
                                  "WHERE version = (SELECT max(version) FROM ward.policy)"),
    "a_version_is_added": ("INSERT INTO ward.policy (version, text, hash, created_us, proposal) "
                           "SELECT max(version) + 1, '\\x{text}', '\\x{hash}', max(created_us) + 1, '{nobody}' FROM ward.policy"),
    "an_old_change_is_made_again": ("INSERT INTO ward.policy (version, text, hash, created_us, proposal) "
                                    "SELECT (SELECT max(version) FROM ward.policy) + 1, text, hash, created_us + 1, proposal "
                                    "FROM ward.policy WHERE version = 2"),
    "a_vote_is_taken_out": "DELETE FROM ward.vote WHERE decision = 1 AND proposal = (SELECT proposal FROM ward.policy WHERE version = 2)",
    "an_old_version_is_taken_out": "DELETE FROM ward.policy WHERE version = 2",
    "the_newest_version_is_taken_out": "DELETE FROM ward.policy WHERE version = (SELECT max(version) FROM ward.policy)",
}
WIDER = POLICY.replace('members: ["spiffe://test.ward/writer"]', 'members: ["spiffe://test.ward/writer", "spiffe://test.ward/stranger"]')


@pytest.fixture
def changed():
    """A deployment of the test's own, at version 3."""
    deployment = Deployment()
    try:
        deployment.daemon().start()
        both = deployment.client("officer-a"), deployment.client("officer-b")
        change(both, WITHOUT)
        change(both, POLICY)
        yield deployment
    finally:
        deployment.close()


def forge(deployment, kind: str) -> None:
    text = WIDER.encode()
    deployment.postgres.sql("SET session_replication_role = replica; " + FORGERIES[kind].format(
        text=text.hex(), hash=hashlib.sha256(text).hexdigest(), nobody="0" * 8 + "-0000-0000-0000-" + "0" * 12))


@pytest.mark.parametrize("kind", sorted(FORGERIES.keys() - {"the_newest_version_is_taken_out"}))
def test_a_daemon_does_not_start_on_a_chain_that_does_not_hold(changed, kind):
    server = changed.daemons[0]
    assert server.stop() == 0
    forge(changed, kind)
    server.log.write_text("")
    server.spawn()
    wait_until(lambda: not server.running(), 30, "it ends")
    assert server.process.returncode != 0 and "start refused" in server.log_tail(), server.log_tail()


@pytest.mark.parametrize("kind", ["text_and_hash_are_altered", "a_version_is_added", "the_newest_version_is_taken_out"])
def test_a_running_daemon_stops_when_it_sees_what_nobody_signed(changed, kind):
    server = changed.daemons[0]
    stranger = changed.client("stranger")
    forge(changed, kind)
    changed.postgres.sql("UPDATE ward.head SET epoch = epoch + 1")
    wait_until(lambda: not server.running(), 30, "it ends")
    assert "stopping" in server.log_tail(), server.log_tail()
    with pytest.raises(grpc.RpcError):
        stranger.put("s", "r", b"{}", collection="labs")


def other_policy(entries, at: int) -> None:
    entries[at]["policy"] = hashlib.sha256(b"nobody's").hexdigest()


def without_the_change(entries, at: int) -> None:
    for name in ("executed", "whom", "to_hash"):
        del entries[at]["detail"][name]


LIES = {  # what is done to the entry that ran the first change, or to one beside it, and the first that then does not fit
    "under nobody's policy": (lambda e, at: other_policy(e, at - 1), -1),
    "the change is under nobody's policy": (other_policy, 0),
    "after it, still under the one before": (lambda e, at: e[at + 1].update(policy=e[at]["policy"]), 1),
    "no change is told of": (without_the_change, 1),
    "a version is left out": (lambda e, at: e[at]["detail"].update(whom="policy#3"), 0),
    "to another text": (lambda e, at: e[at]["detail"].update(to_hash=e[0]["policy"]), 1),
    "genesis was another": (lambda e, at: other_policy(e, 0), None),
}


def test_a_log_that_lies_under_a_good_signature_is_found_by_both_verifiers(changed, tmp_path):
    changed.client("auditor").settle()
    cli, export = Cli(changed), tmp_path / "export"
    cli("auditor", "audit", "export", export)
    liar, vkey = LyingLog(export), tmp_path / "log.vkey"
    vkey.write_text(liar.vkey + "\n")
    at = next(n for n, entry in enumerate(liar.entries()) if entry.get("detail", {}).get("executed") == "policy.apply")
    liar.write(tmp_path / "sound", liar.entries())
    assert cli.json("auditor", "audit", "verify", tmp_path / "sound", "--vkey", vkey)["verified"]
    for name, (lie, offset) in LIES.items():
        entries, folder = liar.entries(), tmp_path / name.replace(" ", "-")
        lie(entries, at)
        liar.write(folder, entries)
        first = 1 if offset is None else at + offset
        assert log.follow_policies(entries)[1] == first, name
        problems = cli.json("auditor", "audit", "verify", folder, "--vkey", vkey, exit=1)["problems"]
        chain = [problem for problem in problems if problem["file"].startswith("tile/entries/")]
        assert [(problem["kind"], problem["leaf"]) for problem in chain] == [("unsigned", first)], (name, problems)


def test_a_chain_that_was_not_touched_is_verified_at_every_start(changed):
    server = changed.daemons[0]
    for _ in range(2):
        assert server.stop() == 0
        server.start()
    assert show(changed.client("auditor")).version == 3
