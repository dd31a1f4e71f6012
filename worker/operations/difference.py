"""What differs between a container and the record, piece by piece: `deployments.drifting` documents the shape."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from deployments import adopted_content, container_settings, drifting, image_reference
from deployments.errors import FieldErrors
from deployments.models import PlacementHost, Release
from deployments.secret_guess import looks_secret
from worker.brief import open_secrets
from worker.engine.container_host import Container
from worker.engine.found import ENGINE, changed, environment_given
from worker.engine.look import Sight
from worker.engine.names import FENCE_UNKNOWN, fence_of
from worker.redact import Masker

Difference = dict[str, Any]

NO_CONTAINER: Final = "What does not run can't be adopted: redeploy, or ignore it."
_BY_THE_ENGINE: Final = frozenset({"PATH", "HOSTNAME", "HOME", "TERM", "container"})


def difference_of(seat: PlacementHost, sight: Sight, words: str) -> Difference:
    """All that differs, where something runs; `words` are said before. {} where nothing differs."""
    release, container = seat.running_release, sight.container
    if release is None or container is None or not sight.running:
        return drifting.in_words_alone(words, NO_CONTAINER if release else "Deploy it: then it is on record.")
    settings = _without_secrets(release, changed_settings(seat, sight))
    variables = changed_variables(release, sight)
    image = _image(seat, sight)
    renamed = fence_of(container.name) == FENCE_UNKNOWN and container.name != seat.observed.get("container")
    changes, why_not = _in_words(release, settings)
    said = [
        *([words] if words else []),
        *([f"Another image runs: {image['reference'] or image['id'][:19]}."] if image else []),
        *([f"Changed by hand: {_listed(changes)}."] if changes else []),
        *(_said_of_variable(each) for each in variables),
        *([f"It was renamed to {container.name}."] if renamed else []),
    ]
    if not said:
        return {}
    recorded = sight.observed.release if sight.observed else 0
    differs = bool(image or changes or variables or renamed or recorded != release.number)
    found = {
        "words": " ".join(said),
        "container": container.name,
        "container_id": container.id,
        "status": f"{container.status} {sight.health} {sight.policy_held} {' '.join(sight.others)}".strip(),
        "changes": [*_image_change(release, image), *changes, *map(_variable_change, _with_before(release, variables))],
        "settings": settings,
        "variables": variables,
        "image": image,
        "release": recorded,
        "why_not": why_not or ("" if differs else "Its settings are those on record: there is nothing to adopt."),
    }
    return {**found, "fingerprint": drifting.fingerprint(found)}


def changed_settings(seat: PlacementHost, sight: Sight) -> dict[str, Any]:
    """Against how it was brought; nothing as long as that isn't on record."""
    before = seat.observed.get("settings")
    now = sight.observed.settings if sight.observed else {}
    return changed(before, now) if before and now else {}


