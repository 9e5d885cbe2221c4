# SPDX-License-Identifier: Apache-2.0
"""One wardd: configuration, start, stop, kill, and what it says of itself."""
import json
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

from . import processes


class Daemon:
    def __init__(self, deployment, node: str = "node-1", **settings):
        self.deployment, self.node, self.settings = deployment, node, settings
        self.port, self.metrics_port = processes.free_port(), processes.free_port()
        self.config = deployment.folder / f"{node}.yaml"
        self.log = deployment.folder / f"{node}.log"
        self.process = None

    def configure(self, **settings) -> None:
        """Settings: hsm_module, helper, pin_file, workers, deadline_ms, genesis_sha256, log_level, client_ca, extra."""
        s = {**self.settings, **settings}
        d = self.deployment
        self.config.write_text(f"""node: {self.node}
listen: 127.0.0.1:{self.port}
metrics_listen: 127.0.0.1:{self.metrics_port}
log_level: {s.get("log_level", "debug")}
tls:
  certificate: {d.folder}/wardd.pem
  key: {d.folder}/wardd.key
  client_ca: {s.get("client_ca", d.folder / "ca.pem")}
{s.get("tls", "")}
database:
  conninfo: "{d.postgres.conninfo("ward_daemon")}"
  readers: 2
hsm:
  module: {s.get("hsm_module", d.module)}
  token_label: ward
  pin_file: {s.get("pin_file", d.token.pin_file)}
  helper: {s.get("helper", d.binary("ward-hsm"))}
  workers: {s.get("workers", 1)}
  deadline_ms: {s.get("deadline_ms", 10000)}
  working_copies: true
{s.get("hsm", "")}
policy:
  genesis: {d.policy}
  genesis_sha256: {s.get("genesis_sha256", d.policy_sha256)}
{s.get("extra", "")}""")

    def spawn(self, environment=None, arguments=(), **settings) -> None:
        """Starts it and does not wait."""
        assert self.process is None or self.process.poll() is not None
        self.configure(**settings)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.deployment.binary("wardd"), "--config", self.config, *arguments], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**self.deployment.token.environment(), **(environment or {})})

    def start(self, environment=None, arguments=(), **settings) -> "Daemon":
        self.spawn(environment, arguments, **settings)
        self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 60) -> None:
        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"wardd ended with {self.process.returncode}:\n{self.log_tail()}")
            return self.http("/ready")[0] == 200
        try:
            processes.wait_until(ready, seconds, "wardd is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None

    def wait_refused(self) -> None:
        """It says why, and ends."""
        processes.wait_until(lambda: not self.running(), 30, lambda: f"wardd refuses to start\n{self.log_tail()}")
        assert self.process.returncode == 1, self.process.returncode

    def wait_not_ready(self, seconds: float = 10) -> None:
        processes.wait_until(lambda: self.http("/ready")[0] != 200, seconds, "wardd says that it is not ready")

    def http(self, path: str) -> tuple:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> str:
        return self.http("/metrics")[1]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def target(self) -> str:
        return f"localhost:{self.port}"

    def helpers(self) -> list:
        return [pid for pid in processes.children(self.pid) if "ward-hsm" in processes.command_line(pid)]

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM, and its exit status."""
        if not self.running():
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM: wardd did not end within {seconds} s\n{self.log_tail()}") from None

    def kill(self) -> None:
        if self.running():
            helpers = self.helpers()
            self.process.kill()
            self.process.wait()
            # A helper dies with its parent; wait, so that the token is free.
            processes.wait_until(lambda: not any(map(processes.alive, helpers)), 5, "helpers die with the daemon")

    def hangup(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def log_tail(self, size: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""


def genesis(deployment) -> dict:
    """What `wardd --genesis` printed; raises with what it said when it failed."""
    daemon = Daemon(deployment, "genesis")
    daemon.configure()
    result = subprocess.run([deployment.binary("wardd"), "--config", daemon.config, "--genesis", "--owner",
                             deployment.postgres.conninfo("ward_owner")], env=deployment.token.environment(),
                            capture_output=True, text=True, timeout=60, check=False)
    if result.returncode != 0:
        raise AssertionError(f"genesis ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return json.loads(result.stdout.strip().split("\n")[-1])


def sanitized(name: str) -> bool:
    """A sanitizer's build links in another way, makes mlock do nothing, and has terabytes of shadow memory."""
    symbols = subprocess.run(["readelf", "-W", "--dyn-syms", find_binary(name)], check=True, capture_output=True,
                             text=True).stdout
    return any(mark in symbols for mark in ("__asan_", "__tsan_", "__ubsan_"))


def has_failpoints() -> bool:
    """Was it built with -Dfailpoints=true?"""
    return b"WARD_FAILPOINT" in find_binary("wardd").read_bytes()


def find_binary(name: str) -> pathlib.Path:
    build = pathlib.Path(os.environ.get("WARD_BUILD", pathlib.Path(__file__).resolve().parents[3] / ".state/build"))
    for path in (build / "server" / name, build / "client/cli" / name, build / "backends/pkcs11" / name, *build.rglob(name)):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise AssertionError(f"{name} is not in {build}; set WARD_BUILD")
