# SPDX-License-Identifier: Apache-2.0
"""A token with thousands of KEKs: a key is looked up without a search, and the daemon is ready soon.

WARD_MANY_KEYS sets how many; the usual number keeps the suite short."""
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import uuid

import pytest
from harness.deployment import Deployment
from harness.faults import SUPPORT, Faults

KEYS = int(os.environ.get("WARD_MANY_KEYS", "1500"))
NOW = int(time.time() * 1e6)


def insert(deployment, ids) -> None:
    """Rows for KEKs that are on the token already, as their creation would have left them."""
    keks = ",".join(f"('{key}','app/many-{i}','pkcs11',1,true,365,{NOW})" for i, key in enumerate(ids))
    versions = ",".join(f"('{key}',1,2,{NOW})" for key in ids)
    script = deployment.folder / "many.sql"
    script.write_text(f"INSERT INTO ward.kek (id, name, backend, purpose, enabled, rotation_period_days, created_us) VALUES {keks};"
                      f"INSERT INTO ward.kek_version (kek, version, state, created_us) VALUES {versions};"
                      "UPDATE ward.head SET epoch = epoch + 1, sums = '', tag = ''")
    script.chmod(0o644)
    deployment.postgres.sql(f"\\i {script}")


@pytest.fixture(scope="module")
def many():
    """A deployment whose token lies in memory: on a disk, making keys takes most of a minute."""
    memory = pathlib.Path(tempfile.mkdtemp(prefix="ward-", dir="/dev/shm"))
    deployment = Deployment()
    try:
        shutil.move(deployment.token.tokens, memory / "tokens")
        deployment.token.tokens.symlink_to(memory / "tokens")
        ids = [uuid.uuid4() for _ in range(KEYS)]
        subprocess.run(["/usr/bin/python3", SUPPORT / "make_keys.py", deployment.module, deployment.token.pin_file], check=True, text=True,
                       input="".join(f"{key.hex}00000001\n" for key in ids), env=deployment.token.environment())
        insert(deployment, ids)
        yield deployment
    finally:
        deployment.close()
        shutil.rmtree(memory, ignore_errors=True)


def test_keys_are_found_once_and_never_searched_for(many):
    faults = Faults(many)
    daemon = many.daemon()
    begun = time.monotonic()
    daemon.start(arguments=["--adopt-database"], **{**faults.settings(), "deadline_ms": 5000, "workers": 1}, extra="")
    print(f"ready after {time.monotonic() - begun:.1f} s with {KEYS} keys")
    app = many.client("app")
    app.generate("app/many-0")
    searches = faults.counted("C_FindObjectsInit")
    chosen = random.sample(range(KEYS), min(KEYS, 300))
    issued = [(f"app/many-{i}", *app.generate(f"app/many-{i}")) for i in chosen]
    results = app.unwrap_items([(wrapped, {}) for _, _, wrapped in issued])
    assert [(r.key, r.plaintext) for r in results] == [(name, plaintext) for name, plaintext, _ in issued]
    assert faults.counted("C_FindObjectsInit") == searches, "a use searched the token"


def test_a_new_key_on_a_large_token_is_made_and_used(many):
    app, officer = many.client("app"), many.client("officer-a")
    officer.create_key("app/one-more")
    plaintext, wrapped = app.generate("app/one-more")
    assert app.unwrap(wrapped) == plaintext


def test_working_copies_stay_within_their_bound(many):
    """More keys in turn than there is room for: all are served."""
    daemon = many.daemons[0]
    daemon.stop()
    text = "working_copies: true\n  working_copies_max: 8"
    configure = daemon.configure

    def bounded(**settings):
        configure(**settings)
        daemon.config.write_text(daemon.config.read_text().replace("working_copies: true", text))
    daemon.configure = bounded
    daemon.start()
    app = many.client("app")
    for _ in range(3):
        for i in range(40):
            plaintext, wrapped = app.generate(f"app/many-{i}")
            assert app.unwrap(wrapped) == plaintext
