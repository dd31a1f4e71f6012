"""An SSH server of its own on a loopback port, with keys and authorized keys of its own; the machine's sshd is not touched."""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from parts.part import ProcessPart, remember
from parts.processes import PartError, Process, descendants, free_port, kill_all, port_answers, run, start_time

PRIVILEGE_SEPARATION = Path("/run/sshd")
SFTP_SERVERS = (
    Path("/usr/lib/openssh/sftp-server"),
    Path("/usr/libexec/openssh/sftp-server"),
    Path("/usr/lib/ssh/sftp-server"),
)


class SshServer(ProcessPart):
    """sshd for the current user, who logs in with the keys given to `authorize`.

    `options` override or add lines of its configuration, for example {"AllowStreamLocalForwarding": "no"}.
    """

    name = "sshd"
    address = "127.0.0.1"

    def __init__(self, folder: Path, port: int | None = None, *, options: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.port = port or free_port()
        self.user = getpass.getuser()
        self.authorized_keys = self.folder / "authorized_keys"
        self.log = self.folder / "sshd.log"
        self._host_key = self.folder / "host_key"
        self._options = dict(options or {})
        self._sessions: dict[int, str | None] = {}
        self.process = Process(["sshd"], log=self.log)

    def start(self) -> None:
        """Start listening; the host key is made the first time."""
        self.process = Process(self._command(self.prepare()), log=self.log)
        self.launch(lambda: port_answers(self.port, self.address))

    def prepare(self) -> list[str]:
        """Write its files; the command that starts it."""
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise PartError("sshd is not installed on this machine (Debian package openssh-server).")
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)  # sshd as root refuses to start without it
        if not self._host_key.exists():
            self._make_host_key()
        self.authorized_keys.touch(mode=0o600)
        config = self.folder / "sshd_config"
        config.write_text(self._config())
        return [program, "-D", "-e", "-f", str(config)]

    def stop(self) -> None:
        """End the server and every session it still has."""
        self.kill_connections()
        self.process.stop()

    def restart(self) -> None:
        """Restart the listener; sessions that are open live on, as with `systemctl restart ssh`."""
        self._note_sessions()
        self.process.stop()
        self.launch(lambda: port_answers(self.port, self.address))

    def kill_connections(self) -> None:
        """SIGKILL every session, as when the network or the machine drops them; the listener stays."""
        self._note_sessions()
        kill_all([pid for pid, started in self._sessions.items() if start_time(pid) == started])
        self._sessions.clear()

    def authorize(self, public_key_line: str) -> None:
        """Let the holder of this key in (one line as in authorized_keys)."""
        with self.authorized_keys.open("a") as keys:
            keys.write(f"{public_key_line.strip()}\n")

    def revoke_all(self) -> None:
        """Let nobody in any more; open sessions stay."""
        self.authorized_keys.write_text("")

    def change_host_key(self) -> None:
        """Present another host key from now on, as a reinstalled (or impersonated) server does."""
        self._host_key.unlink(missing_ok=True)
        self._make_host_key()
        self.restart()

    def fingerprint(self) -> str:
        """The host key's fingerprint as `ssh-keygen -l` shows it: SHA256:…"""
        return run(["ssh-keygen", "-l", "-f", f"{self._host_key}.pub"]).split()[1]

    def host_key_line(self) -> str:
        """The host key as `TYPE BASE64`."""
        return " ".join(self._host_key.with_suffix(".pub").read_text().split()[:2])

    def known_hosts_line(self) -> str:
        """The host key as a line of known_hosts, which writes port 22 in no other way than this."""
        where = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{where} {self.host_key_line()}"

    def _command(self, argv: list[str]) -> list[str]:
        """What starts it: another kind starts it elsewhere."""
        return argv

    def _note_sessions(self) -> None:
        """Remember the session processes: once the listener is restarted they are no longer its children."""
        if self.process.alive:
            for pid in descendants(self.process.pid):
                self._sessions[pid] = start_time(pid)
                remember(self.folder, pid)

    def _make_host_key(self) -> None:
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "estiva sample server", "-f", str(self._host_key)])

    def _config(self) -> str:
        lines = {
            "ListenAddress": f"{self.address}:{self.port}",
            "HostKey": str(self._host_key),
            "PidFile": str(self.folder / "sshd.pid"),
            "AuthorizedKeysFile": str(self.authorized_keys),
            "AllowUsers": self.user,
            "PermitRootLogin": "prohibit-password",
            "PubkeyAuthentication": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "yes" if _account_is_locked(self.user) else "no",
            "StrictModes": "no",
            "AllowTcpForwarding": "yes",
            "AllowStreamLocalForwarding": "yes",
            "UseDNS": "no",
            "PrintMotd": "no",
            "LogLevel": "VERBOSE",
        }
        sftp = next((path for path in SFTP_SERVERS if path.exists()), None)
        if sftp:
            lines["Subsystem"] = f"sftp {sftp}"
        lines.update(self._options)
        if lines["AllowUsers"] == self.user:
            # bash reads .bashrc for commands over SSH unless it believes to be a shell's shell, and what the user of this
            # machine has in it (a minute's worth of version managers) is none of a server's.
            lines["SetEnv"] = f'{lines.get("SetEnv", "")} "SHLVL=2"'.strip()
        return "".join(f"{name} {value}\n" for name, value in lines.items())


def _account_is_locked(user: str) -> bool:
    """Whether the account's password field begins with '!': sshd lets such a user in only through PAM."""
    try:
        rows = Path("/etc/shadow").read_text().splitlines()
    except (PermissionError, FileNotFoundError):
        return False
    return any(row.startswith(f"{user}:!") for row in rows)
