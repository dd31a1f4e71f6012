"""Fingerprints of server keys, and whether a line that somebody pasted speaks of the key a server showed.

The admin confirms a server's key once, comparing it with what they know from elsewhere: the output of
`ssh-keygen -lf`, what `ssh` asks at a first connection, a line of `known_hosts` (hashed or not) or a `.pub` file.
A comparison must not be talked into a yes: a revoked key, a certificate authority, or several keys of one kind (a
whole `known_hosts`, say) never match. Names in a `known_hosts` line are not compared, since a server has many.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_KINDS: Final = {
    "ssh-ed25519": "ED25519",
    "ssh-rsa": "RSA",
    "rsa-sha2-256": "RSA",
    "rsa-sha2-512": "RSA",
    "ssh-dss": "DSA",
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
    "sk-ssh-ed25519@openssh.com": "ED25519-SK",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
}
_FINGERPRINT: Final = re.compile(r"(?i:\bSHA256:)([A-Za-z0-9+/]{43})(?![A-Za-z0-9+/])")
_BARE_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9+/]{43})=?")
_KIND: Final = re.compile(r"\(([A-Z0-9-]+)\)$|^([A-Z0-9-]+) key fingerprint is ")
_MD5: Final = re.compile(r"(?i)(?<![0-9a-f:])(?:MD5:)?[0-9a-f]{2}(?::[0-9a-f]{2}){15}(?![0-9a-f:])")
_PRIVATE_KEY: Final = re.compile(r"BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File")
# `ssh-keygen -lv` draws the key below its fingerprint; `|1|` begins a hashed known_hosts line instead.
_NO_CONTENT: Final = re.compile(r"#|\+-|\|(?!1\|)")
_HOW: Final = _(
    "On the server run: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, and paste the line it prints; "
    "a known_hosts line of a computer that knows the server does as well."
)


class FingerprintError(ValueError):
    """Why a key or a pasted text can't be read; `code` is stable, `message` is for the person who pasted it."""

    def __init__(self, code: str, message: "StrPromise | str") -> None:
        super().__init__(code)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True, slots=True)
