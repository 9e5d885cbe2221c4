# SPDX-License-Identifier: Apache-2.0
"""HSM and database share no transaction: the daemon is killed at every step between the two, and a restart puts
right what it left. WARD_KILL_ROUNDS says how often at each; a few by default."""
import contextlib
import os

import grpc
import pytest
from harness import log
from harness.client import ItemRefused, header, keys_pb2
from harness.daemon import has_failpoints
from harness.deployment import POLICY
from harness.processes import wait_until
from harness.stubs import admin_pb2

ROUNDS = int(os.environ.get("WARD_KILL_ROUNDS", "1"))
MAKING = ["making.before-intent", "making.after-intent", "making.object-made", "making.proven", "making.before-outcome"]
DESTROYING = ["destroying.before-intent", "destroying.after-intent", "destroying.object-destroyed", "destroying.gone",
              "destroying.before-outcome"]
APPLYING = ["applying.drafted", "applying.before-draft", "applying.checked", "applying.before-outcome"]
REWRAP = ["job.before-open", "job.opened", "rewrap.after-hsm", "rewrap.before-commit", "job.page-moved", "job.before-end", "job.ended"]
COMMITS = ["administrative.before-commit", "administrative.after-commit"]
IN_FORCE = "administrative.in-force"  # the second moment behind a commit that moves the epoch


def each(points: list, commits: int, epochs: int) -> list:
    """An act's own points, and those of its commits, of which so many move the epoch."""
    return [*points, *(f"{point}=kill@{number}" for number in range(1, commits + 1) for point in COMMITS),
            *(f"{IN_FORCE}=kill@{number}" for number in range(1, epochs + 1))]


# A destruction commits twice by itself: its intent, its outcome.
DESTRUCTION = each(DESTROYING, 2, 0)
# An approved rotation commits four times: draft, submission, the last vote with its intent, outcome.
ROTATION = each(MAKING, 4, 2)
# One that waits for somebody to execute it commits once more: draft, submission, approval, the executor's vote with its
# intent, outcome.
EXECUTION = ["making.before-intent", "making.object-made", "making.before-outcome", "administrative.before-commit=kill@4",
             "administrative.after-commit=kill@4", "administrative.after-commit=kill@5"]
CREATION = each(MAKING, 2, 1)
# What is rows alone commits three times: draft, submission, the last vote with its outcome.
POLICY_CHANGE = each(APPLYING, 3, 2)
SCHEDULING = each([], 3, 2)
DONE = ("after-commit=kill@3", "in-force=kill@2")  # of these: from here on it is done


@pytest.fixture(scope="module", autouse=True)
def failpoints():
    if not has_failpoints():
        if os.environ.get("CI") == "true":
            pytest.fail("built without -Dfailpoints=true")
        pytest.skip("built without -Dfailpoints=true")


def versions(own) -> dict:
    """CKA_ID in hex -> state of every version that the database names and that is not destroyed."""
    rows = own.postgres.sql("SELECT replace(kek::text, '-', ''), version, state FROM ward.kek_version WHERE state <> 7")
    return {key + f"{int(number):08x}": int(state) for key, number, state in (row.split("|") for row in rows.split("\n"))}


def intents(own) -> int:
    return int(own.postgres.sql("SELECT count(*) FROM ward.intent"))


def active(own, key: str) -> int:
    found = own.postgres.sql(f"SELECT v.version FROM ward.kek_version v JOIN ward.kek k ON k.id = v.kek "
                             f"WHERE k.name = '{key}' AND v.state = 2")
    return int(found) if found else 0


def reconciled(own) -> None:
    """No intent is left, and the token holds exactly the keys that the database names."""
    wait_until(lambda: intents(own) == 0, 60, "what the crash left is taken up")
    assert set(own.token.keys()) == set(versions(own))


def die_at(own, point: str, act) -> None:
    """The daemon, told to die there, does so while it acts."""
    daemon = own.daemons[0]
    daemon.stop()
    daemon.start(environment={"WARD_FAILPOINT": point if "=" in point else f"{point}=kill"})
    with contextlib.suppress(grpc.RpcError):
        act()
    wait_until(lambda: not daemon.running(), 30, f"{point} kills the daemon")
    assert daemon.process.returncode == -9
    daemon.kill()
    daemon.start()


def rotate(own, key: str) -> None:
    officer_a, officer_b = own.client("officer-a", timeout=30), own.client("officer-b", timeout=30)
    try:
        officer_b.approve(officer_a.submit(officer_a.propose_rotation(key)))
    finally:
        officer_a.close()
        officer_b.close()


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


DAYS_31 = str(31 * 86400)


def schedule(own, key: str, version: int) -> None:
    officer_a, officer_b = own.client("officer-a", timeout=20), own.client("officer-b", timeout=20)
    request = keys_pb2.ScheduleKeyDestructionRequest(header=header(reason="nothing needs it"), name=key, version=version)
    officer_b.approve(officer_a.submit(officer_a.keys.ScheduleKeyDestruction(request, timeout=20).proposal))
    officer_a.close()
    officer_b.close()


def state_of(own, key: str, version: int) -> int:
    return int(own.postgres.sql(f"SELECT v.state FROM ward.kek_version v JOIN ward.kek k ON k.id = v.kek "
                                f"WHERE k.name = '{key}' AND v.version = {version}"))


def below(own, key: str, version: int) -> int:
    return int(own.postgres.sql(f"SELECT count(*) FROM ward.subject_key s JOIN ward.kek k ON k.id = s.kek "
                                f"WHERE k.name = '{key}' AND s.kek_version < {version}"))


@pytest.fixture(scope="module")
def old_versions(own):
    """Versions that no row needs, one for each point and round, and the records that none of them may take along."""
    app = own.client("app", timeout=20)
    app.patient = True
    records = [(f"aged-{n}", f"aged-record-{n}", b'{"resourceType":"Patient","n":%d}' % n) for n in range(8)]
    for subject, record, data in records:
        app.put(subject, record, data)
    wanted = (len(DESTRUCTION) + len(DONE)) * ROUNDS + len(SCHEDULING) + 1
    for _ in range(wanted):
        rotate(own, "phi/records")
    wait_until(lambda: below(own, "phi/records", active(own, "phi/records")) == 0, 30, "the rewrap ends")
    app.close()
    return iter(range(1, wanted + 1)), records


@pytest.mark.parametrize("point", DESTRUCTION)
def test_a_destruction_dies_at(own, old_versions, point):
    daemon = own.daemons[0]
    for _ in range(ROUNDS):
        version = next(old_versions[0])
        schedule(own, "phi/records", version)
        assert state_of(own, "phi/records", version) == 6
        daemon.stop()
        daemon.spawn(environment={"WARD_FAILPOINT": point if "=" in point else f"{point}=kill", "WARD_CLOCK_OFFSET_S": DAYS_31})
        wait_until(lambda: not daemon.running(), 30, f"{point} kills the daemon")
        assert daemon.process.returncode == -9
        daemon.kill()
        daemon.start(environment={"WARD_CLOCK_OFFSET_S": DAYS_31})
        wait_until(lambda version=version: state_of(own, "phi/records", version) == 7, 30, "what officers agreed to is done")
        reconciled(own)
        app = own.client("app", timeout=20)
        app.patient = True
        for subject, record, data in old_versions[1]:
            assert app.get(subject, record).json == data
        app.close()
        daemon.stop()
        daemon.start()


def test_a_destruction_that_begun_by_a_clock_ahead_waits(own, old_versions):
    version = next(old_versions[0])
    schedule(own, "phi/records", version)
    daemon = own.daemons[0]
    daemon.stop()
    daemon.spawn(environment={"WARD_FAILPOINT": "destroying.after-intent=kill", "WARD_CLOCK_OFFSET_S": DAYS_31})
    wait_until(lambda: not daemon.running(), 30, "it dies")
    daemon.kill()
    daemon.start()
    reconciled(own)
    assert state_of(own, "phi/records", version) == 6
    assert own.postgres.sql("SELECT prior FROM ward.kek_version WHERE state = 6") == "4", "it can be cancelled again"


