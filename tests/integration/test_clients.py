# SPDX-License-Identifier: Apache-2.0
"""Clients that we did not write: grpc-js and grpc-go do what gRPC's interoperability tests ask and what Ward
promises. Their programs (tests/clients) report what they saw; it is judged here. Every other test
of this folder is a third client, grpcio."""
import collections
import contextlib
import json
import os
import signal

import pytest
from harness.programs import NAMES, Program

OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED = 0, 1, 3, 4, 5, 7
RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 8, 12, 14
CASES = ["empty_unary", "large_unary", "generate_and_unwrap", "wrong_context", "status_code_and_message", "unimplemented_method",
         "unimplemented_service", "message_over_the_limit", "compressed_request", "custom_metadata", "health_of_an_unknown_service",
         "cancel_after_begin", "cancel_after_first_response", "deadline_that_has_passed", "more_calls_than_streams",
         "no_certificate"]


@pytest.fixture(scope="module", params=NAMES)
def program(request, shared, tmp_path_factory):
    return Program(request.param, shared, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def saw(program):
    """What the client saw in the cases that need a quiet daemon only."""
    return program.run(*CASES)


def test_empty_unary(saw):
    assert saw["empty_unary"] == {"code": OK, "message": "", "state": "SERVING"}


def test_large_unary(saw):
    assert saw["large_unary"]["records"] == [{"sent": size, "codes": [OK, OK], "same": True} for size in (271828, 314159)]


def test_a_data_key_is_made_and_opened(saw):
    assert saw["generate_and_unwrap"] == {"code": OK, "message": "", "sizes": [32, 32], "same": True, "key": "app/demo", "version": 1}


def test_unwrap_fails_when_context_differs(saw):
    seen = saw["wrong_context"]
    assert (seen["code"], seen["message"]) == (INVALID_ARGUMENT, "ciphertext does not open")

def test_status_code_and_message(saw):
    seen = saw["status_code_and_message"]
    assert seen["code"] == INVALID_ARGUMENT and seen["message"].startswith("request_id: ")
    assert {"google.rpc.ErrorInfo", "google.rpc.BadRequest"} <= {detail["name"] for detail in seen["details"]}
    assert [detail["field"] for detail in seen["details"] if detail["name"] == "google.rpc.BadRequest"] == ["request_id"]


@pytest.mark.parametrize("case", ["unimplemented_method", "unimplemented_service"])
def test_what_is_not_there_is_unimplemented(saw, case):
    assert saw[case]["code"] == UNIMPLEMENTED and saw[case]["message"]


def test_a_message_over_the_limit_is_refused_and_the_connection_works(saw):
    seen = saw["message_over_the_limit"]
    assert (seen["code"], seen["after"]) == (RESOURCE_EXHAUSTED, OK) and "larger than" in seen["message"]


def test_a_compressed_request_is_unimplemented_and_the_connection_works(saw):
    seen = saw["compressed_request"]
    assert (seen["code"], seen["after"]) == (UNIMPLEMENTED, OK) and seen["message"]


def test_custom_metadata_changes_nothing(saw):
    assert (saw["custom_metadata"]["code"], saw["custom_metadata"]["asAnOfficer"]) == (OK, PERMISSION_DENIED)


def test_health_of_an_unknown_service(saw):
    seen = saw["health_of_an_unknown_service"]
    assert (seen["code"], seen["states"]) == (NOT_FOUND, ["SERVICE_UNKNOWN"])


def test_cancel_after_begin(saw):
    assert (saw["cancel_after_begin"]["code"], saw["cancel_after_begin"]["after"]) == (CANCELLED, OK)


def test_cancel_after_first_response(saw):
    seen = saw["cancel_after_first_response"]
    assert (seen["code"], seen["states"]) == (CANCELLED, ["SERVING"])


def test_a_deadline_that_has_passed(saw):
    assert saw["deadline_that_has_passed"]["code"] == DEADLINE_EXCEEDED


def answered(seen, auditor, calls: int) -> None:
    """Every call with a key of its own, and an audit entry of its own."""
    assert collections.Counter(seen["codes"]) == {OK: calls} and seen["distinct"] == calls
    entries = collections.Counter(json.loads(leaf).get("request") for leaf in auditor.leaves())
    assert [entries[request] for request in seen["requests"]] == [1] * calls


def test_a_hundred_parallel_calls_on_one_connection(program, ward, auditor):
    def connections() -> int:
        return next(int(line.split()[1]) for line in ward.daemons[0].metrics().splitlines() if line.startswith("ward_connections_total"))
    before = connections()
    seen = program.run("parallel_calls_on_one_connection")["parallel_calls_on_one_connection"]
    assert connections() == before + 1
    answered(seen, auditor, 100)


def test_more_calls_than_streams_wait_for_their_turn(saw, auditor):
    answered(saw["more_calls_than_streams"], auditor, 350)


def test_without_a_certificate_nothing_is_reached(saw):
    assert saw["no_certificate"]["code"] == UNAVAILABLE


@contextlib.contextmanager
def standing_still(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("case,code", [("timeout_on_sleeping_server", DEADLINE_EXCEEDED), ("cancel_while_it_works", CANCELLED)])
def test_a_call_that_nobody_waits_for_any_more_ends(program, ward, case, code):
    """The HSM stands still meanwhile; the rest of the daemon does not."""
    with standing_still(ward.daemons[0].helpers()):
        seen = program.run(case)[case]
    assert (seen["code"], seen["after"]) == (code, OK)
    ward.daemons[0].wait_ready()


def test_a_drain_is_followed_without_a_lost_call(program, ward):
    """GOAWAY, the last answers, and the other daemon; who watches is told before."""
    leaving = ward.daemon(f"leaving-{program.name}").start()
    process = program.start(["drain"], [leaving, ward.daemons[0]])
    assert process.stdout.readline() == "running\n", process.communicate()
    assert leaving.stop() == 0
    ward.daemons.remove(leaving)
    seen = program.finish(process)["drain"]
    assert set(seen["codes"]) == {"0"}, seen
    assert seen["watch"]["states"] == ["SERVING", "NOT_SERVING"] and seen["watch"]["code"] == UNAVAILABLE, seen
