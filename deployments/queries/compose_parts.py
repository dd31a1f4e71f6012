"""What pages show of a Compose application: its services and files, and what differs between two sources. Pure."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from deployments import compose_settings

MOST_LINES: Final = 400
"""Lines of a file's difference that a page shows; a diff beyond that is read in the repository."""
_AWAITED: Final = "estiva/awaited:"  # what the worker's preflight calls an image that is still to be built
_MOST_COMPARED: Final = 2_000  # lines of all files of a page: comparing more may take seconds

_TEXT: Final = next(each.label for each in compose_settings.FIELDS if each.name == "text")

Mark = Literal["plus", "minus", "at", ""]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """A file that differs: `lines` are a unified diff, each with its mark; `left_out` counts those that aren't shown."""

    name: str
    kind: Literal["added", "removed", "changed"]
    lines: list[tuple[Mark, str]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ServiceImage:
    """What a service of a Release runs. `image` is a reference without digest, "" where it is built; `digest` also an image ID."""

    service: str
    image: str = ""
    digest: str = ""
    is_built: bool = False
    built: dict[str, Any] = field(default_factory=dict)

    @property
    def base_images(self) -> list[tuple[str, str]]:
        """Of a built one: reference and digest."""
        return [(str(name), str(digest)) for name, digest in self.built.get("base_images", [])]


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """What becomes of a service on a server, as a Plan found out. `reasons` are other than its image."""

    service: str
    kind: str
    reasons: list[str]
    before: str
    after: str
    is_built: bool = False

    @property
    def is_same_image(self) -> bool:
        """It is said once, then."""
        return self.before == self.after or not self.before or not self.after


@dataclass(frozen=True, slots=True)
class Power:
    """What gives a service power over its server; `is_new` where what runs on one of them doesn't have it."""

    service: str
    key: str
    reason: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """The containers of a service on one server, as last seen; `state` as for a look, `word` in Docker's words.

    `is_missing`: the last deploy left some there, and a later look found none.
    """

    service: str
    containers: list[dict[str, Any]]
    is_missing: bool = False

    @property
    def state(self) -> str:
        """Good where all of them run; one that ended by itself is no trouble."""
        if self.is_missing:
            return "warn"
        states = {str(each.get("state", "")) for each in self.containers}
        return "ready" if states == {"running"} else "waiting" if states <= {"running", "exited", "created"} else "warn"

    @property
    def word(self) -> str:
        """`running`, or what else, each once."""
        return ", ".join(dict.fromkeys(str(each.get("state", "")) for each in self.containers))

    @property
    def image(self) -> str:
        """What the first of them runs."""
        return str(self.containers[0].get("image", "")) if self.containers else ""


def file_diffs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FileDiff]:
    """The files that differ between two sources, the documents first; nothing while one of them isn't known."""
    if "files" not in before or "files" not in after:
        return []
    old, new = dict(before["files"]), dict(after["files"])
    names = dict.fromkeys((*after.get("documents", ()), *new, *old))
    found: list[FileDiff] = []
    left = _MOST_COMPARED
    for name in names:
        was, becomes = old.get(name), new.get(name)
        if was != becomes:
            found.append(text_diff(name, was, becomes, left))
            left -= max(len((each or "").splitlines()) for each in (was, becomes))
    return found


def text_diff(name: str, before: str | None, after: str | None, most: int = _MOST_COMPARED) -> FileDiff:
    """How one file became another; None where there is none. One of more than `most` lines isn't compared."""
    kind: Literal["added", "removed", "changed"] = (
        "added" if before is None else "removed" if after is None else "changed"
    )
    old, new = (before or "").splitlines(), (after or "").splitlines()
    if max(len(old), len(new)) > most:
        return FileDiff(name, kind, [], left_out=max(len(old), len(new)))
    found = list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]
    marked = [_marked(line) for line in found]
    return FileDiff(name, kind, marked[:MOST_LINES], left_out=max(0, len(marked) - MOST_LINES))


def without_files(changes: list[dict[str, str]], diffs: list[FileDiff]) -> list[dict[str, str]]:
    """A Plan's changes but for the files, where it is shown line by line how they differ."""
    if not diffs:
        return changes
    return [each for each in changes if each["kind"] != "file" and (each["kind"], each["name"]) != ("compose", _TEXT)]


def _marked(line: str) -> tuple[Mark, str]:
    marks: dict[str, Mark] = {"+": "plus", "-": "minus", "@": "at"}
    return marks.get(line[:1], ""), line


def services_of(source: Mapping[str, Any], built: Mapping[str, Any]) -> list[ServiceImage]:
    """Each service of a Release with what it runs, in the order of names."""
    made: Mapping[str, Any] = built.get("services", {})
    found = [ServiceImage(name, *_split(str(pinned))) for name, pinned in source.get("images", {}).items()]
    for name in source.get("builds", []):
        facts = dict(made.get(name, {}))
        found.append(ServiceImage(name, "", str(facts.get("image_id", "")), True, facts))
    return sorted(found, key=lambda each: each.service)


def _split(pinned: str) -> tuple[str, str]:
    image, at, digest = pinned.partition("@")
    return (image, digest) if at else ("", pinned) if pinned.startswith("sha256:") else (pinned, "")


def changes_of(row: Mapping[str, Any], source: Mapping[str, Any]) -> list[ServiceChange]:
    """A server's services in a Plan's row."""
    builds = set(source.get("builds", []))
    return [
        ServiceChange(
            str(each["service"]),
            str(each["kind"]),
            [
                reason for reason in each.get("reasons", []) if not reason.startswith("image ")
            ],  # both are shown beside it
            _named(each.get("before")),
            _named(each.get("after")),
            each["service"] in builds and each["kind"] != "removed",
        )
        for each in row.get("services", [])
    ]


def _named(image: object) -> str:
    """An image; "" for one that is still to be built."""
    text = str(image or "")
    return "" if text.startswith(_AWAITED) else text


def powers_of(planned: Mapping[str, Any], new: Sequence[list[str]] = ()) -> list[Power]:
    """All that a source has, the new ones (`deployable.new_powers`) first."""
    every = [list(map(str, each)) for each in planned.get("powers", [])]
    found = [Power(service, key, reason, [service, key, reason] in new) for service, key, reason in every]
    return sorted(found, key=lambda each: not each.is_new)


def services_seen(
    containers: Iterable[Mapping[str, Any]],
    placement_id: int,
    recorded: Iterable[Mapping[str, Any]] = (),
    *,
    is_later: bool = False,
) -> list[ServiceSeen]:
    """What a server was last seen to run of a Placement, by service; containers that don't say theirs are left out.

    `recorded` is what the last deploy left there (`PlacementHost.observed`); it stands alone until a look `is_later` than it.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in containers:
        if row.get("service") and str(row.get("placement", "")) == str(placement_id):
            found.setdefault(str(row["service"]), []).append(dict(row))
    left: dict[str, list[dict[str, Any]]] = {}
    for row in recorded:
        if row.get("service"):
            left.setdefault(str(row["service"]), []).append(_as_left(row))
    if not is_later:
        return [ServiceSeen(name, left.get(name) or found[name]) for name in sorted(left or found)]
    return [ServiceSeen(name, found.get(name, []), name not in found) for name in sorted({*left, *found})]


def _as_left(row: Mapping[str, Any]) -> dict[str, Any]:
    state = "running" if row.get("running", True) else "exited"
    return {"name": row.get("container", ""), "state": state, "image": row.get("digest") or row.get("image_id") or ""}
