"""A throwaway PostgreSQL on a loopback port: for tests without durability, for what is measured as production has it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
from pathlib import Path

from parts.part import ProcessPart
from parts.processes import PartError, Process, free_port, run

ROLE = "estiva"
DEBIAN_VERSIONS = Path("/usr/lib/postgresql")
# A commit must outlive a crash of the server, as in production, though not of the machine: so synchronous_commit stays on
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
PRODUCTION_SETTINGS = {"max_connections": "300"}  # as in docker-compose.yml: all else is PostgreSQL's default


class Postgres(ProcessPart):
    """PostgreSQL in `folder`, run as the user `postgres` where we are root (it refuses to be root).

    A `durable` one writes as production's does; of the others a crash of the machine may leave nothing.
    """

    name = "postgres"

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = False) -> None:
        super().__init__(folder)
        self._durable = durable
        self.port = port or free_port()
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.also = ""  # another address of this machine to listen at, for the /24 that it is in
        self.log = self.folder / "postgres.log"
        self._data = self.folder / "data"
        self.process = Process(["postgres"], log=self.log)

    def url(self, database: str = "postgres", address: str = "127.0.0.1") -> str:
        """The address of one of its databases, as in ESTIVA_DATABASE_URL."""
        return f"postgres://{ROLE}@{address}:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster the first time (a second or so), start it, wait until it takes connections."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        if self.also:
            self._let_in(f"{self.also}/24")
        settings = {
            **(PRODUCTION_SETTINGS if self._durable else FAST_SETTINGS),
            "listen_addresses": f"127.0.0.1,{self.also}".rstrip(","),
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.process = Process(
            [program("postgres"), "-D", str(self._data), *words], log=self.log, user=self._other_user(), cwd=self._data
        )
        self.launch(self.answers)

    def stop(self) -> None:
        """End it at once; connections are dropped."""
        self.process.stop(number=signal.SIGINT)

    def restart(self, *, immediate: bool = False) -> None:
        """Restart; `immediate` is a crash: it recovers from its log on the way up."""
        self.process.stop(number=signal.SIGQUIT if immediate else signal.SIGINT)
        self.start()

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            run([program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE])
        except PartError:
            return False
        return True

    def _let_in(self, network: str) -> None:
        rules, line = self._data / "pg_hba.conf", f"host all all {network} trust\n"
        if line not in rules.read_text():
            with rules.open("a") as file:
                file.write(line)

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        if user := self._other_user():
            shutil.chown(self._data, user)
        words = [
            "--data-checksums" if self._durable else "--no-sync",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            f"--username={ROLE}",
            "-D",
            str(self._data),
        ]
        run([program("initdb"), *words], user=self._other_user(), cwd=self._data)

    def _other_user(self) -> str | None:
        return self.user if os.geteuid() == 0 else None


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs; Debian keeps them off the PATH, by version."""
    versions = sorted(
        DEBIAN_VERSIONS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]) if path.parts[-3].isdecimal() else 0
    )
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise PartError(f"PostgreSQL's {name} is not installed on this machine (Debian package postgresql).")
    return found
