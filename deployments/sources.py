"""What a Release is made from where it isn't an image of a registry: pure functions on the dicts that rows hold.

A source is `{}` for an image, else, as a Placement intends it:
`{"kind": "git", "url", "build": build settings}` or `{"kind": "compose", "url": address or "", "compose": compose settings}`.
A Plan's Operation finds out the rest (`FOUND`), and only then is it fit for a Release: `commit`, `subject`, `author`,
`committed_at` (RFC 3339); `file`, what `.estiva.yml` says, as `{"build": {…}, "settings": {…}}`; `anew`, the number of the
Plan that asked to build without cache. For Compose: `documents` (the names of its files, in order), `files` (`[[path,
text]]`, those and what they refer to, by path from the first one's folder), `images` (service → `name@digest`), `builds`
(the services that are built), `powers` (`[[service, key, reason]]`, what gives power over the server).

A Release that was adopted with an image which no registry has is from `{"kind": "local", "image_id"}`: that is all.

A Plan that a push asked for overlays what is set (`Plan.wanted`): `{"ref", "commit"}`, each only where it is known, or
`{"image"}`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.utils.translation import gettext as _

from deployments import build_settings, container_settings
from deployments.models import Release
from deployments.releases import Content

Source = dict[str, Any]

FOUND: Final = (
    *("commit", "subject", "author", "committed_at", "file", "anew"),
    *("documents", "files", "images", "builds", "powers"),
)
KINDS: Final = ("git", "compose", "local")
NAMES: Final = ("kind", "url", "build", "compose", "image_id", *FOUND)
"""Everything that a source is said by."""
SHORT: Final = 7


def overlaid(content: Content, wanted: Mapping[str, str]) -> Content:
    """What is set, with what a Plan wants instead of its ref, commit or image; what doesn't fit the source is left out."""
    if not content.source:
        return replace(content, image=wanted.get("image") or content.image)
    source = dict(content.source)
    name = "compose" if source.get("kind") == "compose" else "build"
    if wanted.get("ref") and source.get("url"):
        source[name] = {**source.get(name, {}), "ref": wanted["ref"]}
        source.update({"commit": wanted["commit"]} if wanted.get("commit") else {})
    return replace(content, source=source)


def resolved(intended: Content, found: Mapping[str, Any]) -> Content:
    """What is intended, with what was found out about it; settings of the repository's own file come before the Placement's.

    Raises FieldErrors where those two don't go together.
    """
    if not intended.source:
        return intended
    source = {**intended.source, **{name: found[name] for name in FOUND if name in found}}
    said: Mapping[str, Any] = found.get("file") or {}
    settings = intended.settings
    if said.get("build"):
        source["build"] = build_settings.normalise({**source.get("build", {}), **said["build"]})
    if said.get("settings"):
        settings = container_settings.normalise(_laid_over(settings, said["settings"]))
    return replace(intended, source=source, settings=settings)


def is_known(source: Mapping[str, Any]) -> bool:
    """This version knows what to make of it; a later one may have more kinds."""
    return not source or source.get("kind") in KINDS


def is_resolved(source: Mapping[str, Any]) -> bool:
    """It is known exactly what would be built or brought up."""
    if source.get("image_id"):
        return True
    return bool(source.get("files") if is_compose(source) else source.get("commit"))


def needs_build(release: Release) -> bool:
    """Its image is to be made before it can be deployed."""
    if release.source.get("kind") == "compose":
        return bool(release.source.get("builds")) and not release.built
    return release.source.get("kind") == "git" and not (release.image_id or release.digest)


def is_compose(source: Mapping[str, Any]) -> bool:
    """Several services, brought up with Compose."""
    return source.get("kind") == "compose"


def label(source: Mapping[str, Any]) -> str:
    """`main at 4f3a1c2`, for people; "" for an image."""
    if not source:
        return ""
    if source.get("image_id"):
        return str(source["image_id"])[: len("sha256:") + 12]
    if is_compose(source) and not source.get("url"):
        return _("a Compose file")
    build = source.get("build") or source.get("compose") or {}
    ref, commit = str(build.get("ref", "")), str(source.get("commit", ""))
    if not commit:
        return ref
    return commit[:SHORT] if commit.startswith(ref or commit) else f"{ref} at {commit[:SHORT]}"


def _laid_over(settings: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """`said` over `settings`; of a group only what is said."""
    merged = dict(settings)
    for name, value in said.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged
