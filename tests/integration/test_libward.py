# SPDX-License-Identifier: Apache-2.0
"""libward as an application has it: installed, found by pkg-config, linked as a shared library, against real daemons."""
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from harness import daemon as daemons
from harness.card import Card

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "client/examples"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g", "-pthread"]


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False, **options)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


class Installed:
    """`meson install` into a folder, and how one builds against it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.build = daemons.find_binary("wardd").parents[1]
        run("meson", "install", "-C", self.build, "--no-rebuild", "--quiet", "--destdir", folder)
        self.config, = folder.rglob("ward.pc")
        self.library = self.config.parents[1]
        self.environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(folder), "PKG_CONFIG_LIBDIR": str(self.config.parent)}

    def flags(self) -> list:
        return run("pkg-config", "--cflags", "--libs", "ward", env=self.environment).split()

    def sanitizer(self) -> list:
        symbols = run("readelf", "-W", "--dyn-syms", self.library / "libward.so")
        return [flag for mark, flag in (("__asan_", "-fsanitize=address,undefined"), ("__tsan_", "-fsanitize=thread")) if mark in symbols][:1]

    def compile(self, source: pathlib.Path) -> pathlib.Path:
        program = self.folder / source.stem
        run(os.environ.get("CC", "gcc"), *STRICT, *self.sanitizer(), "-o", program, source, *self.flags())
        return program

    def application(self, deployment, identity: str = "app", servers=None, **changes) -> dict:
        """The environment of a program that calls a deployment."""
        folder = deployment.folder
        if not (folder / f"{identity}.pem").exists():
            deployment.identities[identity].write(folder, identity)
        targets = ",".join(server.target for server in servers or deployment.daemons[:1])
        return {**os.environ, "LD_LIBRARY_PATH": str(self.library), "WARD_SERVER": targets, "WARD_CA": str(folder / "ca.pem"),
                "WARD_CERTIFICATE": str(folder / f"{identity}.pem"), "WARD_KEY": str(folder / f"{identity}.key"), **changes}


class Driver:
    """libward_driver.c under way."""

    def __init__(self, program, environment: dict):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.first = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()

    def say(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def driver(installed):
    return installed.compile(pathlib.Path(__file__).with_name("libward_driver.c"))


# ---- what is installed ----

def test_install_has_all_that_an_application_needs(installed):
    found = {str(path.relative_to(installed.folder)) for path in installed.folder.rglob("*") if path.is_file() or path.is_symlink()}
    for wanted in (r"include/ward/ward\.h", r"include/ward/cache\.h", r"include/ward/seal\.h", r"libward\.so", r"libward\.so\.0", r"bin/ward",
                   r"sbin/wardd", r"libexec/ward/ward-hsm", r"pkgconfig/ward\.pc", r"man1/ward\.1", r"man3/libward\.3", r"man5/wardd\.yaml\.5", r"man8/wardd\.8"):
        assert any(re.search(rf"(^|/){wanted}$", name) for name in found), wanted


def test_what_is_exported_is_what_the_map_names(installed):
    symbols = run("readelf", "-W", "--dyn-syms", installed.library / "libward.so")
    exported = {match.group(1) for match in re.finditer(r" (?:FUNC|OBJECT) +GLOBAL +DEFAULT +(?!UND)\S+ (\S+)@@LIBWARD_0$", symbols, re.M)}
    other = [line for line in symbols.split("\n") if re.search(r"(GLOBAL|WEAK) +DEFAULT +(?!UND|ABS)\d+ ", line) and "@@LIBWARD_0" not in line]
    named = set(re.findall(r"^\s+(ward_\w+);", (ROOT / "client/ward.map").read_text(), re.M))
    assert exported == named and not other, (exported ^ named, other)


def test_every_function_of_the_headers_is_exported_and_no_other(installed):
    headers = "".join(path.read_text() for path in (ROOT / "client/include/ward").glob("*.h"))
    headers = re.sub(r"/\*.*?\*/|typedef[^;{]*\([^;]*;", "", headers, flags=re.S)
    declared = set(re.findall(r"^[\w *]*?\b(ward_\w+)\(", headers, re.M))
    named = set(re.findall(r"^\s+(ward_\w+);", (ROOT / "client/ward.map").read_text(), re.M))
    assert declared == named, declared ^ named


def test_an_application_without_a_card_loads_no_pkcs11(installed):
    needed = re.findall(r"\(NEEDED\).*\[(\S+)\]", run("readelf", "-d", installed.library / "libward.so"))
    assert needed and not [name for name in needed if "p11" in name or "pkcs11" in name]
    assert "p11" not in " ".join(installed.flags())


def test_the_headers_are_good_for_cpp(installed, tmp_path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        pytest.skip("no C++ compiler is installed")
    source = tmp_path / "headers.cc"
    source.write_text("#include <ward/ward.h>\nstatic_assert(sizeof(ward_error) > 0, \"\");\n")
    run(compiler, "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", source, *[f for f in installed.flags() if f[:2] == "-I"])


# ---- the examples ----

def test_fields_are_sealed_and_opened_through_the_cache(installed, ward):
    program, environment = installed.compile(EXAMPLES / "fields.c"), installed.application(ward)
    lines = "".join(f"Field {number} of a patient, å\n" for number in range(350)) + "\n"
    sealed = subprocess.run([program, "seal", "app/demo", "north"], input=lines, capture_output=True, text=True, env=environment, check=False)
    assert sealed.returncode == 0 and "Field" not in sealed.stdout, sealed.stderr
    assert "347 lines from the cache, 4 calls" in sealed.stderr
    opened = subprocess.run([program, "open", "north"], input=sealed.stdout, capture_output=True, text=True, env=environment, check=False)
    assert opened.returncode == 0 and opened.stdout == lines, opened.stderr
    assert "347 lines from the cache, 4 calls" in opened.stderr
    other = subprocess.run([program, "open", "south"], input=sealed.stdout, capture_output=True, text=True, env=environment, check=False)
    assert other.returncode == 1 and "ciphertext does not open" in other.stderr and not other.stdout


def test_a_record_is_stored_and_read(installed, ward):
    program, environment = installed.compile(EXAMPLES / "record.c"), installed.application(ward)
    record = '{"resourceType": "Patient", "id":"p1", "name":[{"family":"Exámple"}]}'
    put = subprocess.run([program, "put", "fhir", "s-example", "r1"], input=record, capture_output=True, text=True, env=environment, check=False)
    assert (put.returncode, put.stdout) == (0, "version 1\n"), put.stderr
    assert run(program, "get", "fhir", "s-example", "r1", env=environment) == record
    assert run(program, "get", "fhir", "s-example", "r1", "name", env=environment) == 'name: [{"family":"Exámple"}]\n'
    missing = subprocess.run([program, "get", "fhir", "s-example", "none"], capture_output=True, text=True, env=environment, check=False)
    assert missing.returncode == 1 and "NOT_FOUND" in missing.stderr
    bad = subprocess.run([program, "put", "fhir", "s-example", "r2"], input="[]", capture_output=True, text=True, env=environment, check=False)
    assert bad.returncode == 1 and "INVALID_ARGUMENT" in bad.stderr and "look at: json" in bad.stderr


def test_stored_keys_are_rewrapped_after_a_rotation(installed, ward, app, officer_a, officer_b, tmp_path):
    program, environment = installed.compile(EXAMPLES / "rewrap.c"), installed.application(ward)
    officer_a.create_key("app/example")
    context = {"tenant": "north", "purpose": "TREAT"}
    keys = {}
    for number in range(230):
        keys[number], wrapped = app.generate("app/example", context=context)
        (tmp_path / f"{number}.wrapped").write_bytes(wrapped)
    assert run(program, tmp_path, "north", env=environment) == "0 moved, 230 unchanged, 0 failed\n"
    assert officer_b.approve(officer_a.submit(officer_a.propose_rotation("app/example"))).state == "executed"
    (tmp_path / "7.wrapped").write_bytes(b"not a wrapped key")
    result = subprocess.run([program, tmp_path, "north"], capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, result.stdout) == (1, "229 moved, 0 unchanged, 1 failed\n"), result.stderr
    assert "7.wrapped: ciphertext does not open" in result.stderr
    for number in set(range(230)) - {7}:
        assert app.unwrap((tmp_path / f"{number}.wrapped").read_bytes(), context) == keys[number]
    (tmp_path / "7.wrapped").unlink()
    assert run(program, tmp_path, "north", env=environment) == "0 moved, 229 unchanged, 0 failed\n"


# ---- servers that come and go ----

@pytest.fixture
def two(own):
    while len(own.daemons) < 2:
        own.daemon(f"node-{len(own.daemons) + 1}")
    for made in own.daemons:
        if not made.running():
            made.start()
    return own


def under_load(driver, environment, ms: int, disturb) -> str:
    with Driver(driver, environment) as application:
        assert application.first == "ok ready"
        thread = threading.Thread(target=disturb)
        thread.start()
        said = application.say(f"load {ms} 8")
        thread.join()
    return said


def check_no_call_was_lost(said: str) -> None:
    match = re.match(r"ok (\d+) calls (\d+) failed (\d+) twice ?(.*)", said)
    assert match, said
    calls, failed, twice = map(int, match.groups()[:3])
    assert calls > 100 and failed == 0 and twice == 0, said


def test_a_daemon_that_is_killed_loses_no_call_and_does_none_twice(installed, driver, two):
    def disturb():
        time.sleep(0.7)
        two.daemons[0].kill()
    check_no_call_was_lost(under_load(driver, installed.application(two, servers=two.daemons), 2500, disturb))


def test_daemons_that_drain_one_after_the_other_lose_no_call(installed, driver, two):
    def disturb():
        time.sleep(0.4)
        for made in two.daemons:
            assert made.stop() == 0
            made.start()
            time.sleep(0.6)
    check_no_call_was_lost(under_load(driver, installed.application(two, servers=two.daemons), 6000, disturb))


def test_a_single_daemon_that_starts_anew_is_found_again(installed, driver, two):
    with Driver(driver, installed.application(two, servers=two.daemons[:1])) as application:
        assert application.say("generate") == "ok"
        two.daemons[0].stop()
        assert application.say("generate").startswith("UNAVAILABLE")
        two.daemons[0].start()
        assert application.say("generate") == "ok"
        assert application.say("put again") == "ok"


# ---- as whom ----

def test_a_new_certificate_is_used_without_a_restart(installed, driver, ward, tmp_path):
    def show(identity: str) -> None:
        ward.identities[identity].write(tmp_path, "new")
        for suffix in (".key", ".pem"):
            os.replace(tmp_path / f"new{suffix}", tmp_path / f"me{suffix}")
    show("stranger")
    environment = installed.application(ward, WARD_CERTIFICATE=str(tmp_path / "me.pem"), WARD_KEY=str(tmp_path / "me.key"))
    with Driver(driver, environment) as application:
        assert "PERMISSION_DENIED" in application.say("generate")
        show("app")
        assert "PERMISSION_DENIED" in application.say("generate")  # the old connection goes on as it was
        ward.daemons[0].stop()
        ward.daemons[0].start()
        assert application.say("generate") == "ok"


def test_a_forked_child_makes_calls(installed, driver, ward):
    with Driver(driver, installed.application(ward)) as application:
        assert application.say("generate") == "ok"
        for _ in range(3):
            assert application.say("child") == "ok child"
            assert application.say("generate") == "ok"


# ---- keys in tokens ----

def card_application(installed, card, uri: str, **changes) -> dict:
    own = {"WARD_CERTIFICATE": str(card.folder / "card.pem"), "WARD_KEY": uri, "SOFTHSM2_CONF": card.environment["SOFTHSM2_CONF"]}
    return installed.application(card.deployment, **{**own, **changes})


@pytest.fixture(scope="module")
def card(shared, tmp_path_factory):
    return Card(shared, tmp_path_factory.mktemp("card"))


@pytest.mark.parametrize("path", ["token=staff;id=%A1", "token=staff;object=me;type=private", "model=SoftHSM%20v2;token=staff"])
def test_a_key_in_a_token_proves_who_we_are(installed, driver, ward, card, path):
    with Driver(driver, card_application(installed, card, card.uri(path, f"&pin-source=file:{card.folder}/pin"))) as application:
        assert application.first == "ok ready"
        assert application.say("generate") == "ok"


def test_the_pin_comes_from_the_uri_or_the_callback(installed, driver, ward, card):
    for environment in (card_application(installed, card, card.uri(query="&pin-value=1234")), card_application(installed, card, card.uri(), WARD_PIN="1234")):
        with Driver(driver, environment) as application:
            assert application.say("generate") == "ok"


def test_an_rsa_key_in_a_token_proves_who_we_are(installed, driver, ward, tmp_path):
    card = Card(ward, tmp_path, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with Driver(driver, card_application(installed, card, card.uri(), WARD_PIN="1234")) as application:
        assert application.first == "ok ready"
        assert application.say("generate") == "ok"


def test_a_child_opens_the_token_anew(installed, driver, ward, card):
    with Driver(driver, card_application(installed, card, card.uri(), WARD_PIN="1234")) as application:
        assert application.say("generate") == "ok"
        assert application.say("child") == "ok child"
        assert application.say("generate") == "ok"


@pytest.mark.parametrize("path,query,pin,text", [
    ("token=other", "", "1234", "no token is there"),
    ("token=staff;id=%A2", "", "1234", "has no such private key"),
    ("token=staff", "&pin-source=file:/nowhere/pin", None, "No such file"),
    ("token=staff", "&pin-source=pin", None, "absolute path"),
    ("token=staff", "", None, "gives no PIN"),
    ("token=staff", "", "9999", "refuses the PIN"),
])
def test_what_is_wrong_with_a_token_is_said(installed, driver, ward, card, path, query, pin, text):
    changes = {"WARD_PIN": pin} if pin else {}
    with Driver(driver, card_application(installed, card, card.uri(path, query), **changes)) as application:
        assert application.first.startswith("INVALID_ARGUMENT [key]") and text in application.first, application.first


def test_another_certificates_key_is_refused(installed, driver, ward, card):
    ward.identities["app2"].write(card.folder, "other")
    environment = card_application(installed, card, card.uri(), WARD_PIN="1234", WARD_CERTIFICATE=str(card.folder / "other.pem"))
    with Driver(driver, environment) as application:
        assert "does not sign for the certificate" in application.first
