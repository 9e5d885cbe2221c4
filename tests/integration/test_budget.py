# SPDX-License-Identifier: Apache-2.0
"""How often a key version wraps: counted ahead through kill -9, rotated at the soft limit, refused at the hard one,
and one count for all daemons."""
import collections

import grpc
import pytest
from conftest import make_keys
from harness import log
from harness.deployment import Deployment
from harness.load import Load
from harness.processes import wait_until

REFUSED = "key: this version has wrapped as often as it may; rotate it"


def limits(soft: int, hard: int, block: int) -> str:
    return f"keys:\n  wrap_soft_limit: {soft}\n  wrap_hard_limit: {hard}\n  wrap_block: {block}\n"


@pytest.fixture
def counted(request):
    """A deployment whose daemons have the limits that the test names."""
    deployment = Deployment()
    try:
        for number in range(request.param[0]):
            deployment.daemon(f"node-{number + 1}", extra=limits(*request.param[1])).start()
        make_keys(deployment)
        yield deployment
    finally:
        deployment.close()


def persisted(deployment) -> dict:
    """(key, version) -> what the database says."""
    rows = deployment.postgres.sql("SELECT k.name, v.version, v.wraps FROM ward.kek_version v JOIN ward.kek k ON k.id = v.kek")
    return {(name, int(version)): int(wraps) for name, version, wraps in (row.split("|") for row in rows.split("\n"))}


def issued(entries) -> collections.Counter:
    """(key, version) -> data keys that entries say were given out."""
    count = collections.Counter()
    for entry in entries:
        if entry["action"] != "data-key.generate":
            continue
        for item in entry.get("items", [entry]):
            if item["outcome"] == "allowed":
                key, _, version = item["object"].removeprefix("key:").partition("#")
                count[key, int(version)] += item.get("count", 1)
    return count


def rotations(entries) -> list:
    """(key, from, to) of every rotation that a daemon made by itself."""
    return [(e["detail"]["key"], e["detail"]["from_version"], e["detail"]["to_version"]) for e in entries
            if e["action"] == "system.rotate" and e["outcome"] == "allowed"]


def judge(deployment, hard: int) -> list:
    entries = log.verify(deployment.client("auditor"), deployment.genesis["log_vkey"])
    stored, given = persisted(deployment), issued(entries)
    assert given, "nothing was issued"
    for version, count in given.items():
        assert count <= stored[version] <= hard, (version, count, stored[version])
    made = rotations(entries)
    assert len({(key, version) for key, version, _ in made}) == len(made), made
    return entries


@pytest.mark.parametrize("counted", [(1, (1000000, 2000000, 16))], indirect=True)
def test_the_count_is_never_too_low_through_kills(counted):
    daemon = counted.daemons[0]
    with Load([counted.client("app", timeout=10) for _ in range(4)], "kill") as load:
        for _ in range(6):
            before = load.acknowledged()
            wait_until(lambda before=before: load.acknowledged() > before + 30, 30, "the load goes on")
            daemon.kill()
            daemon.start()
    assert not load.unknown_items, load.unknown_items[:3]
    entries = judge(counted, 2000000)
    given = issued(entries)["app/demo", 1]
    assert given >= len(load.keys)
    # Six times a block at most was lost, and what the kill caught on its way.
    assert persisted(counted)["app/demo", 1] <= given + 7 * 16 + 6 * 64
    assert rotations(entries) == []


@pytest.mark.parametrize("counted", [(1, (200, 100000, 16))], indirect=True)
def test_a_version_is_rotated_at_the_soft_limit(counted):
    app, officer = counted.client("app"), counted.client("officer-a")
    for _ in range(15):
        app.generate_items([dict(key="app/demo", count=10)])
    assert len(officer.describe_key("app/demo").versions) == 1
    plaintext, wrapped = app.generate()
    for _ in range(6):
        app.generate_items([dict(key="app/demo", count=10)])
    wait_until(lambda: len(officer.describe_key("app/demo").versions) == 2, 60,
               lambda: f"the daemon rotates: {counted.daemons[0].log_tail()}")
    assert app.unwrap(wrapped) == plaintext
    app.generate()
    entries = judge(counted, 100000)
    assert rotations(entries) == [("app/demo", 1, 2)]
    assert issued(entries)["app/demo", 2] > 0
    entry, = (e for e in entries if e["action"] == "system.rotate")
    assert entry["identity"] == "system" and entry["detail"]["wraps"] >= 200
    assert len(officer.describe_key("app/other").versions) == 1
    left = [line for line in counted.daemons[0].metrics().split("\n") if line.startswith("ward_key_wraps_left{")]
    assert any('key="app/demo",version="2"' in line for line in left), left


@pytest.mark.parametrize("counted", [(1, (300, 300, 16))], indirect=True)
def test_past_the_hard_limit_nothing_is_wrapped(counted):
    app = counted.client("app")
    refused, other = app.generate_items([dict(key="app/demo", count=400), dict(key="app/other", count=5)])
    assert (refused.error.code, refused.error.message) == (grpc.StatusCode.FAILED_PRECONDITION.value[0], REFUSED)
    assert len(other.keys) == 5, "another key in the same request goes on"
    for _ in range(40):  # until it is refused, or a new version is there already
        result, = app.generate_items([dict(key="app/demo", count=20)])
        assert result.error.message in ("", REFUSED)
        if result.error.message:
            break
    officer = counted.client("officer-a")
    wait_until(lambda: len(officer.describe_key("app/demo").versions) > 1, 60,
               lambda: f"the daemon rotates: {counted.daemons[0].log_tail()}")
    app.generate()
    given = issued(judge(counted, 300))
    assert given["app/demo", 1] > 0 and given["app/demo", 2] > 0, given  # and none more often than it may: judge()


def run_both(counted, rotations_wanted: int) -> Load:
    clients = [counted.client("app", server) for server in counted.daemons for _ in range(3)]
    officer = counted.client("officer-a")
    with Load(clients, "pair") as load:
        wait_until(lambda: len(officer.describe_key("app/demo").versions) > rotations_wanted, 60, "one rotation after the other")
    return load


def judge_both(counted, hard: int, least: int) -> None:
    entries = judge(counted, hard)
    versions = [pair for pair in rotations(entries) if pair[0] == "app/demo"]
    assert versions == [("app/demo", n, n + 1) for n in range(1, len(versions) + 1)]
    assert len(versions) >= least
    for node in ("node-1", "node-2"):
        assert issued([e for e in entries if e["node"] == node]), f"{node} issued nothing"


@pytest.mark.parametrize("counted", [(2, (150, 1000000, 8))], indirect=True)
def test_two_daemons_share_one_count(counted):
    load = run_both(counted, 3)
    assert set(load.codes) <= {"OK"}, (load.codes, load.unknown_items[:3])
    judge_both(counted, 1000000, 3)


@pytest.mark.parametrize("counted", [(2, (150, 150, 8))], indirect=True)
def test_two_daemons_together_never_pass_the_hard_limit(counted):
    load = run_both(counted, 2)  # between limit and rotation, however long that takes, nothing is wrapped
    assert set(load.codes) <= {"OK", "FAILED_PRECONDITION"}, (load.codes, load.unknown_items[:3])
    assert {text.partition(": ")[2] for text in load.unknown_items} <= {REFUSED}, load.unknown_items[:3]
    judge_both(counted, 150, 2)
