# SPDX-License-Identifier: Apache-2.0
"""The HSM misbehaves: its module crashes, hangs, lies; the token goes and comes; the PIN is wrong."""
import contextlib
import os
import signal
import subprocess
import time

import grpc
import pytest
from harness import processes
from harness.client import ItemRefused, errors_of, header
from harness.faults import DEADLINE_MS, Faults
from harness.load import Load
from harness.processes import wait_until
from harness.stubs import data_keys_pb2

@pytest.fixture(scope="module")
def faults(own):
    made = Faults(own)
    own.daemons[0].stop()
    own.daemons[0].start(**made.settings())
    own.daemons[0].settings.update(made.settings())
    return made


def code_of(call):
    """The gRPC code's name; None when it was answered. For one item, too."""
    try:
        call()
    except ItemRefused as error:
        return next(code.name for code in grpc.StatusCode if code.value[0] == error.code)
    except grpc.RpcError as error:
        return error.code().name
    return None


def works(client) -> bool:
    return code_of(client.generate) is None


def eventually(call):
    """The call's answer; a worker's first call after a loss may find its helper being started anew."""
    answers = []
    wait_until(lambda: code_of(lambda: answers.append(call())) is None, 15, "it is answered")
    return answers[0]


def two_helpers(own, app) -> set:
    """A spare worker's helper that was lost is started anew when it is needed: when the other stands still."""
    daemon, request = own.daemons[0], data_keys_pb2.GenerateDataKeysRequest(
        header=header(), items=[data_keys_pb2.GenerateDataKeysItem(key="app/demo")])
    for _ in range(10):
        helpers = daemon.helpers()
        if len(helpers) == 2:
            return set(helpers)
        eventually(app.generate)
        only, calls = daemon.helpers()[0], []
        with contextlib.suppress(ProcessLookupError):  # it has a deadline
            os.kill(only, signal.SIGSTOP)
            for _ in range(8):
                calls.append(app.data_keys.GenerateDataKeys.future(request, timeout=20))
                time.sleep(0.05)
            os.kill(only, signal.SIGCONT)
        for call in calls:
            code_of(call.result)
    raise AssertionError("one helper only")


@pytest.mark.parametrize("call", ["C_EncryptInit", "C_Encrypt", "C_Decrypt"])
@pytest.mark.parametrize("fault", ["crash", "hang"])
def test_a_module_that_dies_in_a_call_takes_its_helper_alone(own, faults, call, fault):
    app, daemon = own.client("app"), own.daemons[0]
    plaintext, wrapped = eventually(app.generate)
    helpers, pid = two_helpers(own, app), daemon.pid
    faults.do(f"{call} {fault}")
    try:
        start = time.monotonic()
        assert code_of(app.generate) == "UNAVAILABLE"
        assert time.monotonic() - start < DEADLINE_MS / 1000 + 2
    finally:
        faults.stop()
    wait_until(lambda: works(app), 10, "a new helper serves")
    assert daemon.running() and daemon.pid == pid
    assert set(daemon.helpers()) != helpers, "the helper was started anew"
    assert eventually(lambda: app.unwrap(wrapped)) == plaintext
    daemon.wait_ready(10)
    app.close()


def test_one_helper_that_stands_still_does_not_hold_the_others(own, faults):
    """The one that serves: the other joins, for nobody else takes what waits."""
    daemon = own.daemons[0]
    two_helpers(own, own.client("app"))
    with Load([own.client("app", timeout=20) for _ in range(6)], "stopped-helper") as load:
        wait_until(lambda: load.acknowledged() > 300, 20, "a load runs")
        victim = max(daemon.helpers(), key=processes.cpu_ticks)
        os.kill(victim, signal.SIGSTOP)
        before = load.acknowledged()
        wait_until(lambda: load.acknowledged() > before + 100, 20, "the others go on")
        wait_until(lambda: not processes.alive(victim), 10, "the helper that missed its deadline is killed")
        wait_until(lambda: len(daemon.helpers()) == 2, 10, "and started anew")
    assert set(load.codes) <= {"OK", "UNAVAILABLE", 14}, load.codes
    load.check(own.client("app"))


def test_a_wrap_that_does_not_open_is_withheld(own, faults):
    app = own.client("app")
    faults.do("C_Encrypt flip")
    try:
        assert code_of(app.generate) in ("INTERNAL", "UNAVAILABLE")
    finally:
        faults.stop()
    wait_until(lambda: works(app), 10, "it works again")


