"""What a Compose file says about builds, made independent of the server that resolves it. Pure."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

PROJECT_FOLDER = "/estiva"  # what relative paths resolve to; nothing of the kind exists on a server
REPOSITORY = f"{PROJECT_FOLDER}/repository"  # where contexts seem to lie
_ELSEWHERE = re.compile(r"[a-z0-9+.-]+://|git@|github\.com/|service:|/|~")


def with_context(build: Any, folder: str) -> Any:
    """A `build:` whose context, where it is a folder of the repository, is named from the repository's top."""
    if isinstance(build, str):
        return {"context": _in_repository(build, folder)}
    if isinstance(build, dict) and isinstance(build.get("context"), str):
        return {**build, "context": _in_repository(build["context"], folder)}
    return build


def repository_path(context: str, folder: str) -> str | None:
    """Which folder of the repository the context of a resolved model is ("" for its top); None where it is none."""
    path = posixpath.normpath(posixpath.join(PROJECT_FOLDER, context)) if not _is_elsewhere(context) else context
    if path == PROJECT_FOLDER:  # not written anywhere: the folder of the first file
        return folder
    return path.removeprefix(REPOSITORY).strip("/") if (path + "/").startswith(f"{REPOSITORY}/") else None


def take_build_secrets(
    bodies: Sequence[Mapping[str, dict[str, Any]]], texts: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Service → id → text of the secrets that builds mount and whose text is known; those are taken out of `build:`.

    `bodies` are the services of each document, where `extends` still stands.
    """
    own: dict[str, dict[str, str]] = {}
    bases: dict[str, str] = {}
    for services in bodies:
        for name, body in services.items():
            base = body.get("extends")
            base = base.get("service") if isinstance(base, dict) else base
            if isinstance(base, str):
                bases[name] = base
            if isinstance(body.get("build"), dict):
                own.setdefault(name, {}).update(_taken(body["build"], texts))
    found = {}
    for name in {*own, *bases}:
        line = [name]
        while line[-1] in bases and bases[line[-1]] not in line:
            line.append(bases[line[-1]])
        found[name] = {key: text for each in reversed(line) for key, text in own.get(each, {}).items()}
    return {name: secrets for name, secrets in found.items() if secrets}


def _taken(build: dict[str, Any], texts: Mapping[str, str]) -> dict[str, str]:
    written = build.get("secrets")
    if not isinstance(written, list):
        return {}
    found, kept = {}, []
    for each in written:
        entry = each if isinstance(each, dict) else {"source": each}
        source = str(entry.get("source", ""))
        if source in texts:
            found[str(entry.get("target") or source)] = texts[source]
        else:
            kept.append(each)
    build.pop("secrets")
    if kept:
        build["secrets"] = kept
    return found


def _is_elsewhere(context: str) -> bool:
    return bool(_ELSEWHERE.match(context)) and not context.startswith(PROJECT_FOLDER)


def _in_repository(context: str, folder: str) -> str:
    return context if _is_elsewhere(context) else posixpath.normpath(posixpath.join(REPOSITORY, folder, context))
