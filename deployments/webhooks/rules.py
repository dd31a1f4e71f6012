"""Whether a push deploys a Placement, and why or why not, in words for people. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote, urlsplit

from deployments import image_reference
from deployments.errors import FieldErrors
from deployments.webhooks import globs
from deployments.webhooks.push import Push

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MOST_PATTERNS: Final = 40
SKIP_WORDS: Final = ("[skip deploy]", "[deploy skip]")
_FIELDS: Final = ("branches", "tags", "include", "exclude")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a hook follows: branches and tags by pattern, and paths: none means all but the excluded ones."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def checked(cls, raw: Mapping[str, Sequence[str]]) -> Self:
        """The rules that somebody wrote; FieldErrors at `branches`, `tags`, `include`, `exclude`."""
        kept = {
            name: tuple(dict.fromkeys(each.strip() for each in raw.get(name, ()) if each.strip())) for name in _FIELDS
        }
        errors: dict[str, list[str | StrPromise]] = {
            name: [*said] for name, patterns in kept.items() if (said := _wrong(patterns))
        }
        if not errors and not kept["branches"] and not kept["tags"]:
            errors["branches"] = ["Name a branch or a tag: * means all."]
        if errors:
            raise FieldErrors(errors)
        return cls(**kept)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """What `as_json` wrote."""
        return cls(**{name: tuple(kept.get(name, ())) for name in _FIELDS})

    def as_json(self) -> dict[str, list[str]]:
        """For a JSON column, and for the audit trail."""
        return {name: list(getattr(self, name)) for name in _FIELDS}


@dataclass(frozen=True, slots=True)
class Place:
    """What the Placement is made from: its repository's address ("" without one), the images it runs, as typed."""

    repository_url: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to deploy, and why or why not."""

    deploy: bool
    reason: str


def decide(push: Push, rules: Rules, place: Place) -> Decision:
    """What becomes of a push."""
    if push.deleted:
        return Decision(False, f"{_called(push)} was deleted.")
    if foreign := _foreign(push, place):
        return Decision(False, foreign)
    patterns = rules.branches if push.branch else rules.tags
    pattern = next((each for each in patterns if globs.matches_name(each, push.ref)), "")
    if not pattern:
        return Decision(False, _no_pattern(push, patterns))
    if words := next((each for each in SKIP_WORDS if each in push.message.casefold()), ""):
        return Decision(False, f"The newest commit's message says {words}.")
    followed = f"{_called(push)} was pushed" + ("" if pattern == push.ref else f", and fits {pattern}")
    decision = _by_paths(push, rules)
    return Decision(True, " ".join([followed + ".", decision.reason]).strip()) if decision.deploy else decision


def _called(push: Push) -> str:
    if push.image:
        return f"The image {push.image.repository}:{push.image.tag}"
    return f"The branch {push.branch}" if push.branch else f"The tag {push.tag}"


def _foreign(push: Push, place: Place) -> str:
    """Why this push is none of the Placement's business, or ""."""
    if push.image or (push.kind == "plain" and push.tag and not place.repository_url):
        return _foreign_image(push, place)
    if not place.repository_url:
        return "This isn't built from a repository, so a push to one changes nothing here."
    own = comparable(place.repository_url)
    if not push.repository_urls or own in {comparable(url) for url in push.repository_urls}:
        return ""
    what = "a fork" if push.is_fork else "another repository"
    return f"This was a push to {what}, {push.repository_urls[0]}; this is built from {place.repository_url}."


def _foreign_image(push: Push, place: Place) -> str:
    if not place.images:
        return "This runs no image from a registry, so a pushed image changes nothing here."
    if push.image is None or push.image.repository in set(_repositories(place.images)):
        return ""
    return f"An image {push.image.repository} was pushed; this runs {', '.join(place.images)}."


def _repositories(images: Iterable[str]) -> Iterable[str]:
    for image in images:
        try:
            yield image_reference.parse(image).repository
        except image_reference.ImageReferenceError:
            continue  # what can't be read can't be pushed either


def _no_pattern(push: Push, patterns: Sequence[str]) -> str:
    if not patterns:
        return f"{_called(push)} was pushed; this hook follows {'tags' if push.branch else 'branches'} only."
    return f"{_called(push)} was pushed; this hook follows {', '.join(patterns)}."


def _by_paths(push: Push, rules: Rules) -> Decision:
    if not rules.include and not rules.exclude:
        return Decision(True, "")
    if push.image or not push.all_paths:
        return Decision(True, "Which files changed isn't fully said, so they count as followed.")
    for path in push.paths:
        if _is_followed(path, rules):
            return Decision(True, f"{path} changed.")
    if not push.paths:
        return Decision(False, "No file changed.")
    more = f" and {len(push.paths) - 1} more" if len(push.paths) > 1 else ""
    return Decision(False, f"Only {push.paths[0]}{more} changed: nothing that this hook follows.")


def _is_followed(path: str, rules: Rules) -> bool:
    included = not rules.include or any(globs.matches_path(each, path) for each in rules.include)
    return included and not any(globs.matches_path(each, path) for each in rules.exclude)


def _wrong(patterns: Sequence[str]) -> list[str]:
    if len(patterns) > MOST_PATTERNS:
        return [f"At most {MOST_PATTERNS} patterns."]
    said = [
        f"“{each[:40]}…” is longer than {globs.LONGEST} characters." for each in patterns if len(each) > globs.LONGEST
    ]
    said += [f"“{each}” holds characters that no name has." for each in patterns if not each.isprintable()]
    return said


def comparable(url: str) -> str:
    """Host and path of a repository's address, the same for https, ssh and git@host:path; "" for what is none.

    Ports, users and `.git` are left out, and letters' case: services give one repository all of those.
    """
    text = url.strip()
    if "://" not in text and ":" in text.partition("/")[0]:
        host, _colon, path = text.partition(":")
        text = f"ssh://{host}/{path}"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return ""
    path = unquote(parts.path).strip("/").removesuffix(".git").strip("/")
    return f"{host}/{path}".casefold() if host and path else ""
