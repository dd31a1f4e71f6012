"""From what people wrote to one text without references: variables put in, files of the repository read. Pure.

Nothing that Compose then reads on the server makes it look at the server's files or environment.
"""

import copy
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.engine.compose.dotenv import BadFile, read_dotenv
from worker.engine.compose.interpolate import BadInterpolation, escaped, interpolate_tree
from worker.engine.compose.prepare_builds import take_build_secrets, with_context
from worker.engine.compose.spec import Composition

FENCE_SERVICE = "estiva-fence"
_SECRET_AS_CONFIG = "estiva-secret-"  # noqa: S105 - a name's beginning


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """`documents` for Compose's standard input; `environments` of the services that had an `env_file`, which go below
    what a service says itself; `build_secrets` are texts by service and the id that its Dockerfile mounts.

    `unset` are variables that are used, have no default and aren't set. `problems` are for people, and fatal.
    """

    documents: str
    environments: Mapping[str, Mapping[str, str]]
    unset: tuple[str, ...]
    problems: tuple[str, ...]
    build_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass
class _Room:
    files: Mapping[str, str]
    variables: Mapping[str, str]
    folder: str = ""
    texts: dict[str, str] = field(default_factory=dict)  # of secrets that became configs
    unset: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    env_files: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)

    def bare(self, name: str) -> str | None:
        if name not in self.variables:
            self.unset[name] = None
        return self.variables.get(name)

    def file(self, path: str, what: str) -> str | None:
        """A file of the repository; a problem when it isn't there."""
        found = self.files.get(posixpath.normpath(path))
        if found is None:
            self.problems.append(f"{what}: the file {path} is not in the repository beside the Compose file.")
        return found


def prepare(composition: Composition) -> Prepared:
    """One text of one or more YAML documents (JSON, in fact), with all that refers to something resolved."""
    files = {posixpath.normpath(path): text for path, text in composition.files}
    room = _Room(files, _variables(files, composition), composition.folder)
    trees = []
    for document in composition.documents:
        try:
            trees.append(_document(document.name, document.tree, room))
        except BadInterpolation as error:
            room.problems.append(f"{document.name}, {error}")
    bodies = [services_of(each) for each in trees]
    build_secrets = take_build_secrets(bodies, room.texts)
    for services in bodies:
        for body in services.values():
            _move_secrets(body, room.texts)
    text = "\n---\n".join(json.dumps(escaped(each)) for each in trees)
    return Prepared(text, _environments(room), tuple(room.unset), tuple(room.problems), build_secrets)


