# SPDX-License-Identifier: Apache-2.0
"""Rates, quotas and batches: as much as policy says gets through, the rest is told when to come again and counted.

Rates here are so slow that no machine refills a bucket between two calls of one test."""
import json
import time

import grpc
import pytest
from harness.cli import Cli
from harness.client import ItemRefused
from harness.deployment import POLICY, Deployment
from harness.processes import wait_until

LIMITED = POLICY.replace('''    members: ["spiffe://test.ward/app", "spiffe://test.ward/app2"]
''', '''    members: ["spiffe://test.ward/app", "spiffe://test.ward/app2"]
    limits: {per_second: 1, burst: 40, role_per_second: 1, role_burst: 60, batch: 20}
''').replace('''    members: ["spiffe://test.ward/writer"]
''', '''    members: ["spiffe://test.ward/writer"]
    limits: {per_day: 5}
''')


@pytest.fixture(scope="module")
def limited():
    deployment = Deployment(policy=LIMITED)
    try:
        deployment.daemon().start()
        officer = deployment.client("officer-a")
        officer.create_key("app/demo")
        officer.create_key("phi/records", 2)
        yield deployment
    finally:
        deployment.close()


@pytest.fixture(name="fresh")
def _fresh(limited):
    """A daemon that has counted nothing yet: each begins with full buckets."""
    limited.daemons[0].stop()
    limited.daemons[0].start()
    return limited


def held_back(call) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, caught.value.details()
    assert caught.value.details().startswith("rate: "), caught.value.details()
    return caught.value


def has_retry_info(error: grpc.RpcError) -> bool:
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    return b"type.googleapis.com/google.rpc.RetryInfo" in details


def spend(client, keys: int) -> None:
    """Whole batches, which must all pass."""
    for _ in range(keys // 20):
        client.generate_items([dict(key="app/demo", count=20)])


def test_a_burst_passes_and_what_follows_is_told_when_to_come_again(fresh):
    app, officer = fresh.client("app"), fresh.client("officer-a")
    began = time.monotonic()
    spend(app, 40)
    error = held_back(lambda: app.generate_items([dict(key="app/demo", count=20)]))
    assert time.monotonic() - began < 15, "this machine is too slow for the test's rates"
    assert "this identity" in error.details() and "a minute" in error.details()
    assert has_retry_info(error)
    held_back(lambda: app.put_items([("fhir", "p", str(n), b"{}") for n in range(20)]))
    assert officer.describe_key("app/demo").name == "app/demo"  # others are not held back
    # One key comes back every second; the hint for one is at most that.
    wait_until(lambda: passes(app), 10, "a single key passes again", every=0.2)


def passes(client) -> bool:
    try:
        client.generate()
        return True
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        return False


def test_a_role_has_a_total_of_its_own(fresh):
    app, app2 = fresh.client("app"), fresh.client("app2")
    spend(app, 40)
    spend(app2, 20)
    error = held_back(lambda: app2.generate_items([dict(key="app/demo", count=20)]))
    assert "this role" in error.details()


def test_a_batch_over_the_limit_is_refused_for_good(fresh, refused):
    app, auditor = fresh.client("app"), fresh.client("auditor")
    error = refused("PERMISSION_DENIED", "batch: more in one request than policy allows",
                    lambda: app.generate_items([dict(key="app/demo", count=21)], "rates-batch"))
    assert not has_retry_info(error)
    entry, = auditor.entries("rates-batch")
    assert (entry["outcome"], entry["code"]) == ("refused", "PERMISSION_DENIED")
    spend(app, 20)


def test_an_import_sends_no_more_at_once_than_it_is_told(fresh, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("".join(f'{{"subject":"s","id":"{n}","json":{{}}}}\n' for n in range(21)))
    cli, arguments = Cli(fresh), ["record", "import", "--collection", "fhir", "--ndjson", lines]
    said = cli("app", *arguments, exit=1).stderr.decode()
    assert "limits: batch" in said and "--batch" in said
    assert json.loads(cli("app", *arguments, "--batch", 20).stdout)["stored"] == 21


def test_a_day_has_a_quota(fresh):
    writer = fresh.client("writer")
    before = time.gmtime().tm_yday
    writer.put_items([("fhir", "p", str(n), b"{}") for n in range(5)])
    if time.gmtime().tm_yday != before:
        pytest.skip("midnight passed")
    error = held_back(lambda: writer.put_items([("fhir", "p", "r", b"{}")]))
    assert "after midnight UTC" in error.details() and has_retry_info(error)


def test_bad_and_refused_requests_count_too(fresh):
    app = fresh.client("app")
    for _ in range(20):
        with pytest.raises(grpc.RpcError) as caught:
            app.generate_items([])
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(ItemRefused):
            app.generate("phi/records")
    wait_until(lambda: not passes(app), 10, "the bucket is empty", every=0)


def test_what_was_held_back_is_counted_once_a_second_and_has_no_entry_of_its_own(fresh):
    app, auditor = fresh.client("app"), fresh.client("auditor")
    spend(app, 40)
    known = len(auditor.leaves())
    began = time.monotonic()
    for n in range(50):
        held_back(lambda n=n: app.generate_items([dict(key="app/demo", count=20)], f"rates-held-{n}"))

    def told():
        entries = [json.loads(leaf) for leaf in auditor.leaves()[known:]]
        counted = [entry for entry in entries if entry["action"] == "system.summary" and entry.get("object", "").endswith("/app")]
        return entries, counted, sum(entry["detail"]["requests_throttled"] for entry in counted)
    wait_until(lambda: told()[2] >= 50, 10, "all fifty are counted", every=0.2)
    entries, counted, total = told()
    assert total == 50 and sum(entry["detail"]["items_throttled"] for entry in counted) == 1000
    assert len(counted) <= time.monotonic() - began + 2
    assert {entry["identity"] for entry in counted} == {"system"} and {entry["object"] for entry in counted} == {"spiffe://test.ward/app"}
    assert not [entry for entry in entries if entry["request"].startswith("rates-held-")]
    metric = [line for line in fresh.daemons[0].metrics().split("\n") if line.startswith("ward_requests_throttled_total")]
    assert metric and float(metric[0].split()[-1]) == 50


def test_a_policy_with_limits_that_nobody_could_keep_is_refused_at_genesis():
    text = LIMITED.replace("batch: 20", "batch: 41")
    line = text[:text.index("batch: 41")].count("\n") + 1
    with pytest.raises(AssertionError) as caught:
        Deployment(policy=text).close()
    assert f"{line}:" in str(caught.value) and "batch" in str(caught.value), caught.value
