"""The login user's own authorized_keys, changed line by line: fixed commands, the text on their standard input.

Nothing here needs SFTP. The file is replaced by a rename, so that sshd never reads half of it.
"""

from typing import Final

from worker.connections.channels import Output
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.errors import HostError

_PATH: Final = ".ssh/authorized_keys"  # in the home folder, where commands begin
_MOST: Final = 1 << 18


class AuthorizedKeys:
    """Of the user that a session is logged in as. HostError in words where it can't be read or written."""

    def __init__(self, session: SshSession) -> None:
        self._session = session
        self._name, self._user = session.address.host_name, session.address.user

    def replace(self, old: str, new: str) -> bool:
        """Let `new` in wherever `old` is, under the same restrictions, beside it; False where `old` isn't.

        Both are `TYPE BASE64 [COMMENT]`. Where `new` is already, nothing changes.
        """
        lines = self._read()
        here = [line for line in lines if _holds(line, old)]
        if any(_holds(line, new) for line in lines):
            return True
        if not here:
            return False
        self._write([*lines, *(_instead(line, old, new) for line in here)], lines)
        return True

    def remove(self, key: str) -> bool:
        """Let this key in no more; False where it wasn't."""
        lines = self._read()
        left = [line for line in lines if not _holds(line, key)]
        if left == lines:
            return False
        self._write(left, lines)
        return True

    def _read(self) -> list[str]:
        said = self._run(["cat", self._path()], "read")
        text = said.stdout.decode("utf-8", "surrogateescape")
        return text.removesuffix("\n").split("\n") if text else []  # sshd's own notion of a line, not Unicode's

    def _write(self, lines: list[str], before: list[str]) -> None:
        """Through a file beside it, which takes over owner and mode; refused where somebody else wrote meanwhile."""
        path = self._path()
        beside = f"{path}.estiva"
        self._run(["cp", "-p", path, beside], "copied")
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        self._run(["tee", beside], "written", stdin=text)
        written = self._run(["cat", beside], "read").stdout
        if written != text:
            self._run(["rm", "-f", beside], "removed")
            raise self._failed("written", "what was written isn't what is there: is the disk full?")
        if self._read() != before:
            self._run(["rm", "-f", beside], "removed")
            raise self._failed("changed", "somebody else changed it at the same moment")
        self._run(["mv", "-f", beside, path], "replaced")

    def _path(self) -> str:
        said = self._session.run(["readlink", "-f", _PATH])
        path = said.stdout.decode("utf-8", "surrogateescape").strip()
        return path if said.exit_code == 0 and path.startswith("/") else _PATH

    def _run(self, argv: list[str], done: str, stdin: bytes | None = None) -> Output:
        try:
            said = self._session.run(argv, limit=_MOST, stdin=stdin)
        except (ChannelRefused, TimeoutError) as error:
            raise self._failed(done, str(error)) from error
        if said.exit_code != 0 or len(said.stdout) >= _MOST:
            raise self._failed(done, said.stderr.decode("utf-8", "replace").strip() or f"exit code {said.exit_code}")
        return said

    def _failed(self, done: str, why: str) -> HostError:
        return HostError(
            f"~{self._user}/.ssh/authorized_keys on server {self._name} could not be {done}.",
            why=f"The server said: {why}.",
            remedy="Let the user run commands and write that file; else put the new line there yourself, and take the "
            "old one out.",
        )


def _blob(key: str) -> str:
    return key.split()[1]


def _holds(line: str, key: str) -> bool:
    return _blob(key) in line.split() and not line.lstrip().startswith("#")


def _instead(line: str, old: str, new: str) -> str:
    """The line with another key: what stands before it, restrictions that may hold blanks in quotes, stays."""
    kind = old.split()[0]
    at = line.index(_blob(old))
    begin = line.rindex(kind, 0, at)
    return line[:begin] + new