def _without_secrets(release: Release, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A setting in which somebody put a secret of the Release is not written down, so it can't be adopted either."""
    if not settings:
        return {}
    masker = Masker(each.reveal() for each in open_secrets([release]).values())
    found = {}
    for name, value in settings.items():
        if _tells(masker, value):
            found[f"{ENGINE}{name.removeprefix(ENGINE)}"] = "[redacted]"
        else:
            found[name] = value
    return found


def _tells(masker: Masker, value: Any) -> bool:
    """Text by text, as it is: written as JSON, a quote or a line's end in a secret would hide it."""
    if isinstance(value, Mapping):
        return any(_tells(masker, each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return any(_tells(masker, each) for each in value)
    return masker.mask(str(value)) != str(value)


def changed_variables(release: Release, sight: Sight) -> list[dict[str, Any]]:
    """By name; the value only where nothing says that it is a secret."""
    container = sight.container
    if container is None or not container.inspected:
        return []
    opened = open_secrets([release])
    masker = Masker(each.reveal() for each in opened.values())
    now = dict(_pairs(container.environment))
    given = environment_given(container, sight.image) if sight.image is not None else {}
    found = []
    for each in release.variables:
        name, is_secret = each["name"], "secret" in each
        if is_secret and each["secret"] not in opened:
            continue  # destroyed: nothing to compare with
        wanted = opened[each["secret"]].reveal() if is_secret else str(each["value"])
        if now.get(name) != wanted:
            how = "changed" if name in now else "removed"
            found.append(_variable(name, how, now.get(name), masker, hidden=is_secret))
    known = {each["name"] for each in release.variables} | _BY_THE_ENGINE
    found += [
        _variable(name, "added", value, masker, hidden=False) for name, value in given.items() if name not in known
    ]
    return found


def _variable(name: str, how: str, value: str | None, masker: Masker, *, hidden: bool) -> dict[str, Any]:
    text = value or ""
    is_hidden = hidden or _tells(masker, text) or looks_secret(name, text)
    return {"name": name, "how": how, "value": None if is_hidden else value, **({"hidden": True} if is_hidden else {})}


def _pairs(environment: Iterable[str]) -> Iterable[tuple[str, str]]:
    for each in environment:
        name, _equals, value = each.partition("=")
        yield name, value


def _in_words(release: Release, changes: Mapping[str, Any]) -> tuple[list[dict[str, str]], str]:
    """As a Plan's, and why no settings can be made of it."""
    sayable = {name: value for name, value in changes.items() if not name.startswith(ENGINE)}
    rest = [name.removeprefix(ENGINE) for name in changes if name.startswith(ENGINE)]
    said = [
        {"kind": "setting", "name": name, "before": "", "after": _short(changes[f"{ENGINE}{name}"])} for name in rest
    ]
    why_not = f"No setting of Estiva's says this: {', '.join(rest)}. Redeploy, or ignore it." if rest else ""
    try:
        after = adopted_content.settings_after(release.settings, sayable)
    except FieldErrors as refused:
        told = "; ".join(f"{path}: {' '.join(map(str, texts))}" for path, texts in refused.errors.items())
        named = [{"kind": "setting", "name": name, "before": "", "after": _short(sayable[name])} for name in sayable]
        return [*named, *said], f"The settings can't be as they are there: {told}"
    return [*container_settings.differences(release.settings, after), *said], why_not


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _listed(changes: Iterable[Mapping[str, str]]) -> str:
    return ", ".join(f"{each['name']} {each['after'] or 'not set'}" for each in changes)


def _image(seat: PlacementHost, sight: Sight) -> dict[str, str]:
    """{} where it is the one on record."""
    container, recorded = sight.container, seat.observed.get("image_id")
    if container is None or not recorded or container.image_id == recorded:
        return {}
    return {"id": container.image_id, **_named(container, sight)}


def _named(container: Container, sight: Sight) -> dict[str, str]:
    """What a registry knows it as; where none does, only the name that it has there."""
    image = sight.image
    digests = [each.partition("@") for each in (image.repo_digests if image else ())]
    tags = image.repo_tags if image else ()
    for name, _at, digest in digests:
        mine = [each for each in tags if each.rpartition(":")[0] == name]
        asked = container.image if container.image in mine else next(iter(mine), f"{name}@{digest}")
        try:
            parsed = image_reference.parse(asked)
        except image_reference.ImageReferenceError:
            continue
        return {"reference": asked, "digest": digest, "tag": parsed.tag or ""}
    return {"reference": next((each for each in tags if not each.startswith("estiva/")), ""), "digest": "", "tag": ""}


def _image_change(release: Release, image: Mapping[str, str]) -> list[dict[str, str]]:
    if not image:
        return []
    before = f"{release.image} ({release.digest or release.image_id})"
    return [
        {
            "kind": "image",
            "name": "image",
            "before": before.strip(),
            "after": f"{image['reference']} ({image['digest'] or image['id']})".strip(),
        }
    ]


def _with_before(release: Release, variables: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    recorded = {each["name"]: each for each in release.variables}
    for each in variables:
        yield {**each, "before": recorded.get(each["name"])}


def _variable_change(variable: Mapping[str, Any]) -> dict[str, str]:
    """No value where either side is a secret."""
    before = variable["before"]
    is_hidden = bool(variable.get("hidden"))
    was = "" if before is None else ("a secret value" if is_hidden or "secret" in before else str(before["value"]))
    becomes = "" if variable["how"] == "removed" else ("another value" if is_hidden else str(variable["value"]))
    return {"kind": "secret" if is_hidden else "variable", "name": variable["name"], "before": was, "after": becomes}


def _said_of_variable(variable: Mapping[str, Any]) -> str:
    what = {"changed": "has another value there", "added": "was added there", "removed": "is not set there"}
    return f"{variable['name']} {what[variable['how']]}."
