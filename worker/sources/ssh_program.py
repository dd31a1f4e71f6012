"""The program that git starts for ssh: ours, which becomes `ssh` with a configuration that leaves nothing open.

`GIT_SSH` names a program and git hands it words, while `GIT_SSH_COMMAND` would be a text for a shell.
"""

import base64
import binascii
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from worker.engine.spec import Secret
from worker.sources.errors import GitRefused
from worker.sources.private import readable_as_file
from worker.sources.shapes import GitServer

ALIAS = "estiva-git-server"  # the pinned key is looked up under this name, whatever the server's own
_KEY_TYPE = re.compile(r"[a-z0-9][a-z0-9@.-]{2,60}")
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_PROGRAM = """#!{python} -IS
import os, sys
os.execv({ssh!r}, [{ssh!r}, "-F", {config!r}, *sys.argv[1:]])
"""
_CONFIG = """Host *
    BatchMode yes
    CanonicalizeHostname no
    CheckHostIP no
    ClearAllForwardings yes
    ConnectTimeout 15
    ControlMaster no
    ControlPath none
    ForwardAgent no
    GlobalKnownHostsFile /dev/null
    HostKeyAlgorithms {algorithms}
    HostKeyAlias {alias}
    IdentitiesOnly yes
    IdentityAgent none
    IdentityFile "{key}"
    KbdInteractiveAuthentication no
    PasswordAuthentication no
    PermitLocalCommand no
    PreferredAuthentications publickey
    ProxyCommand none
    ServerAliveCountMax 3
    ServerAliveInterval 15
    StrictHostKeyChecking yes
    UpdateHostKeys no
    UserKnownHostsFile "{known_hosts}"
"""


@contextmanager
def prepared(server: GitServer, folder: Path) -> Iterator[Path]:
    """The program's path, for this server: it asks for the pinned host key's type alone and offers one private key."""
    ssh = shutil.which("ssh")
    if ssh is None:
        raise GitRefused(
            "broken",
            "ssh is not installed where the worker runs.",
            remedy="Install the package “openssh-client” there, or use the repository's https:// address.",
        )
    key_type, key = _pinned(server)
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"{ALIAS} {key_type} {key}\n")
    with readable_as_file(_private_key(server.credential.private_key_pem, server.url), folder) as key_file:
        config = folder / "ssh_config"
        config.write_text(
            _CONFIG.format(
                algorithms="rsa-sha2-512,rsa-sha2-256" if key_type == "ssh-rsa" else key_type,
                alias=ALIAS,
                key=_quotable(key_file),
                known_hosts=_quotable(known_hosts),
            )
        )
        program = folder / "ssh"
        program.write_text(_PROGRAM.format(python=sys.executable, ssh=ssh, config=str(config)))
        program.chmod(0o700)
        yield program


def _pinned(server: GitServer) -> tuple[str, str]:
    """The trusted host key, checked letter by letter since it goes into files that ssh reads."""
    if server.host_key is None:
        raise GitRefused(
            "host_key",
            f"Nobody has trusted the host key of {server.url} yet. Nothing was sent to it.",
            remedy="Compare the fingerprint on the repository's page with the one its operator publishes, and trust it.",
        )
    key_type, key = server.host_key
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        key_type = ""
    if not _KEY_TYPE.fullmatch(key_type):
        raise GitRefused(
            "host_key", f"The host key on record for {server.url} is no host key.", remedy="Trust it anew."
        )
    return key_type, key


def _private_key(pem: Secret | None, url: str) -> bytes:
    """The key in OpenSSH's own form, whatever form it was pasted in."""
    if pem is None:
        raise GitRefused(
            "authentication",
            f"{url} is reached over ssh, and there is no key for it.",
            remedy="Let Estiva generate a deploy key on the repository's page, and add its public half at the Git server.",
        )
    text = pem.reveal().strip().encode() + b"\n"
    load = serialization.load_ssh_private_key if text.startswith(_OPENSSH) else serialization.load_pem_private_key
    try:
        key = load(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # the error's text stays out of the message: it may quote what it couldn't read
        raise _unusable(url) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _unusable(url)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _unusable(url: str) -> GitRefused:
    return GitRefused(
        "authentication",
        f"The private key for {url} can't be used.",
        why="It is damaged, of an unknown kind, or protected by a passphrase. Ed25519, ECDSA and RSA keys are used.",
        remedy="Let Estiva generate a deploy key on the repository's page, or paste another one.",
    )


def _quotable(path: Path) -> str:
    """A path within quotes in ssh's configuration, where “%” begins a token."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
