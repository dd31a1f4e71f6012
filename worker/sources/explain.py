"""Git's and ssh's complaints, turned into what happened, why probably, and what to do."""

import base64
import hashlib
import re

from deployments.git_url import GitUrl
from worker.engine.spec import Secret
from worker.redact import Masker
from worker.sources.causes import CAUSES, LOGIN_HTTP, LOGIN_SSH
from worker.sources.errors import Damaged, GitRefused, Unexplained
from worker.sources.shapes import GitServer

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PROGRESS = re.compile(r"^(remote: )?[A-Z][a-z]+ing [a-z]+:\s+\d+")
_NOISE = re.compile(
    r"^(Please make sure you have the correct access rights|and the repository exists\.|Warning: Permanently added)"
    r"|^fatal: (Could not read from remote repository\.|the remote end hung up)|@@@|known_hosts|^remove with:|ssh-keygen -f"
    r"|IT IS POSSIBLE THAT|Someone could be eavesdropping|It is also possible|Please contact your system"
)
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s?'\"<>()]+")
_PASSWORD = re.compile(r"(?<=://)[^/\s@:'\"]*:[^/\s@'\"]*@")
_MOST_WORDS = 600


_ASKS = re.compile(r"could not read Username|returned error: 401|Authentication failed", re.IGNORECASE)
_DAMAGE = re.compile(
    r"is corrupt|is empty$|loose object|inflate|packfile .* cannot|pack has bad|index file|bad object|not a git repository"
    r"|unable to read (tree|sha1)|failed to (read|traverse)|could not (read|parse|get object info)|unable to parse|missing (blob|tree|commit)"
    r"|revision walk setup failed|not a tree object|bad config|bad (pack|ref)|shallow file has changed|unexpected (end of|eof)|error reading",
    re.IGNORECASE | re.MULTILINE,
)
_DAMAGE_IN_FETCH = re.compile(
    r"is corrupt|loose object|bad object|not a git repository: '|inflate|shallow file|bad config|unable to read tree|unresolved delta"
)


def remote_failure(server: GitServer, url: GitUrl, errors: str) -> GitRefused:
    """What to tell about a git that talked to a server and failed."""
    said = masked(errors, server)
    if (url.scheme != "ssh" and server.credential.token is None) and _ASKS.search(said):
        return GitRefused(
            "authentication",
            f"{url.place} asks for a login before it shows {url}.",
            why="The repository is private, or there is none at this address: servers answer both the same way.",
            remedy="Check the address. If it's private, give a token that may read it on the repository's page.",
        )
    login = LOGIN_SSH if url.scheme == "ssh" else LOGIN_HTTP
    for cause in CAUSES:
        if cause.pattern.search(said):
            words = {"url": url.text, "host": url.place, "login": login}
            why = _host_keys(server, said) if cause.kind == "host_key" else said
            return GitRefused(cause.kind, cause.message.format(**words), why=why, remedy=cause.remedy.format(**words))
    return Unexplained(
        "broken",
        f"{url} could not be fetched.",
        why=said,
        remedy="Those are git's own words. Try again, then look there.",
    )


def _host_keys(server: GitServer, said: str) -> str:
    """The two fingerprints beside each other; ssh's own words where it doesn't tell the new one."""
    shown = re.search(r"SHA256:[A-Za-z0-9+/]{43}", said)
    if server.host_key is None or shown is None:
        return said
    digest = hashlib.sha256(base64.b64decode(server.host_key[1])).digest()
    trusted = base64.b64encode(digest).decode().rstrip("=")
    return (
        f"Trusted: {server.host_key[0]} SHA256:{trusted}. Shown: {shown[0]}. "
        "The server was reinstalled, or somebody stands between."
    )


def local_failure(url: str, errors: str) -> GitRefused:
    """What to tell about a git that only read the mirror."""
    said = tidy(errors)
    if _DAMAGE.search(said) or not said:
        return Damaged(f"The worker's copy of {url} is damaged.", why=said)
    return GitRefused("broken", f"The worker's copy of {url} could not be read.", why=said)


def is_damage(errors: str) -> bool:
    """A fetch failed because of what the mirror already holds."""
    return bool(_DAMAGE_IN_FETCH.search(errors))


def masked(errors: str, server: GitServer) -> str:
    """The complaint without the credential, should a server have sent it back in its own words, or as it travelled."""
    for secret in (server.credential.token, server.credential.private_key_pem):
        if isinstance(secret, Secret) and len(secret.reveal()) >= 4:
            errors = Masker([secret.reveal()]).mask(errors).replace(secret.reveal(), "[redacted]")
    return tidy(re.sub(r"(?i)(authorization: \S+ )\S+", r"\1[redacted]", errors))


def bare(text: str) -> str:
    """Without what opens something in an address: a query (of pre-signed ones), a name with a password."""
    return _PASSWORD.sub("[redacted]@", _QUERY.sub("?…", text))


def tidy(errors: str) -> str:
    """The last lines that say something: without progress, repeated lines and control characters."""
    lines = [_CONTROL.sub("", line).strip() for line in re.split(r"[\r\n]+", errors)]
    kept = [bare(line) for line in dict.fromkeys(lines) if line and not _PROGRESS.match(line)]
    telling = [line for line in kept if not _NOISE.search(line)]
    return "\n".join(telling or kept)[-_MOST_WORDS:]
