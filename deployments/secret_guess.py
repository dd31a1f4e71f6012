"""Which variables look like secrets: a suggestion for a form, never a decision."""

import re
from typing import Final

_TELLING_WORDS: Final = (
    "APIKEY AUTH CREDENTIAL CREDENTIALS DSN KEY PASS PASSPHRASE PASSWD PASSWORD PRIVATE PW PWD SALT SECRET TOKEN"
)
_TELLING: Final = frozenset(_TELLING_WORDS.split())
_HARMLESS: Final = frozenset({"PUBLIC", "FILE", "PATH", "ID", "NAME", "TTL", "EXPIRY", "LENGTH", "HOST", "PORT"})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_JOINED: Final = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|APIKEY)$")
_CREDENTIAL: Final = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}://[^/\s:@]{0,200}:[^/\s@]{1,200}@"  # a URL with a password
    r"|gh[pousr]_\w{20}|github_pat_|glpat-|xox[abprs]-|AKIA[0-9A-Z]{16}|sk-\w{16}|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.IGNORECASE,
)


def looks_secret(name: str, value: str = "") -> bool:
    """By the name's words (`DB_PASSWORD`, `apiKey`, `PGPASSWORD`), else by a value that can hardly be anything else."""
    words = [word.upper() for word in _WORDS.findall(name)][:50]
    if words and words[-1] in _HARMLESS | {"PUBLIC"}:
        return _CREDENTIAL.search(value[:4000]) is not None
    by_name = (
        "PUBLIC" not in words and any(word in _TELLING or _JOINED.search(word) for word in words) and name != "PWD"
    )
    return by_name or _CREDENTIAL.search(value[:4000]) is not None