def test_not_one_wrap_with_a_flipped_bit_escapes(own, faults):
    """The module changes a bit of one wrap in 1,000; all that is given out opens, under another helper too."""
    app, issued, refused = own.client("app"), [], 0
    faults.do("C_Encrypt flip 1000")
    try:
        while len(issued) < 5000 and refused < 200:
            answers = []
            code = code_of(lambda: answers.append(app.generate_items([dict(key="app/demo", count=100)])[0]))
            assert code in (None, "UNAVAILABLE", "INTERNAL")
            keys = answers[0].keys if answers else []
            issued += [(key.plaintext, key.wrapped) for key in keys]
            refused += len(keys) == 0
            time.sleep(0 if keys else 0.05)
    finally:
        faults.stop()
    assert len(issued) >= 5000 and refused >= 2, (len(issued), refused)
    wait_until(lambda: works(app), 10, "it works again")
    for at in range(0, len(issued), 500):
        part = issued[at:at + 500]
        results = eventually(lambda part=part: app.unwrap_items([(wrapped, {}) for _, wrapped in part]))
        assert [result.plaintext for result in results] == [plaintext for plaintext, _ in part]


def test_bad_ciphertext_costs_no_helper_and_no_login(own, faults):
    app = own.client("app")
    _, wrapped = eventually(app.generate)
    helpers, logins = two_helpers(own, app), faults.logins()
    bad = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for _ in range(100):  # each within the short deadline of these tests, on a slow machine too
        assert {message for _, message in errors_of(lambda: app.unwrap_items([(bad, {})] * 100), 100)} == {"ciphertext does not open"}
    assert set(own.daemons[0].helpers()) == helpers and faults.logins() == logins


@pytest.mark.parametrize("rv", [0x30, 0x32, 0xB3, 0xE0, 0x101])
def test_a_device_error_is_unavailable_and_passes(own, faults, rv):
    """CKR_DEVICE_ERROR, DEVICE_REMOVED, SESSION_HANDLE_INVALID, TOKEN_NOT_PRESENT, USER_NOT_LOGGED_IN."""
    app = own.client("app")
    faults.do(f"C_EncryptInit rv {rv}")
    try:
        assert code_of(app.generate) in ("UNAVAILABLE", "INTERNAL")
    finally:
        faults.stop()
    wait_until(lambda: works(app), 10, "it works again")


def test_the_token_goes_and_comes_back(own, faults):
    """Working copies may go on without their token; what needs the token is UNAVAILABLE, and all is well when it is back."""
    app, officer = own.client("app"), own.client("officer-a")
    plaintext, wrapped = eventually(app.generate)
    own.token.take_away()
    try:
        assert code_of(lambda: officer.create_key("app/without-token")) in ("UNAVAILABLE", "INTERNAL")
        assert code_of(app.generate) in (None, "UNAVAILABLE")
        time.sleep(1)
        assert code_of(app.generate) in (None, "UNAVAILABLE")
        assert own.daemons[0].running()
    finally:
        own.token.put_back()
    wait_until(lambda: works(app), 15, "it works again by itself")
    wait_until(lambda: code_of(lambda: officer.create_key(f"app/with-token-{time.monotonic_ns()}")) is None, 15, "keys are made again")
    assert eventually(lambda: app.unwrap(wrapped)) == plaintext
    own.daemons[0].wait_ready(15)


