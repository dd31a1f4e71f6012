"""A server's authorized_keys: another key comes in, one goes, and every other byte stays."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from worker.connections.authorized_keys import AuthorizedKeys
from worker.connections.channels import Output
from worker.connections.pool import SshSession

OLD, NEW = "ssh-ed25519 AAAAold estiva", "ssh-ed25519 AAAAnew estiva"


class Server:
    """The few commands that are run there, on files in memory."""

    def __init__(self, text: bytes) -> None:
        self.files = {"/home/d/.ssh/authorized_keys": text}
        self.address = SimpleNamespace(host_name="web-1", user="d")

    def run(self, argv: Sequence[str], stdin: bytes | None = None, **_limits: Any) -> Output:
        """As the server would."""
        name, path, said = argv[0], argv[-1], b""
        if name == "readlink":
            said = b"/home/d/.ssh/authorized_keys\n"
        elif name == "cat":
            said = self.files[path]
        elif name == "tee":
            self.files[path] = said = stdin or b""
        elif name in {"cp", "mv"}:
            self.files[path] = self.files[argv[-2]]
        return Output(0, said, b"")


@pytest.mark.parametrize(
    "others",
    [
        b"ssh-rsa AAAAa ana\x0cssh-rsa AAAAevil x\n",
        "ssh-rsa AAAAa ana\u2028ssh-rsa AAAAevil x\n".encode(),
        b"ssh-rsa AAAAa ana\x1e\xff\r\n# a remark\r\n\n",
    ],
)
def test_every_other_byte_stays(others: bytes) -> None:
    server = Server(others + OLD.encode() + b"\n")
    keys = AuthorizedKeys(cast("SshSession", server))
    assert keys.replace(OLD, NEW)
    assert keys.remove(OLD)
    assert server.files["/home/d/.ssh/authorized_keys"] == others + NEW.encode() + b"\n"
