"""Which images a resolved model asks to build, and what of `build:` can't be done. Pure."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.compose.model import Model
from worker.engine.compose.prepare_builds import repository_path

_DONE = frozenset({"context", "dockerfile", "dockerfile_inline", "target", "args", "labels", "platforms", "no_cache"})
_WITHOUT_EFFECT = frozenset({"pull", "tags", "secrets", "provenance", "sbom"})  # `secrets`: those left were refused
INLINE = ".estiva.Dockerfile"  # where a Dockerfile that stands in the Compose file is put


@dataclass(frozen=True, slots=True, repr=False)
class ServiceBuild:
    """One image; `services` have it in common. `folder` and `dockerfile` (within it) are paths of the repository.

    `text` is the Dockerfile where it stands in the Compose file itself. `secrets` are by the id it mounts them under.
    """

    services: tuple[str, ...]
    folder: str
    dockerfile: str
    text: str = ""
    target: str = ""
    args: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    platform: str = ""
    no_cache: bool = False

    @property
    def named(self) -> str:
        """For people."""
        return ", ".join(self.services)


def built_services(model: Model) -> list[str]:
    """Services that have a `build:`, in the order of names."""
    return sorted(name for name, body in model.services.items() if body.get("build") is not None)


def refusals(model: Model) -> list[str]:
    """What of their `build:` can't be done, in words; a model with any of it is not built."""
    return [said for name in built_services(model) for said in _refused(name, model.services[name])]


def service_builds(model: Model, secrets: Mapping[str, Mapping[str, str]], folder: str) -> list[ServiceBuild]:
    """What is to be built, each image once. Needs a model without `refusals`; `folder` is the first document's."""
    found: dict[tuple[object, ...], list[str]] = {}
    for name in built_services(model):
        found.setdefault(_parts(model.services[name], secrets.get(name, {}), folder), []).append(name)
    return [ServiceBuild(tuple(services), *parts) for parts, services in found.items()]  # type: ignore[arg-type]


def _parts(body: Mapping[str, Any], secrets: Mapping[str, str], folder: str) -> tuple[object, ...]:
    build = body["build"]
    inline = str(build.get("dockerfile_inline") or "")
    return (
        repository_path(str(build.get("context") or "."), folder),
        INLINE if inline else posixpath.normpath(str(build.get("dockerfile") or "Dockerfile")),
        inline,
        str(build.get("target") or ""),
        _pairs(build.get("args")),
        _pairs(build.get("labels")),
        tuple(sorted(secrets.items())),
        str(body.get("platform") or next(iter(build.get("platforms") or []), "")),
        bool(build.get("no_cache")),
    )


def _pairs(entries: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, str(value)) for key, value in (entries or {}).items() if value is not None))


def _refused(name: str, body: Mapping[str, Any]) -> Iterator[str]:
    build = body["build"]
    context = str(build.get("context") or ".")
    if repository_path(context, "") is None:
        yield f"{name} is built from {context}, which is not in the repository."
    for key in sorted(build.keys() - _DONE - _WITHOUT_EFFECT):
        if build[key] and not (key == "network" and build[key] == "default"):
            yield f"{name} has `{key}` below `build:`, which Estiva does not do."
    for each in build.get("secrets") or []:
        source = each.get("source") if isinstance(each, dict) else each
        yield f"{name} is built with the secret {source}, whose value is neither in a variable nor in the repository."
    if len(build.get("platforms") or []) > 1 and not body.get("platform"):
        yield f"{name} is to be built for several platforms; name the one that its servers have as `platform`."
    dockerfile = posixpath.normpath(str(build.get("dockerfile") or "Dockerfile"))
    if dockerfile.startswith(("../", "/")) or dockerfile == "..":
        yield f"{name} has its Dockerfile at {dockerfile}, which is outside of its build context."
