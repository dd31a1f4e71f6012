"""Secrets at rest: sealed with the worker's public key, so that the web can write them and never read them.

PyNaCl's `SealedBox` (X25519, XSalsa20-Poly1305). A sealed value in Python is an opaque `Sealed`, never text.
"""

import base64
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

if TYPE_CHECKING:
    _BinaryField = models.BinaryField[Any, Any]
else:
    _BinaryField = models.BinaryField


class Sealed:
    """An encrypted value; prints as `[sealed]`."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: bytes) -> None:
        self._cipher = cipher

    @property
    def cipher(self) -> bytes:
        """The ciphertext."""
        return self._cipher

    def __repr__(self) -> str:
        return "[sealed]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._cipher == other._cipher

    def __hash__(self) -> int:
        return hash(self._cipher)


class CannotOpen(Exception):
    """The sealed value doesn't fit the private key: another installation's, or the key was changed."""


def seal(plain: str) -> Sealed:
    """Seal a text for the worker."""
    key = PublicKey(base64.b64decode(settings.ESTIVA_SEALING_PUBLIC_KEY))
    return Sealed(SealedBox(key).encrypt(plain.encode("utf-8")))


def open_sealed(sealed: Sealed) -> str:
    """The plain text. Only a worker has the key; anywhere else this raises ImproperlyConfigured."""
    if not settings.ESTIVA_SEALING_PRIVATE_KEY:
        raise ImproperlyConfigured("ESTIVA_SEALING_PRIVATE_KEY is not set: only the worker opens sealed values.")
    key = PrivateKey(base64.b64decode(settings.ESTIVA_SEALING_PRIVATE_KEY))
    try:
        return SealedBox(key).decrypt(sealed.cipher).decode("utf-8")
    except CryptoError as error:
        raise CannotOpen("A sealed value can't be opened with this installation's private key.") from error


def new_key_pair() -> tuple[str, str]:
    """(public, private), base64: what ESTIVA_SEALING_PUBLIC_KEY and ESTIVA_SEALING_PRIVATE_KEY hold."""
    key = PrivateKey.generate()
    return base64.b64encode(bytes(key.public_key)).decode(), base64.b64encode(bytes(key)).decode()


class SealedField(_BinaryField):
    """A column of ciphertext whose Python value is `Sealed` (or None)."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        """Wrap what the database holds."""
        return None if value is None else Sealed(bytes(value))

    def get_prep_value(self, value: Any) -> Any:
        """Unwrap; anything but a Sealed is refused, so that a plain text can't be stored by mistake."""
        if value is None:
            return None
        if not isinstance(value, Sealed):
            raise TypeError("A SealedField takes a Sealed; use seal().")
        return super().get_prep_value(value.cipher)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """As BinaryField does, from a Sealed."""
        raw = value.cipher if isinstance(value, Sealed) else value
        return super().get_db_prep_value(raw, connection, prepared=True)
