"""Private keys: any of the usual forms in, what paramiko signs with out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from worker.engine.errors import AuthenticationRefused

if TYPE_CHECKING:
    from worker.connections.login import SshCredential

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def load_private_key(credential: SshCredential, host_name: str) -> paramiko.PKey:
    """The key to sign with: Ed25519, ECDSA or RSA, in OpenSSH, PKCS#1, SEC1 or PKCS#8 form."""
    pem = credential.private_key_pem.reveal().strip().encode() + b"\n"
    password = credential.passphrase.reveal().encode() if credential.passphrase else None
    try:
        load = serialization.load_ssh_private_key if pem.startswith(_OPENSSH) else serialization.load_pem_private_key
        key = load(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # the error's text stays out of the message: it may quote what it couldn't read
        raise _unusable(
            host_name, "It is damaged, of an unknown kind, or the passphrase is missing or wrong."
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _unusable(host_name, "Only Ed25519, ECDSA and RSA keys are used.")
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    text = io.StringIO(plain.decode())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return paramiko.Ed25519Key(file_obj=text)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(file_obj=text)
    return paramiko.RSAKey(file_obj=text)


def _unusable(host_name: str, why: str) -> AuthenticationRefused:
    return AuthenticationRefused(
        f"The private key for server {host_name} can't be used.",
        why=why,
        remedy="Replace the server's key on its page: paste another one, or let Estiva generate it.",
    )
