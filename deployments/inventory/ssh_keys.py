"""Key pairs for servers: made here, or pasted and read."""

from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from django.utils.translation import gettext as _

from deployments.errors import Refused

_LEAST_RSA_BITS = 2048
_NEEDS_PASSPHRASE = ("Password was not given", "Key is password-protected")


class KeyPair(NamedTuple):
    """`public` as one line of authorized_keys without a comment; `private` in OpenSSH's format, unencrypted: seal it."""

    public: str
    private: str


def generate() -> KeyPair:
    """A new ed25519 pair."""
    return _pair(ed25519.Ed25519PrivateKey.generate())


def read(text: str, passphrase: str = "") -> KeyPair:
    """A pasted private key, RSA, ECDSA or Ed25519, OpenSSH or PEM; Refused with the reason at its field.

    The passphrase is needed once, here: what is kept is sealed with the worker's key instead.
    """
    cleaned = text.replace("\r\n", "\n").strip() + "\n"
    if cleaned.startswith("PuTTY-User-Key-File"):
        raise Refused(
            _("This is a key in PuTTY's own format."),
            "private_key",
            _("Open it in PuTTYgen and choose Conversions, Export OpenSSH key."),
        )
    if "PRIVATE KEY-----" not in cleaned:
        raise Refused(
            _("This is no private key."),
            "private_key",
            _("Paste the whole file, from its BEGIN line to its END line, such as ~/.ssh/id_ed25519."),
        )
    key = _load(cleaned.encode(), passphrase.encode() or None)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA_BITS:
        raise Refused(
            _("This RSA key has %(bits)s bits; servers refuse less than 2048.") % {"bits": key.key_size}, "private_key"
        )
    if isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return _pair(key)
    raise Refused(_("Only RSA, ECDSA and Ed25519 keys can be used."), "private_key")


def _load(data: bytes, passphrase: bytes | None) -> object:
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        return load(data, passphrase)
    except UnsupportedAlgorithm as error:
        raise Refused(_("Only RSA, ECDSA and Ed25519 keys can be used."), "private_key") from error
    except TypeError as error:
        if passphrase is not None:  # it was given although the key has none: the key itself is fine
            return _load(data, None)
        raise Refused(_("This key is locked with a passphrase."), "passphrase", _("Enter it.")) from error
    except ValueError as error:
        if passphrase is None and any(each in str(error) for each in _NEEDS_PASSPHRASE):
            raise Refused(_("This key is locked with a passphrase."), "passphrase", _("Enter it.")) from error
        if passphrase is not None:
            raise Refused(_("The passphrase doesn't open this key."), "passphrase") from error
        raise Refused(
            _("This private key can't be read; a part may be missing."), "private_key", _("Paste the whole file again.")
        ) from error


def _pair(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> KeyPair:
    try:
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except (UnsupportedAlgorithm, ValueError) as error:
        raise Refused(
            _("SSH doesn't know this kind of ECDSA key; use nistp256, nistp384 or nistp521."), "private_key"
        ) from error
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return KeyPair(public.decode(), private.decode())
