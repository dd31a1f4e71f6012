"""What the web itself must read back, such as a webhook's secret: encrypted with ESTIVA_FIELD_KEY (MultiFernet).

What only a worker needs is sealed instead (`deployments.sealing`). Both are kept in a `SealedField`.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from deployments.sealing import CannotOpen, Sealed


def hide(plain: str) -> Sealed:
    """Encrypt a text with the newest key."""
    return Sealed(_cipher().encrypt(plain.encode("utf-8")))


def reveal(hidden: Sealed) -> str:
    """The plain text; CannotOpen where none of the keys fits."""
    try:
        return _cipher().decrypt(hidden.cipher).decode("utf-8")
    except InvalidToken as error:
        raise CannotOpen("A hidden value can't be read with this installation's ESTIVA_FIELD_KEY.") from error


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in settings.ESTIVA_FIELD_KEY.split(",")])
