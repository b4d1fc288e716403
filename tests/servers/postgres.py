"""A PostgreSQL server for tests, one per test process and started when first asked for; an empty database per test.

One rule governs this module: the server belongs to the tests alone. It has its own folder, port and user, takes
anybody on this machine without a password, and the kernel ends it with the process that started it.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

_SCRIPT = Path(__file__).parents[2] / "scripts" / "postgres.sh"
_START_S = 30.0
_USER = "dialer"
# Durable as in production; only what costs time and proves nothing is off.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "log_lock_waits": "on",
    "deadlock_timeout": "200ms",
}


def _unprivileged() -> list[str]:
    """What to put before a command so that it ends with this process, and is not root's: PostgreSQL refuses root."""
    ends_with_us = ["setpriv", "--pdeathsig=QUIT"]
    if os.geteuid() != 0:
        return ends_with_us
    nobody = pwd.getpwnam("nobody")
    return [*ends_with_us, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@dataclass(slots=True)
class PostgresServer:
    """A server in a folder of its own; it can be killed and started again, as a machine would.

    `settings` go beside those that all tests have, or before them.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=_free_port)
    _process: subprocess.Popen[bytes] | None = None
    _programs: Path = Path()
    _environ: dict[str, str] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def make(self) -> None:
        """Find or install the programs, and make the data folder."""
        said = subprocess.run(
            [_SCRIPT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True, timeout=280
        )
        programs, _, libraries = said.stdout.rstrip("\n").partition("\n")
        self._programs = Path(programs)
        self.folder.chmod(0o700)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        if libraries and not self._reaches(self._programs / "postgres"):
            root = self._programs.parents[4]  # .../usr/lib/postgresql/15/bin
            there = self.folder / "programs"
            shutil.copytree(root, there, symlinks=True)
            there.chmod(0o755)
            self._programs = there / self._programs.relative_to(root)
            libraries = str(there / Path(libraries).relative_to(root))
        keeps = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self._environ = keeps | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
        # Sorted as on a machine in use, not byte by byte: what leans on the order of text is found here.
        order = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        made = subprocess.run(
            [*self._command("initdb"), "-U", _USER, "--auth=trust", "--no-sync", *order],
            check=False,
            env=self._environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, f"initdb: {made.stdout}{made.stderr}"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        own = {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        settings = _SETTINGS | self.settings | own
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command("postgres"), *(f"--{name}={value}" for name, value in settings.items())],
                env=self._environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=0.02)
                is_over = self._process.poll() is not None or time.monotonic() > until
                assert not is_over, f"PostgreSQL did not start: {self.log()[-2000:]}"

    @property
    def pid(self) -> int:
        """The process that all others of the server descend from."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut of its machine's would: SIGKILL, and nothing is written any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; connections are cut."""
        self._end(signal.SIGINT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all its processes for a while, as a machine that hangs does: its kernel still takes what is sent."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        processes = [self.pid, *map(int, children)]  # the first: it makes no more of them
        try:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in reversed(processes):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def log(self) -> str:
        """What the server wrote."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def address(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"t{next(self._names)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.address(name)

    def copy_database(self, address: str) -> str:
        """Make a copy of a database that nobody uses and return its address."""
        name = f"t{next(self._names)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {address.rpartition('/')[2]}")
        return self.address(name)

    def shell(self, command: str) -> None:
        """Run a command line that names PostgreSQL's own programs."""
        environ = self._environ | {"PATH": f"{self._programs}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def drop(self, address: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        name = address.rpartition("/")[2]
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _command(self, name: str) -> list[str]:
        return [*_unprivileged(), str(self._programs / name), "-D", str(self.folder / "data")]

    def _reaches(self, program: Path) -> bool:
        """Whether the user that the server runs as can start a program: a clone below /root is closed to others."""
        return subprocess.run([*_unprivileged(), "test", "-x", program], check=False).returncode == 0


def _new_server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="dialer-pg-"))  # short: the path of a socket ends at 107 bytes
    server = PostgresServer(folder)
    try:
        server.make()
        while True:
            try:
                server.start()
                break
            except AssertionError:  # another process took the port between the look and the start
                if f"port {server.port}" not in server.log():
                    raise
                server.port = _free_port()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that all tests of this process share; never kill this one."""
    yield from _new_server()


@pytest.fixture
def postgres_address(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a fresh, empty database."""
    address = postgres_server.new_database()
    yield address
    postgres_server.drop(address)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server for one test alone, to be killed, frozen and started again."""
    yield from _new_server()
