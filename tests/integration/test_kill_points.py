# SPDX-License-Identifier: Apache-2.0
"""HSM and database share no transaction: the daemon is killed at every step between the two, and a restart puts
right what it left. WARD_KILL_ROUNDS says how often at each; once by default. Here: versions that are made, and policy."""
import contextlib

import grpc
import pytest
from harness import log
from harness.client import ItemRefused, header
from harness.deployment import POLICY
from harness.kill_points import DONE, ROUNDS, active, die_at, each, intents, needed, reconciled, rotate, thinned, versions
from harness.processes import wait_until
from harness.stubs import admin_pb2

MAKING = ["making.before-intent", "making.after-intent", "making.object-made", "making.proven", "making.before-outcome"]
APPLYING = ["applying.drafted", "applying.before-draft", "applying.checked", "applying.before-outcome"]
# An approved rotation commits four times: draft, submission, the last vote with its intent, outcome.
ROTATION = each(MAKING, 4, 2)
# One that waits for somebody to execute it commits once more: draft, submission, approval, the executor's vote with its
# intent, outcome.
EXECUTION = thinned(["making.before-intent", "making.object-made", "making.before-outcome", "administrative.before-commit=kill@4",
                     "administrative.after-commit=kill@4", "administrative.after-commit=kill@5"])
CREATION = each(MAKING, 2, 1)
# Another key for the log commits as an approved rotation does.
LOG_KEY = thinned(["signer.after-intent", "signer.object-made", "signer.before-outcome", "administrative.after-commit=kill@3",
                   "administrative.before-commit=kill@4", "administrative.in-force=kill@2"])
# What is rows alone commits three times: draft, submission, the last vote with its outcome.
POLICY_CHANGE = each(APPLYING, 3, 2)


@pytest.fixture(scope="module", autouse=True)
def failpoints():
    needed()


@pytest.mark.parametrize("point", ROTATION)
def test_a_rotation_dies_at(own, point):
    app = own.client("app", timeout=30)
    kept = [app.generate("app/demo")]
    app.close()
    for _ in range(ROUNDS):
        before = active(own, "app/demo")
        begun = int(own.postgres.sql("SELECT count(*) FROM ward.proposal WHERE state = 4"))
        die_at(own, point, lambda: rotate(own, "app/demo"))
        reconciled(own)
        after, executed = active(own, "app/demo"), int(own.postgres.sql("SELECT count(*) FROM ward.proposal WHERE state = 4"))
        assert after in (before, before + 1)
        assert executed - begun == after - before, "what officers approved is done, or is still to be done"
        if point.startswith("making") and point != "making.before-intent" or point.endswith((*DONE, "commit=kill@4")):
            assert after == before + 1, "an approved rotation is finished"
        else:
            assert after == before
        app = own.client("app", timeout=30)  # the connection of before may not know yet that it is dead
        kept.append(app.generate("app/demo"))
        for plaintext, wrapped in kept:
            assert app.unwrap(wrapped) == plaintext
        app.close()


def execute_by_hand(own, key: str) -> None:
    officer_a, officer_b = own.client("officer-a", timeout=30), own.client("officer-b", timeout=30)
    try:
        opened = officer_a.submit(officer_a.propose_rotation(key))
        assert officer_b.approve(opened).state == "approved"
        officer_b.execute(opened)
    finally:
        officer_a.close()
        officer_b.close()


@pytest.mark.parametrize("point", EXECUTION)
def test_what_is_executed_by_hand_dies_at(own, point):
    """It ran once, or it waits for somebody to execute it as before."""
    for _ in range(ROUNDS):
        officer = own.client("officer-b", timeout=30)
        key = f"by-hand/{own.genesis['deployment'][:8]}-{len(versions(own))}"
        officer.create_key(key)
        officer.close()
        die_at(own, point, lambda key=key: execute_by_hand(own, key))
        reconciled(own)
        officer = own.client("officer-b", timeout=30)
        shown = officer.show(own.postgres.sql("SELECT id FROM ward.proposal ORDER BY created_us DESC LIMIT 1"))
        ran = active(own, key) == 2
        assert shown.state == ("executed" if ran else "approved")
        assert ran == (not point.endswith(("before-intent", "before-commit=kill@4"))), "what was to run is finished"
        if ran:
            with pytest.raises(grpc.RpcError) as again:
                officer.execute(shown)
            assert again.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        else:
            assert officer.execute(shown).state == "executed"
        assert active(own, key) == 2
        officer.close()


@pytest.mark.parametrize("point", CREATION)
def test_a_creation_dies_at(own, point):
    for number in range(ROUNDS):
        key = "app/born-" + "".join(c if c.isalnum() else "-" for c in point) + f"-{number}"

        def create(key=key) -> None:
            officer = own.client("officer-a", timeout=30)
            try:
                officer.create_key(key)
            finally:
                officer.close()
        die_at(own, point, create)
        reconciled(own)
        made = active(own, key) == 1
        assert made == point.endswith(("after-commit=kill@2", "in-force=kill@1")), "its caller was told nothing, so it is there wholly or not at all"
        if not made:
            create()
        app = own.client("app")
        plaintext, wrapped = app.generate(key)
        assert app.unwrap(wrapped) == plaintext
        app.close()