@pytest.mark.parametrize("point", SCHEDULING)
def test_the_scheduling_of_a_destruction_dies_at(own, old_versions, point):
    version, state = None, 6
    for _ in range(ROUNDS):
        version = next(old_versions[0]) if state == 6 else version
        die_at(own, point, lambda version=version: schedule(own, "phi/records", version))
        reconciled(own)
        state = state_of(own, "phi/records", version)
        assert state == (6 if point.endswith(DONE) else 4)


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


@pytest.mark.parametrize("point", REWRAP)
def test_a_rewrap_dies_at(own, point):
    app = own.client("app", timeout=20)
    app.patient = True
    records = [(f"subject-{n}", f"record-{point}-{n}", b'{"resourceType":"Patient","n":%d}' % n) for n in range(8)]
    for subject, record, data in records:
        app.put(subject, record, data)
    app.close()
    for _ in range(ROUNDS):
        die_at(own, f"{point}=kill", lambda: (rotate(own, "phi/records"), wait_until(
            lambda: not own.daemons[0].running(), 20, "the rewrap begins")))
        newest = active(own, "phi/records")
        wait_until(lambda newest=newest: own.postgres.sql(
            f"SELECT count(*) FROM ward.subject_key s JOIN ward.kek k ON k.id = s.kek WHERE k.name = 'phi/records' "
            f"AND s.kek_version < {newest}") == "0", 20, "the rewrap is resumed")
        wait_until(lambda newest=newest: own.postgres.sql(
            f"SELECT state FROM ward.job WHERE target_version = {newest} AND kek = (SELECT id FROM ward.kek WHERE name = 'phi/records')") == "2",
            20, "and its job is done")
        app = own.client("app", timeout=30)
        for subject, record, data in records:
            assert app.get(subject, record).json == data
        app.close()


def rekey(deployment, key: str) -> None:
    officer = deployment.client("officer-a", timeout=20)
    with contextlib.suppress(grpc.RpcError):
        officer.rekey_key(key)
    officer.close()


@pytest.mark.parametrize("point", ["rekey.after-hsm", "rekey.before-commit", "job.page-moved", "job.before-end", "job.ended"])
def test_a_rekey_dies_at(own, point):
    app = own.client("app", timeout=20)
    app.patient = True
    records = [(f"subject-{n}", f"record-{point}-{n}", b'{"resourceType":"Patient","n":%d}' % n) for n in range(8)]
    for subject, record, data in records:
        app.put(subject, record, data)
    app.close()
    for _ in range(ROUNDS):
        die_at(own, f"{point}=kill", lambda: (rekey(own, "phi/records"), wait_until(
            lambda: not own.daemons[0].running(), 60, "the rekey begins")))
        wait_until(lambda: own.postgres.sql(
            "SELECT count(*) FROM ward.subject_key s JOIN ward.job j ON j.kek = s.kek WHERE j.kind = 2 AND j.state = 1 "
            "OR j.kind = 2 AND s.run < j.target_version") == "0", 60, "the rekey is resumed, and ends")
        assert own.postgres.sql("SELECT DISTINCT state FROM ward.job WHERE kind = 2") == "2"
        app = own.client("app", timeout=30)
        for subject, record, data in records:
            assert app.get(subject, record).json == data
        app.close()


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


def test_the_log_tells_all_of_it(own):
    entries = log.verify(own.client("auditor", timeout=30), own.genesis["log_vkey"])
    taken_up = [entry for entry in entries if entry["action"] == "system.recover"]
    assert {entry["detail"]["recovered"] for entry in taken_up if entry["outcome"] == "allowed"} == {"finished", "undone"}
    moved = [(entry["object"], entry["detail"]["version"]) for entry in entries
             if entry["action"] == "system.rewrap" and entry.get("detail", {}).get("job") == "done"]
    assert len(moved) == len(set(moved)), "of no version it is said twice that nothing is left below it"
    made = [(entry["detail"]["key_id"], entry["detail"]["to_version"]) for entry in entries
            if entry["outcome"] == "allowed" and "to_version" in entry.get("detail", {})]
    assert len(made) == len(set(made)), "no version is told of twice"
    assert {key.replace("-", "") + f"{number:08x}" for key, number in made} >= {
        found for found, state in versions(own).items() if state == 2 and int(found[-8:], 16) > 1}
