#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each test file in a pytest process of its own, so that nothing of one can bring down another; two at a
time for each core, since most of them mostly wait, and the longest first. WARD_TEST_JOBS says otherwise.

usage: run_files.py RESULTS FILE...

RESULTS gets a log and a JUnit file of each. A file whose process ended otherwise than its tests say has no
JUnit file, which counts as a failure. An interpreter that died of a signal is told by name, with the
thread that crashed, and the file is run once more. Processes that a file leaves behind are named and
ended, by pid: a process above each file adopts them.

A file that failed while others ran beside it is run again when all are done, alone: four on two cores
starve each other for seconds, most of all under a sanitizer, and only what fails without that is a
failure of Ward. What it said the first time stays in the output, in FILE.unsteady.log and .xml, and in the
count of the run, and is to be looked at all the same. More than MOST_UNSTEADY such files of one build are no accident: none is run again.
"""
import concurrent.futures
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

LIMIT_SECONDS = 900  # of one file; then SIGABRT, so that every thread says where it is
PR_SET_CHILD_SUBREAPER = 36
MOST_LINES = 20  # of the errors of one file
MOST_UNSTEADY = 2
JOBS = int(os.environ.get("WARD_TEST_JOBS", 2 * (os.cpu_count() or 1)))
LONGEST = ("test_kill_points", "test_edited_rows", "test_kill_points_rows", "test_quickstart", "test_policy_change", "test_connections",
           "test_revocation")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def wait(pid: int, seconds: int) -> int:
    """Its exit status; negative for a signal. Whoever comes to us meanwhile and ends is buried at once: the lock
    file of a database that was killed names a process until it is gone, zombies included."""
    def alarm(*_):
        raise TimeoutError
    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(seconds)
    try:
        while True:
            ended, status = os.waitpid(-1, 0)
            if ended == pid:
                return os.waitstatus_to_exitcode(status)
    finally:
        signal.alarm(0)


def run(file: str, log: pathlib.Path, junit: pathlib.Path) -> int:
    """Its exit status; negative for a signal."""
    junit.unlink(missing_ok=True)
    with open(log, "wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
                                    f"--junitxml={junit}", file], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "WARD_TEMPLATES": str(log.parent / "templates")})
    try:
        process.returncode = wait(process.pid, LIMIT_SECONDS)
    except TimeoutError:
        say(f"  {file}: not done within {LIMIT_SECONDS} s")
        os.kill(process.pid, signal.SIGABRT)
        try:
            wait(process.pid, 20)
        except TimeoutError:
            os.kill(process.pid, signal.SIGKILL)
            wait(process.pid, 20)
        say("\n".join(crash(log)))
        process.returncode = 124
    finally:
        end_orphans(file)
    return process.returncode


def children() -> dict:
    """pid and command line of what this process has under it, zombies left out."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state not in "ZX":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass
    return found


def end_orphans(file: str) -> None:
    """What a dead test process started has become ours; its children come to us in turn."""
    start = time.monotonic()
    while left := children():
        passed = time.monotonic() - start
        if passed > 15:
            say(f"  {file}: does not end: {left}")
            break
        if passed > 2:  # what is on its way out gets the time for it
            for pid, command in left.items():
                say(f"  {file}: left running, ended now: {command[:100]}")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def crash(log: pathlib.Path) -> list:
    """What faulthandler said first: the error, and the thread that it happened in."""
    lines = log.read_text(errors="replace").splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("Fatal Python error")), None)
    if start is None:
        return lines[-20:]
    current = next((n for n in range(start, len(lines)) if lines[n].startswith("Current thread")), start)
    end = next((n for n in range(current, len(lines)) if not lines[n].strip()), len(lines))
    modules = [line[:300] for line in lines if line.startswith("Extension modules")]
    return lines[start:start + 1] + lines[current:min(end, current + 40)] + modules


def failures(junit: pathlib.Path) -> int:
    """-1 when it cannot be read."""
    try:
        return sum(child.tag in ("failure", "error") for case in xml.parse(junit).iter("testcase") for child in case)
    except (OSError, xml.ParseError):
        return -1


def one(results: pathlib.Path, file: str) -> int:
    """The file, and what is to be said of it; in a process that adopts what it leaves. pytest's exit status, or a failure's."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stem, start = pathlib.Path(file).stem, time.monotonic()
    log, junit = results / f"{stem}.log", results / f"{stem}.junit.xml"
    status = run(file, log, junit)
    if status < 0:
        say(f"  {file}: the interpreter itself died of {signal.Signals(-status).name}; it is run once more:")
        say("\n".join(f"    {line}" for line in crash(log)))
        log.rename(results / f"{stem}.died.log")
        status = run(file, log, junit)
        if status < 0:
            say(f"  {file}: and again, of {signal.Signals(-status).name}")
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if re.match(r"E  |FAILED|ERROR", line)]
    if len(errors) > MOST_LINES:  # what was asserted stands first, what the daemon said last stands at the end
        errors[MOST_LINES // 4:-MOST_LINES * 3 // 4] = ["..."]
    for line in errors:
        say(line)
    if status not in (0, 1) and failures(junit) <= 0:
        say(f"  {file}: pytest ended with {status}")
        say("\n".join(f"    {line}" for line in lines[-10:]))
        junit.unlink(missing_ok=True)
    say(f"  {stem:<26} {time.monotonic() - start:6.1f} s")
    return 0 if status == 0 else 1


def apart(file: str) -> subprocess.CompletedProcess:
    """The file in a process of its own."""
    return subprocess.run([sys.executable, __file__, "--one", sys.argv[1], file], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def main() -> None:
    if sys.argv[1] == "--one":
        sys.exit(one(pathlib.Path(sys.argv[2]), sys.argv[3]))
    pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    files = sorted(sys.argv[2:], key=lambda file: pathlib.Path(file).stem not in LONGEST)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        runs = {pool.submit(apart, file): file for file in files}
        for done in concurrent.futures.as_completed(runs):
            print(done.result().stdout, end="", flush=True)
            failed += [runs[done]] if done.result().returncode != 0 else []
    if JOBS > 1 and len(failed) <= MOST_UNSTEADY:
        for file in failed:
            print(f"  {file} again, alone:", flush=True)
            stem = pathlib.Path(sys.argv[1]) / pathlib.Path(file).stem
            for kind in ("log", "junit.xml"):
                with contextlib.suppress(FileNotFoundError):
                    stem.with_suffix(f".{kind}").replace(stem.with_suffix(f".unsteady.{kind}"))
            again = apart(file)
            print(again.stdout, end="", flush=True)
            if again.returncode == 0:
                print(f"  unsteady: {file} failed beside others, as told above, and passed alone", flush=True)
    shutil.rmtree(pathlib.Path(sys.argv[1]) / "templates", ignore_errors=True)  # the files' common copies of a deployment


if __name__ == "__main__":
    main()