class PastedKey:
    """One key that a pasted text speaks of; `kind` ("ED25519", "RSA", …) is None for a bare fingerprint."""

    fingerprint: str
    kind: str | None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """The pasted text speaks of the key that the server showed."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """It doesn't, or that can't be told; `reason` says which and what to do, `code` is stable.

    Only the codes "different" and "revoked" mean that the server's key is wrong.
    """

    code: str
    reason: "StrPromise | str"


def fingerprint(key_base64: str) -> str:
    """The SHA-256 fingerprint of a public key's blob as OpenSSH prints it, `SHA256:` and 43 characters.

    FingerprintError if this is no public key.
    """
    return _fingerprint_of(_decoded(key_base64))


def kind_of(key_type: str) -> str:
    """The name `ssh-keygen -l` gives a key type: "ED25519" for `ssh-ed25519`; an unknown type names itself."""
    return _KINDS.get(key_type, key_type)


def parse_pasted(text: str) -> frozenset[PastedKey]:
    """Every key the text speaks of, never empty; raises FingerprintError where there is none or a line misleads."""
    if _PRIVATE_KEY.search(text):
        raise FingerprintError(
            "private_key",
            _(
                "This is a private key. It is not needed here and has not been kept; since it was copied, "
                "consider replacing it. Paste the line that “ssh-keygen -lf” prints for the server's .pub file."
            ),
        )
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _NO_CONTENT.match(line)]
    keys = frozenset(key for line in lines for key in _keys_in(line))
    if keys:
        return keys
    if not lines:
        raise FingerprintError("empty", _how_to(_("Nothing was pasted that could be compared.")))
    if any(_MD5.search(line) for line in lines):
        raise FingerprintError(
            "md5",
            _(
                "This is an MD5 fingerprint, which can be forged. Get the SHA-256 one on the server: "
                "ssh-keygen -l -E sha256 -f /etc/ssh/ssh_host_ed25519_key.pub"
            ),
        )
    raise FingerprintError("unreadable", _how_to(_("There is no fingerprint or key in what was pasted.")))


def matches(pasted_text: str, key_type: str, key_base64: str) -> Match | Mismatch:
    """Compare what was pasted with the key a server showed; FingerprintError only if that key itself is broken."""
    shown = PastedKey(fingerprint(key_base64), kind_of(key_type))
    try:
        pasted = parse_pasted(pasted_text)
    except FingerprintError as error:
        return Mismatch(error.code, error.message)
    if any(key.revoked and key.fingerprint == shown.fingerprint for key in pasted):
        return Mismatch(
            "revoked", _("This key is marked @revoked in what was pasted. Don't trust a server that shows it.")
        )
    valid = [key for key in pasted if not key.revoked]
    if not valid:
        return Mismatch("unreadable", _how_to(_("What was pasted only revokes another key.")))
    rivals = [key for key in valid if key.kind in (None, shown.kind)]
    fingerprints = {key.fingerprint for key in rivals}
    if len(fingerprints) > 1:
        return _several(len(fingerprints))
    if shown.fingerprint in fingerprints:
        return Match(shown.fingerprint)
    return _different(rivals[0], shown) if rivals else _other_kind(valid, shown)


def _several(count: int) -> Mismatch:
    return Mismatch(
        "several",
        format_lazy(
            _("There are {count} different keys in this that could be the server's. Paste only this server's line."),
            count=count,
        ),
    )


def _different(pasted: PastedKey, shown: PastedKey) -> Mismatch:
    return Mismatch(
        "different",
        format_lazy(
            _(
                "The server showed {shown}, but what was pasted is {pasted}. "
                "Don't go on until you know why: another machine may be answering at this address, "
                "the server may have been set up anew, or the line belongs to another server or key type."
            ),
            shown=f"{shown.fingerprint} ({shown.kind})",
            pasted=f"{pasted.fingerprint} ({pasted.kind})" if pasted.kind else pasted.fingerprint,
        ),
    )


def _other_kind(pasted: Iterable[PastedKey], shown: PastedKey) -> Mismatch:
    return Mismatch(
        "other_kind",
        format_lazy(
            _(
                "What was pasted is for a key of type {pasted}; the server showed its {shown} key. "
                "Paste the {shown} line."
            ),
            pasted=", ".join(sorted({key.kind or "" for key in pasted})),
            shown=shown.kind,
        ),
    )


def _keys_in(line: str) -> list[PastedKey]:
    """The keys of one line; none in the prose around them, as when the whole of `ssh`'s question is pasted."""
    if line.startswith("@cert-authority"):
        raise FingerprintError(
            "certificate", _how_to(_("This line is about a certificate authority, not about a server's own key."))
        )
    if key := _public_key_in(line):
        return [replace(key, revoked=line.startswith("@revoked"))]
    if bare := _BARE_FINGERPRINT.fullmatch(line):
        return [PastedKey(f"SHA256:{bare.group(1)}", None)]
    kind = _KIND.search(line)
    name = (kind.group(1) or kind.group(2)) if kind else None
    return [PastedKey(f"SHA256:{found}", name) for found in _FINGERPRINT.findall(line)]


def _public_key_in(line: str) -> PastedKey | None:
    """The key of a known_hosts, authorized_keys or .pub line: a type followed by the blob that begins with it."""
    words = line.split()
    for key_type, blob in pairwise(words):
        if "-cert-v01@openssh.com" in key_type:
            raise FingerprintError("certificate", _how_to(_("This is a certificate, not a server's own key.")))
        if key_type not in _KINDS:
            continue
        data = _decoded(blob)
        if _type_in(data) != key_type:
            raise FingerprintError(
                "key",
                format_lazy(_("The key says it is {type}, but its content is another. Copy it again."), type=key_type),
            )
        return PastedKey(_fingerprint_of(data), kind_of(key_type))
    return None


def _how_to(what: "StrPromise") -> "StrPromise | str":
    return format_lazy("{what} {how}", what=what, how=_HOW)


def _decoded(key_base64: str) -> bytes:
    try:
        data = base64.b64decode(key_base64.strip(), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not _type_in(data):
        raise FingerprintError("key", _("The key is cut off or damaged: copy the whole line again."))
    return data


def _type_in(data: bytes) -> str:
    """The key type a blob begins with (a length in four bytes, then the name), or "" if it is no blob."""
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size].decode("ascii", "replace") if 0 < size < len(data) - 4 else ""


def _fingerprint_of(data: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(data).digest()).decode("ascii").rstrip("=")