def services_of(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services of a document that are written as they should be."""
    services = tree.get("services")
    found = services if isinstance(services, dict) else {}
    return {name: body for name, body in found.items() if isinstance(body, dict)}


def _variables(files: Mapping[str, str], composition: Composition) -> dict[str, str]:
    own = composition.plain_environment()
    try:
        return read_dotenv(files.get(".env", ""), own.get) | own
    except (BadFile, BadInterpolation):
        return own  # said where it matters: whatever is missing then shows as not set


def _document(name: str, written: Mapping[str, Any], room: _Room) -> dict[str, Any]:
    tree = interpolate_tree(copy.deepcopy(dict(written)), room.variables.get, room.bare)
    for key in ("name", "version"):
        tree.pop(key, None)
    if "include" in tree:
        room.problems.append(f"{name}: `include` is not taken; list the files as Compose files of the application.")
        tree.pop("include")
    services = tree.get("services")
    if not isinstance(services, dict):
        services = {}
    for service, body in services.items():
        if isinstance(body, dict):
            _service(name, service, body, room)
    if FENCE_SERVICE in services:
        room.problems.append(f"{name}: the name {FENCE_SERVICE} is Estiva's own; call the service otherwise.")
    _inherit_env_files(services, room)
    _files(tree, room)
    return dict(tree)


def _service(document: str, name: str, body: dict[str, Any], room: _Room) -> None:
    base = body.get("extends")
    if isinstance(base, dict) and base.get("file"):
        room.problems.append(f"{document}: {name} extends a service of another file, which is not taken.")
        body.pop("extends")
    if body.pop("label_file", None):
        room.problems.append(
            f"{document}: {name} has a `label_file`, which is not taken; write its labels in the file."
        )
    for each in body["env_file"] if isinstance(body.get("env_file"), list) else [body.get("env_file")]:
        if isinstance(each, dict) and each.get("format"):
            room.problems.append(f"{document}: {name} has an env_file with a `format`, which is not taken.")
    body.pop("develop", None)
    if "build" in body:
        body["build"] = with_context(body["build"], room.folder)
    for holder in (body, body.get("build")):
        for key in ("environment", "args"):
            if isinstance(holder, dict) and key in holder:
                holder[key] = _given(holder[key], room)


def _given(entries: Any, room: _Room) -> Any:
    """Variables named without a value take the application's own; Compose would take the server's."""
    if isinstance(entries, dict):
        pairs = [(key, room.variables.get(key) if value is None else value) for key, value in entries.items()]
        return {key: value for key, value in pairs if value is not None}
    if isinstance(entries, list):
        full = [each if "=" in str(each) else _with_value(str(each), room) for each in entries]
        return [each for each in full if each is not None]
    return entries


def _with_value(name: str, room: _Room) -> str | None:
    value = room.variables.get(name)
    return None if value is None else f"{name}={value}"


def _inherit_env_files(services: Mapping[str, Any], room: _Room) -> None:
    """Note each service's files of variables, those of what it extends first, and take the key out."""
    own = {name: env_files(body.get("env_file")) for name, body in services.items() if isinstance(body, dict)}

    def inherited(name: str, seen: tuple[str, ...]) -> list[tuple[str, bool]]:
        body = services.get(name)
        base = body.get("extends") if isinstance(body, dict) else None
        base = base.get("service") if isinstance(base, dict) else base
        below = inherited(base, (*seen, name)) if isinstance(base, str) and base not in seen else []
        return [*below, *own.get(name, [])]

    for name in own:
        room.env_files.setdefault(name, []).extend(inherited(name, (name,)))
        services[name].pop("env_file", None)


def env_files(written: Any) -> list[tuple[str, bool]]:
    """(path, has to be there) of an `env_file`, in any of its forms."""
    several = written if isinstance(written, list) else [] if written is None else [written]
    found = []
    for each in several:
        if isinstance(each, dict):
            found.append((str(each.get("path", "")), str(each.get("required", True)).lower() != "false"))
        else:
            found.append((str(each), True))
    return found


def _environments(room: _Room) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for service, paths in room.env_files.items():
        for path, required in dict.fromkeys(paths):
            known = posixpath.normpath(path) in room.files
            text = room.file(path, f"env_file of {service}") if known or required else None
            if text is None:
                continue
            try:
                found.setdefault(service, {}).update(read_dotenv(text, room.variables.get))
            except (BadFile, BadInterpolation) as error:
                room.problems.append(f"{path}, {error}")
    return found


def _files(tree: dict[str, Any], room: _Room) -> None:
    """Configs and secrets whose text is in the repository or in a variable become configs with that text."""
    configs, secrets = tree.get("configs") or {}, tree.get("secrets") or {}
    if isinstance(configs, dict):
        for name, body in configs.items():
            _with_text(f"config {name}", body, room)
    if isinstance(secrets, dict) and isinstance(configs, dict):
        tree["configs"] = configs
        for name, body in list(secrets.items()):
            if _with_text(f"secret {name}", body, room):
                room.texts[name] = str(body["content"])
                configs[f"{_SECRET_AS_CONFIG}{name}"] = secrets.pop(name)
        for kind, entries in (("secrets", secrets), ("configs", configs)):
            if not entries:
                tree.pop(kind, None)


def _with_text(what: str, body: Any, room: _Room) -> bool:
    """Put the text into a config's or secret's body; False when it comes from elsewhere (an external one)."""
    if not isinstance(body, dict):
        return False
    if "environment" in body:
        value = room.variables.get(str(body.pop("environment")))
        if value is None:
            room.problems.append(f"{what}: its variable isn't set.")
        body["content"] = value or ""
    elif "file" in body:
        path = str(body["file"])
        if posixpath.isabs(path):
            return False  # a file of the server: asks for an admin
        body.pop("file")
        body["content"] = room.file(path, what) or ""
    return "content" in body


def _move_secrets(body: dict[str, Any], moved: Mapping[str, str]) -> None:
    if not isinstance(body.get("secrets"), list) or not isinstance(body.get("configs") or [], list):
        return  # Compose itself says what is wrong with it
    kept, configs = [], []
    for each in body.pop("secrets"):
        entry = dict(each) if isinstance(each, dict) else {"source": each}
        source = str(entry.get("source", ""))
        if source not in moved:
            kept.append(each)
            continue
        target = str(entry.get("target") or source)
        entry["target"] = target if target.startswith("/") else f"/run/secrets/{target}"
        entry["source"] = f"{_SECRET_AS_CONFIG}{source}"
        configs.append(entry)
    if kept:
        body["secrets"] = kept
    if configs:
        body["configs"] = [*(body.get("configs") or []), *configs]
