"""What all kinds need to read a request: its headers, its JSON, texts out of it, and a comparison that takes no time to learn from.

Whatever comes out fits both databases (no NUL, no half characters) and is cut to a length. Pure.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from deployments.webhooks.push import LONGEST_KEPT, LONGEST_PATH, MOST_PATHS, Malformed, Unauthentic

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LONGEST_ID: Final = 120
_LONGEST_REF: Final = 250


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What arrived: headers by their names in lower case, and the body as it was sent."""

    headers: Mapping[str, str]
    body: bytes
    at: float  # seconds since 1970

    def header(self, name: str) -> str:
        """One header's value, "" where it isn't there."""
        return self.headers.get(name.lower(), "").strip()

    def delivery_id(self, *names: str) -> str:
        """The sender's number of this delivery: the first of these headers that is there, else the body's own hash."""
        sent = next((value for name in names if (value := self.header(name))), "")
        return checked_id(sent) if sent else f"body-{hashlib.sha256(self.body).hexdigest()[:40]}"


def signature_of(secret: str, body: bytes) -> str:
    """HMAC-SHA-256 in hex: what GitHub, Gitea and the plain kind sign with."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_same(sent: str, expected: str, missing: str) -> None:
    """Unauthentic unless both texts are equal; how long it takes says nothing. `missing` is the reason where none came."""
    if not sent:
        raise Unauthentic(missing)
    if not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), expected.encode()):
        raise Unauthentic("The secret or signature is not this hook's.")


def checked_id(text: str) -> str:
    """A delivery id that can be kept: a long or odd one by its hash."""
    if len(text) <= _LONGEST_ID and text.isascii() and text.isprintable():
        return text
    return f"hash-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def json_of(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; Malformed when it is anything else."""
    try:
        read = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise Malformed("The JSON is nested too deeply.") from None
    except ValueError as error:  # also bytes that are no UTF-8, and numbers of thousands of digits
        raise Malformed(f"The body is no JSON: {clean(str(error), 160)}") from error
    if not isinstance(read, dict):
        raise Malformed("The body is JSON, but no object.")
    return read


def form_or_json(request: WebhookRequest) -> dict[str, Any]:
    """As `json_of`; a form is taken too, with the JSON in its field `payload`, as GitHub and Gitea send it when told to."""
    if not request.header("content-type").lower().startswith("application/x-www-form-urlencoded"):
        return json_of(request.body)
    try:
        fields = parse_qs(request.body.decode("utf-8"), max_num_fields=20)
    except ValueError as error:
        raise Malformed(f"The form can't be read: {clean(str(error), 160)}") from error
    if not fields.get("payload"):
        raise Malformed("The form has no field “payload”.")
    return json_of(fields["payload"][0].encode("utf-8", "surrogatepass"))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def clean(text: str, longest: int) -> str:
    """Without what a database can't hold, cut to a length."""
    return text[:longest].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def text_at(tree: Mapping[str, Any], *path: str, longest: int = 300) -> str:
    """The text at this path of nested objects, "" where there is none or something else."""
    found: Any = tree
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return clean(found, longest) if isinstance(found, str) else ""


def object_at(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object of that name, {} where there is none."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def objects_at(tree: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in the list of that name, [] where there is none."""
    found = tree.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def commit_at(tree: Mapping[str, Any], *path: str) -> str:
    """The commit at this path: "" where there is none or it is all zeros; Malformed for what is no commit."""
    text = text_at(tree, *path)
    if not text or not text.strip("0"):
        return ""
    if not _COMMIT.fullmatch(text):
        raise Malformed(f"“{'.'.join(path)}” is no commit.")
    return text


def branch_or_tag(ref: str) -> tuple[str, str]:
    """(branch, tag) of `refs/heads/…` or `refs/tags/…`, one of them ""; both "" for any other ref."""
    if len(ref) > _LONGEST_REF:
        raise Malformed("The branch's or tag's name is too long.")
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""
    tag = ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else ""
    return branch, tag


def paths_of(commits: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """The paths that these commits added, changed or removed, and whether those are all."""
    found: dict[str, None] = {}
    size = 0
    for commit in commits:
        for name in ("added", "modified", "removed"):
            paths = commit.get(name)
            if not isinstance(paths, list):
                return tuple(found), False
            for path in paths:
                size += len(path) if isinstance(path, str) else 0
                too_many = len(found) >= MOST_PATHS or size > LONGEST_KEPT
                if not isinstance(path, str) or len(path) > LONGEST_PATH or too_many:
                    return tuple(found), False
                found[clean(path, LONGEST_PATH)] = None
    return tuple(found), True


def urls_of(*urls: str) -> tuple[str, ...]:
    """Those that are there, each once."""
    return tuple(dict.fromkeys(url for url in urls if url))
