"""An image's tags, newest first, with digest, age, size and platforms: as many as can be looked at in the time there is."""

import hashlib
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from worker.registries.client import RegistryClient, RegistryRefused, read_json

LOOKED_AT: Final = 60
"""Tags whose manifests are read; of the others the name is known alone."""
MOST_NAMES: Final = 5000
AT_ONCE: Final = 6
_PAGES: Final = 20
_INDEXES: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_ACCEPT: Final = ", ".join((*_INDEXES, *_MANIFESTS))
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}")
_PART: Final = re.compile(r"(\d+)")
_FIRST_HONEST_YEAR: Final = 1990  # reproducible builds are "made" in 1970 or 1980


@dataclass(frozen=True, slots=True)
class Tag:
    """One; `size` is what a pull for the first platform downloads, in bytes; `created` is RFC 3339, "" where unknown."""

    name: str
    digest: str = ""
    created: str = ""
    size: int | None = None
    platforms: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the Operation's result."""
        return {
            "tag": self.name,
            "digest": self.digest,
            "created": self.created,
            "size": self.size,
            "platforms": list(self.platforms),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The tags that were looked at, newest first, and the names of the others."""

    tags: Sequence[Tag]
    names: Sequence[str]
    total: int

    @property
    def is_complete(self) -> bool:
        """Every tag was looked at."""
        return not self.names and len(self.tags) == self.total


def find(client: RegistryClient, seconds: float, *, most: int = LOOKED_AT) -> Found:
    """List the tags and look at those that are probably newest, for so long; RegistryRefused where there is no list."""
    until = time.monotonic() + seconds
    names = sorted(_names(client), key=_rank, reverse=True)
    wanted = names[:most]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tags") as executor:
        looked = list(executor.map(lambda name: _look(client, name, until), wanted))
    tags = sorted((each for each in looked if each is not None), key=lambda each: each.created, reverse=True)
    seen = {each.name for each in tags}
    return Found(tags, [name for name in names if name not in seen], len(names))


def _rank(name: str) -> tuple[bool, list[tuple[bool, int, str]]]:
    """Versions by their numbers, `latest` before all."""
    parts = [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in _PART.split(name) if part]
    return name == "latest", parts


def _names(client: RegistryClient) -> list[str]:
    names: list[str] = []
    path = f"{client.repository}/tags/list?n=1000"
    for _ in range(_PAGES):
        answer = client.get(path)
        listed = read_json(answer.body, client.host).get("tags") or []
        names += [each for each in listed if isinstance(each, str) and _TAG.fullmatch(each)]
        path = _next(answer.headers.get("Link", ""), path)
        if not path or len(names) >= MOST_NAMES:
            break
    return list(dict.fromkeys(names))[:MOST_NAMES]


def _next(link: str, path: str) -> str:
    """The next page's path below /v2/; "" at the end, or where it leads elsewhere."""
    found = re.match(r'\s*<([^>]+)>;\s*rel="?next"?', link)
    if not found:
        return ""
    parts = urlsplit(urljoin(f"/v2/{path}", found[1]))
    wanted = f"{parts.path}?{parts.query}".removeprefix("/v2/")
    return wanted if wanted.partition("?")[0] == path.partition("?")[0] else ""


def _look(client: RegistryClient, name: str, until: float) -> Tag | None:
    """None where it couldn't be looked at any more."""
    if time.monotonic() > until:
        return None
    try:
        return _read(client, name)
    except RegistryRefused as refused:
        return Tag(name) if refused.status else None
    except (KeyError, TypeError, ValueError, AttributeError):  # a manifest of a kind we don't know
        return Tag(name)


def read(client: RegistryClient, name: str) -> Tag:
    """One tag; RegistryRefused where the registry doesn't tell."""
    try:
        return _read(client, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryRefused(f"The manifest of {client.repository}:{name} was not understood.") from error


def _read(client: RegistryClient, name: str) -> Tag:
    manifest, digest = _manifest(client, name)
    platforms: tuple[str, ...] = ()
    if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
        variants = [each for each in manifest["manifests"] if _platform(each["platform"])]
        platforms = tuple(dict.fromkeys(_platform(each["platform"]) for each in variants))
        first = min(variants, key=lambda each: _platform(each["platform"]) != "linux/amd64")
        manifest, _ = _manifest(client, _checked(first["digest"]))
    config = read_json(
        client.get(f"{client.repository}/blobs/{_checked(manifest['config']['digest'])}").body, client.host
    )
    size = int(manifest["config"]["size"]) + sum(int(each["size"]) for each in manifest["layers"])
    return Tag(name, digest, _moment(str(config.get("created") or "")), size, platforms or (_platform(config),))


def _manifest(client: RegistryClient, reference: str) -> tuple[dict[str, Any], str]:
    answer = client.get(f"{client.repository}/manifests/{reference}", accept=_ACCEPT)
    return read_json(answer.body, client.host), f"sha256:{hashlib.sha256(answer.body).hexdigest()}"


def _checked(digest: object) -> str:
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError("no digest")
    return digest


def _platform(found: dict[str, Any]) -> str:
    """`linux/arm64/v8`; "" for what is no platform, such as an attestation."""
    parts = [str(found.get(name) or "") for name in ("os", "architecture", "variant")]
    known = all(part and part != "unknown" for part in parts[:2]) and all(len(part) < 40 for part in parts)
    return "/".join(part for part in parts if part) if known else ""


def _moment(text: str) -> str:
    """As RFC 3339 in seconds, so that texts sort as moments; "" for none, and for the beginning of time."""
    try:
        moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text))
        return moment.astimezone(UTC).isoformat(timespec="seconds") if moment.year >= _FIRST_HONEST_YEAR else ""
    except (ValueError, OverflowError):
        return ""