def test_recovery_itself_dies_and_is_taken_up_again(own):
    for _ in range(ROUNDS):
        officer = own.client("officer-a", timeout=30)
        key = f"app/twice-{intents(own)}-{len(versions(own))}"
        daemon = own.daemons[0]
        daemon.stop()
        daemon.start(environment={"WARD_FAILPOINT": "making.proven=kill"})
        with contextlib.suppress(grpc.RpcError):
            officer.create_key(key)
        wait_until(lambda: not daemon.running(), 30, "dies in the middle")
        daemon.kill()
        for point in ("administrative.before-commit=kill", "recover.object-undone=kill", "administrative.before-commit=kill@2"):
            daemon.spawn(environment={"WARD_FAILPOINT": point})
            wait_until(lambda: not daemon.running(), 20, f"recovery dies at {point}")
            daemon.kill()
        daemon.start()
        reconciled(own)
        assert active(own, key) == 0
        officer.close()


def test_another_daemon_takes_over_what_one_left(own):
    first = own.daemons[0]
    first.stop()
    first.start(environment={"WARD_FAILPOINT": "making.object-made=kill"})
    before = active(own, "app/other")
    with contextlib.suppress(grpc.RpcError):
        rotate(own, "app/other")
    wait_until(lambda: not first.running(), 30, "it dies")
    first.kill()
    assert intents(own) == 1
    second = own.daemon("node-2")
    second.start()
    assert intents(own) == 1, "it may be under way: the other leaves it alone"
    second.stop()
    second.start(environment={"WARD_CLOCK_OFFSET_S": "301"})
    reconciled(own)
    assert active(own, "app/other") == before + 1
    second.stop()
    first.start()


WITHOUT = POLICY.replace(', "spiffe://test.ward/app2"]', "]")


def apply(own, text: str) -> None:
    officer_a, officer_b = own.client("officer-a", timeout=30), own.client("officer-b", timeout=30)
    try:
        now = officer_a.admin.ShowPolicy(admin_pb2.ShowPolicyRequest(header=header()), timeout=30).policy
        asked = admin_pb2.ApplyPolicyRequest(header=header(reason="because"), text=text.encode(), base_version=now.version)
        officer_b.approve(officer_a.submit(officer_a.admin.ApplyPolicy(asked, timeout=30).proposal))
    finally:
        officer_a.close()
        officer_b.close()


def may_generate(own, who: str) -> bool:
    client = own.client(who)
    try:
        return bool(client.generate("app/demo"))
    except ItemRefused as error:
        assert error.code == grpc.StatusCode.PERMISSION_DENIED.value[0], error
        return False
    finally:
        client.close()


@pytest.mark.parametrize("point", POLICY_CHANGE)
def test_a_change_of_policy_dies_at(own, point):
    assert WITHOUT != POLICY
    for _ in range(ROUNDS):
        before, allowed = own.postgres.sql("SELECT count(*) FROM ward.policy"), may_generate(own, "app2")
        die_at(own, point, lambda allowed=allowed: apply(own, WITHOUT if allowed else POLICY))
        done = point.endswith(DONE)
        assert may_generate(own, "app2") == (allowed != done), "its caller was told nothing, so it is in force wholly or not at all"
        assert int(own.postgres.sql("SELECT count(*) FROM ward.policy")) == int(before) + done
        assert own.postgres.sql("SELECT count(*) FROM ward.policy WHERE ceased_us = 0") == "1"
    if not may_generate(own, "app2"):
        apply(own, POLICY)


def change_log_key(own) -> None:
    officer_a, officer_b = own.client("officer-a", timeout=30), own.client("officer-b", timeout=30)
    try:
        officer_b.approve(officer_a.submit(officer_a.propose_log_key()))
    finally:
        officer_a.close()
        officer_b.close()


@pytest.mark.parametrize("point", LOG_KEY)
def test_a_change_of_the_logs_key_dies_at(own, point):
    for _ in range(ROUNDS):
        before = int(own.postgres.sql("SELECT count(*) FROM ward.log_key"))
        die_at(own, point, lambda: change_log_key(own))
        reconciled(own)
        assert int(own.postgres.sql("SELECT count(*) FROM ward.log_key")) == before + 1, "what officers approved is finished"
        auditor = own.client("auditor", timeout=30)
        assert [finding.text for finding in auditor.diagnose() if finding.check.startswith("token")] == [
            "every key in the token is one of Ward's", "every key version is in the token"]
        auditor.close()


def test_the_log_tells_all_of_it(own):
    entries = log.verify(own.client("auditor", timeout=30), own.genesis["log_vkey"])
    taken_up = [entry for entry in entries if entry["action"] == "system.recover"]
    assert {entry["detail"]["recovered"] for entry in taken_up if entry["outcome"] == "allowed"} == {"finished", "undone"}
    made = [(entry["detail"]["key_id"], entry["detail"]["to_version"]) for entry in entries
            if entry["outcome"] == "allowed" and {"to_version", "key_id"} <= entry.get("detail", {}).keys()]
    assert len(made) == len(set(made)), "no version is told of twice"
    assert {key.replace("-", "") + f"{number:08x}" for key, number in made} >= {
        found for found, state in versions(own).items() if state == 2 and int(found[-8:], 16) > 1}
