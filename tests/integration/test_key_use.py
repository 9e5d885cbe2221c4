# SPDX-License-Identifier: Apache-2.0
"""What each version of a key was used for is counted exactly, at every daemon, and never below what was acknowledged:
a destruction is decided on these numbers."""
import collections
import datetime
import time

import pytest
from harness import log
from harness.load import Load
from harness.processes import wait_until

KEY, OTHER, RECORDS = "app/counted", "app/other", "phi/records"


@pytest.fixture(scope="module")
def pair(own):
    own.daemon("node-2").start()
    own.client("officer-a").create_key(KEY)
    return own


@pytest.fixture(scope="module")
def apps(pair):
    return [pair.client("app", server) for server in pair.daemons[:2]]


def use(pair, key: str) -> dict:
    """version -> (issued, opened), the same at both daemons."""
    first, second = ([(v.version, v.issued, v.opened, v.last_opened) for v in pair.client("auditor", server).key_usage(key).versions]
                     for server in pair.daemons[:2])
    assert first == second
    return {version: (issued, opened) for version, issued, opened, _ in first}


def last_opened(pair, key: str) -> float:
    text = pair.client("auditor").key_usage(key).versions[0].last_opened
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_every_key_that_is_given_out_is_counted(pair, apps):
    one, two = apps
    first, = one.generate_items([dict(key=KEY, count=5)])
    results = two.generate_items([dict(key=KEY)] * 3 + [dict(key=KEY, size=7), dict(key="app/none"), dict(key=OTHER, count=2)])
    assert [result.HasField("error") for result in results] == [False] * 3 + [True] * 2 + [False]
    assert use(pair, KEY) == {1: (8, 0)} and use(pair, OTHER) == {1: (2, 0)}, "what was refused is not counted"
    one.generate(KEY, without_plaintext=True)
    assert use(pair, KEY) == {1: (9, 0)}
    before = time.time()
    wrapped = [key.wrapped for key in first.keys]
    opened = two.unwrap_items([(item, {}) for item in wrapped] + [(wrapped[0], {"not": "its context"}), (b"nonsense", {})])
    assert [result.HasField("error") for result in opened] == [False] * 5 + [True] * 2
    assert use(pair, KEY) == {1: (9, 5)}, "what did not open is not counted"
    one.unwrap_items([(wrapped[0], {})] * 3)
    assert use(pair, KEY) == {1: (9, 8)}, "the same one again counts again"
    assert before - 1 <= last_opened(pair, KEY) <= time.time() + 1


def test_a_rewrap_opens_here_and_issues_there(pair, apps):
    one, two = apps
    _, wrapped = one.generate(KEY)
    issued, opened = use(pair, KEY)[1]
    other_issued, other_opened = use(pair, OTHER)[1]
    assert two.rewrap(wrapped).unchanged
    assert use(pair, KEY)[1] == (issued, opened + 1), "what stays as it is was opened, and is no new one"
    two.rewrap(wrapped, key=OTHER)
    assert use(pair, KEY)[1] == (issued, opened + 2) and use(pair, OTHER)[1] == (other_issued + 1, other_opened)
    officer_a, officer_b = pair.client("officer-a"), pair.client("officer-b")
    officer_b.approve(officer_a.submit(officer_a.propose_rotation(KEY)))
    results = one.rewrap_items([dict(wrapped=wrapped)] * 4 + [dict(wrapped=wrapped, context={"x": "y"})])
    assert sum(result.HasField("error") for result in results) == 1
    assert use(pair, KEY) == {1: (issued, opened + 6), 2: (4, 0)}


def test_records_open_their_subjects_keys(pair, apps):
    one, two = apps
    one.put_items([("fhir", "counted", f"r{n}", b"{}") for n in range(3)])
    assert use(pair, RECORDS) == {1: (0, 0)}, "a patient's first key is made, not opened"
    two.put_items([("fhir", "counted", f"r{n}", b"{}") for n in range(3)])
    assert use(pair, RECORDS) == {1: (0, 1)}, "once for a patient in a request"
    two.get_items([dict(collection="fhir", subject="counted", id=f"r{n}", fields=["*"]) for n in range(3)])
    one.get_items([dict(collection="fhir", subject="nobody", id="r0", fields=["*"])])
    assert use(pair, RECORDS) == {1: (0, 2)}, "who is not there opens nothing"


def counted(entries) -> collections.Counter:
    """By the log: keys given out under each version of app/demo."""
    count = collections.Counter()
    for entry in entries:
        for item in entry.get("items", []) if entry["action"] == "data-key.generate" else []:
            if item["outcome"] == "allowed" and item["object"].startswith("key:app/demo#"):
                count[int(item["object"].split("#")[1])] += item.get("count", 1)
    return count


def test_a_daemon_that_is_killed_loses_no_count(pair):
    first, second = pair.daemons[:2]
    with Load([pair.client("app", server) for server in (first, second) for _ in range(3)], "use") as load:
        for number in range(4):
            before = load.acknowledged()
            wait_until(lambda before=before: load.acknowledged() > before + 60, 30, "the load goes on")
            time.sleep(0.01 * number)
            first.kill()
            first.start()
        before = load.acknowledged()
        wait_until(lambda: load.acknowledged() > before + 60, 30, "and at the end")
    issued = {version: used[0] for version, used in use(pair, "app/demo").items()}
    assert sum(issued.values()) >= len(load.keys) > 20, "never fewer than were acknowledged"
    assert issued == dict(counted(log.verify(pair.client("auditor", second), pair.genesis["log_vkey"]))), "and exactly what the log tells of"