def test_the_pin_is_changed_under_a_running_daemon_and_a_kill_in_between_locks_nobody_out(own, faults):
    daemon, pin_file = own.daemons[0], own.token.pin_file
    after, chosen, first = pin_file.with_name("pin.new"), own.folder / "chosen-pin", own.token.pin
    said, pins = [], [first]

    def rotate(*arguments):
        ran = subprocess.run([own.binary("wardd"), "--config", daemon.config, "--rotate-pin", *arguments], env=own.token.environment(),
                             capture_output=True, text=True, timeout=60, check=False)
        said.append(ran.stdout + ran.stderr)
        pins.append(pin_file.read_text().strip())
        return ran.returncode

    def start_anew(tries: int) -> None:
        """Each new helper logs in with so many tries."""
        wait_until(lambda: daemon.helpers(), 20, "there are helpers")
        old, logins = set(daemon.helpers()), faults.logins()
        for helper in old:
            os.kill(helper, signal.SIGKILL)
        wait_until(lambda: works(app), 20, "a new one serves")
        wait_until(lambda: faults.logins() - logins == tries * len(set(daemon.helpers()) - old), 20, "tries of each")

    chosen.touch(mode=0o600)
    chosen.write_text("abc\n")
    assert rotate("--new-pin-file", chosen) == 1 and "too short or too long for the token" in said[-1]
    app = own.client("app")
    with Load([own.client("app", timeout=20) for _ in range(2)], "new-pin") as load:
        wait_until(lambda: load.acknowledged() > 50, 20, "a load runs")
        faults.do("C_SetPIN after")
        try:
            assert rotate() == -signal.SIGKILL
        finally:
            faults.stop()
        assert pin_file.read_text().strip() == first and after.exists()
        before = load.acknowledged()
        wait_until(lambda: load.acknowledged() > before + 50, 20, "sessions stay logged in")
        assert set(load.codes) <= {"OK"}, load.codes
    start_anew(tries=2)
    assert "run wardd --rotate-pin to finish it" in daemon.log_tail(20000)
    pins.append(after.read_text().strip())
    assert rotate() == 0 and "interrupted is finished" in said[-1] and not after.exists()
    assert pins[-1] == pins[-2] != first
    start_anew(tries=1)
    chosen.write_text(first)
    assert rotate("--new-pin-file", chosen) == 0 and "Other hosts whose daemons use this token" in said[-1]
    assert pin_file.read_text() == first + "\n"
    start_anew(tries=1)
    assert not any(pin in text for pin in pins for text in [*said, daemon.log.read_text()])
    load.check(app)


def test_a_wrong_pin_is_tried_once(own, faults):
    daemon = own.daemons[0]
    daemon.stop()
    wrong = own.folder / "wrong-pin"
    wrong.write_text("0000000000000000\n")
    wrong.chmod(0o600)
    before = faults.logins()
    try:
        daemon.spawn(pin_file=wrong, workers=4)
        daemon.wait_refused()
        assert faults.logins() == before + 1
        assert "PIN" in daemon.log_tail()
    finally:
        daemon.kill()
    daemon.start()


def test_after_a_refused_pin_another_is_taken_on_sighup(own, faults):
    """Each change of the file is one try, and only when asked."""
    daemon, app, pin_file = own.daemons[0], own.client("app", timeout=20), own.token.pin_file
    eventually(app.generate)
    right, before = pin_file.read_text(), faults.logins()

    def hangup(says: str) -> None:
        told = daemon.log_tail(1 << 30).count(says)
        daemon.hangup()
        wait_until(lambda: daemon.log_tail(1 << 30).count(says) > told, 20, says)

    def refused(tries: int) -> bool:
        return code_of(app.generate) == "UNAVAILABLE" and faults.logins() == before + tries
    try:
        for tries, wrong in enumerate(("0000000000000000\n", "00000000000000000\n"), 1):
            pin_file.write_text(wrong)
            if tries == 1:
                for pid in daemon.helpers():
                    os.kill(pid, signal.SIGKILL)
            else:
                hangup("pin_file was changed: its PIN is tried, once")
            wait_until(lambda: refused(tries), 20, f"it is refused: {faults.logins() - before}")
            hangup("pin_file is as it was")
            assert refused(tries)
        assert "the token refuses the PIN; it is not tried again" in daemon.log_tail()
        finding, = [finding for finding in own.client("auditor").diagnose() if finding.check == "token"]
        assert "the token refuses the PIN" in finding.text and "SIGHUP" in finding.advice, finding
        pin_file.write_text(right)
        assert refused(2)
        hangup("pin_file was changed: its PIN is tried, once")
        eventually(app.generate)
    finally:
        pin_file.write_text(right)
        daemon.stop()
        daemon.start()


def test_a_start_waits_for_its_token(own, faults):
    daemon = own.daemons[0]
    daemon.stop()
    own.token.take_away()
    try:
        told = daemon.log_tail(1 << 30).count("does not answer yet")
        daemon.spawn()
        wait_until(lambda: daemon.log_tail(1 << 30).count("does not answer yet") > told, 20, "it says that it waits")
        assert daemon.running() and daemon.http("/ready")[0] != 200
    finally:
        own.token.put_back()
    daemon.wait_ready()
