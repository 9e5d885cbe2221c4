# SPDX-License-Identifier: Apache-2.0
"""As test_kill_points.py has it: versions that are destroyed, and rows that move to newer ones."""
import contextlib

import grpc
import pytest
from harness import log
from harness.client import header, keys_pb2
from harness.kill_points import DONE, ROUNDS, active, die_at, each, needed, reconciled, rotate, thinned
from harness.processes import wait_until

DESTROYING = ["destroying.before-intent", "destroying.after-intent", "destroying.object-destroyed", "destroying.gone",
              "destroying.before-outcome"]
# A destruction commits twice by itself: its intent, its outcome.
DESTRUCTION = each(DESTROYING, 2, 0)
# What is rows alone commits three times: draft, submission, the last vote with its outcome.
SCHEDULING = each([], 3, 2)
REWRAP = thinned(["job.before-open", "job.opened", "rewrap.after-hsm", "rewrap.before-commit", "job.page-moved", "job.before-end",
                  "job.ended"])
REKEY = thinned(["rekey.after-hsm", "rekey.before-commit", "job.page-moved", "job.before-end", "job.ended"])


@pytest.fixture(scope="module", autouse=True)
def failpoints():
    needed()


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


@pytest.mark.parametrize("point", REKEY)
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


def test_the_log_tells_all_of_it(own):
    entries = log.verify(own.client("auditor", timeout=30), own.genesis["log_vkey"])
    moved = [(entry["object"], entry["detail"]["version"]) for entry in entries
             if entry["action"] == "system.rewrap" and entry.get("detail", {}).get("job") == "done"]
    assert len(moved) == len(set(moved)), "of no version it is said twice that nothing is left below it"
