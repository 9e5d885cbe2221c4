# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL cluster on a unix socket, that can be stopped, killed and started again."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from . import processes, template

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0777
fsync = on
shared_buffers = 64MB
min_wal_size = 128MB
max_connections = 60
log_min_error_statement = panic
restart_after_crash = on
"""


class Postgres:
    def __init__(self, folder: pathlib.Path, source: pathlib.Path = None):
        """source: the folder of another cluster, which does not run, of which this is to be a copy."""
        self.folder = folder
        self.data = folder / "data"
        self.user = "postgres" if processes.is_root() else pwd.getpwuid(os.geteuid()).pw_name
        if source:
            template.copy(source, folder)
            self._write("postgresql.conf", SETTINGS.format(socket=folder))
            self.start()
        else:
            self._make()

    def _make(self) -> None:
        folder = self.folder
        folder.mkdir()
        if processes.is_root():
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8", "-N")
        self._write("postgresql.conf", SETTINGS.format(socket=folder))
        self._write("pg_hba.conf", "local all all peer map=ward\n")
        me = pwd.getpwuid(os.geteuid()).pw_name
        daemons = {me, "nobody"} if processes.is_root() else {me}
        self._write("pg_ident.conf", "".join(f"ward {os_user} {role}\n" for os_user, role in
                                             [(self.user, "postgres"), (me, "ward_owner"), *((d, "ward_daemon") for d in sorted(daemons))]))
        self.start()
        for sql in ("CREATE ROLE ward_owner LOGIN", "CREATE ROLE ward_daemon LOGIN", "CREATE DATABASE ward OWNER ward_owner"):
            self.sql(sql, database="postgres")

    def _command(self, tool: str, *arguments) -> list:
        lend = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if processes.is_root() else []
        return [*lend, str(BIN / tool), *map(str, arguments)]

    def _run(self, tool: str, *arguments, check: bool = True) -> str:
        result = subprocess.run(self._command(tool, *arguments), cwd="/", capture_output=True, text=True,
                                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"{tool}: {result.stdout}{result.stderr}")
        return result.stdout

    def _write(self, name: str, content: str) -> None:
        path = self.data / name
        path.write_text(content)
        if processes.is_root():
            shutil.chown(path, "postgres")

    def conninfo(self, role: str) -> str:
        return f"host={self.folder} dbname=ward user={role}"

    def sql(self, statement: str, database: str = "ward", role: str = "postgres") -> str:
        """Unaligned rows; one psql a call is slow and enough."""
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", role,
                         "-d", database, "-c", statement).strip()

    def start(self) -> None:
        def started() -> bool:
            # After a kill the old segment may be in use for a moment: ask again.
            log = self.folder / "start.log"
            with open(log, "w", encoding="utf-8") as out:
                return subprocess.run(self._command("pg_ctl", "-D", self.data, "-l", self.folder / "server.log", "-w",
                                                    "-t", 60, "start"), cwd="/", stdout=out, stderr=out, check=False,
                                      stdin=subprocess.DEVNULL).returncode == 0
        try:
            processes.wait_until(started, 60, "PostgreSQL starts", every=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{(self.folder / 'server.log').read_text()[-2000:]}") from None

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", 30, "stop", check=False)

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split("\n")[0])

    def kill(self) -> None:
        """kill -9 of the postmaster and of the backends that it started."""
        postmaster = self.pid()
        assert "postgres" in processes.command_line(postmaster)
        os.kill(postmaster, signal.SIGSTOP)  # it starts no more while we count
        victims = [postmaster, *processes.children(postmaster)]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        processes.wait_until(lambda: not any(map(processes.alive, victims)), 10, "PostgreSQL is dead")

    def close(self) -> None:
        self.stop("immediate")
