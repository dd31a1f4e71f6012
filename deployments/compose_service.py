"""The keys of one service of a compose file, one by one, into a container's settings."""

import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import dotenv, image_reference
from deployments.compose_draft import ServiceDraft, replaced, short, unescaped, written
from deployments.compose_keys import LEFT_OUT, NOT_SUPPORTED
from deployments.compose_options import FIRST
from deployments.compose_options import NOT_THIS as _NOT_THIS
from deployments.compose_options import TAKERS as OPTION_TAKERS
from deployments.run_line.result import Build, Note, Variable
from deployments.secret_guess import looks_secret
from deployments.short_forms import Mounted, ShortFormError, mounted, read_port, read_volume
from deployments.yaml_lines import Node

if TYPE_CHECKING:
    pass

_LIMITS: Final = {"cpus": "cpus", "memory": "memory", "pids": "pids_limit"}
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:\d+(?:ms|us))?")


def take_service(draft: ServiceDraft, service: Node) -> None:
    """Every key of the service, to a setting or a note."""
    for key, node in sorted(service.entries.items(), key=lambda each: each[0] not in FIRST):
        line = service.keys[key][0]
        if key in LEFT_OUT or key.startswith("x-"):
            why = LEFT_OUT.get(key, _("Compose itself doesn't look at it."))
            draft.left_out.append(Note(short(written(key, node)), str(why), line))
        elif key in _TAKERS and node.kind == "null":
            draft.left_out.append(Note(key, _t("Nothing is said here."), line))
        elif key in _TAKERS:
            _TAKERS[key](draft, key, node)
        else:
            draft.puzzle(written(key, node), NOT_SUPPORTED.get(key, _("Estiva has no such setting.")), line)


def _image(draft: ServiceDraft, key: str, node: Node) -> None:
    draft.image = node.text
    if not node.is_scalar:
        draft.puzzle(key, _NOT_THIS, node.line)
    elif missing := replaced(node.text):
        draft.puzzle(written(key, node), missing, node.line)
    else:
        try:
            image_reference.parse(node.text)
        except image_reference.ImageReferenceError as error:
            draft.puzzle(written(key, node), error.message, node.line)


def _build(draft: ServiceDraft, key: str, node: Node) -> None:
    if node.is_scalar:
        draft.build = Build(context=node.text)
        return
    texts = {name: each.text for name, each in node.entries.items() if each.is_scalar}
    args = (
        [(name, value) for name, value, _line in _pairs(draft, key, node.entries["args"])]
        if "args" in node.entries
        else []
    )
    draft.build = Build(
        context=texts.pop("context", "."),
        dockerfile=texts.pop("dockerfile", ""),
        target=texts.pop("target", ""),
        args=tuple(args),
    )
    for name in node.entries.keys() - {"args", "context", "dockerfile", "target"}:
        draft.puzzle(f"build: {name}", _("Set it with the build settings, if Estiva has it."), node.keys[name][0])


def _pairs(draft: ServiceDraft, key: str, node: Node) -> list[tuple[str, str | None, int]]:
    """Name, value and line, of a map or of a list of NAME=value; the value None where there is none."""
    if node.kind == "map":
        odd = [name for name, each in node.entries.items() if each.kind in {"list", "map"}]
        for name in odd:
            draft.puzzle(f"{key}: {name}", _NOT_THIS, node.keys[name][0])
        return [
            (name, None if each.kind == "null" else each.text, node.keys[name][0])
            for name, each in node.entries.items()
            if name not in odd
        ]
    found: list[tuple[str, str | None, int]] = []
    for each in node.items or (node,):
        name, equals, value = each.text.partition("=")
        if each.is_scalar:
            found.append((name, value if equals else None, each.line))
        else:
            draft.puzzle(key, _NOT_THIS, each.line)
    return found


def _environment(draft: ServiceDraft, key: str, node: Node) -> None:
    for name, value, line in _pairs(draft, key, node):
        try:
            dotenv.check_name(name)
            dotenv.check_value(value or "")
        except dotenv.DotenvError as error:
            draft.puzzle(f"{key}: {name}", error.message, line)
            continue
        missing = (
            replaced(value)
            if value is not None
            else _t("Its value came from the machine where this ran. Write it under Variables.")
        )
        is_secret = looks_secret(name, value or "")
        draft.variables[name] = Variable(
            name, "" if missing else unescaped(value or ""), is_secret, needs_value=missing is not None
        )
        if missing:
            draft.puzzle(f"{key}: {name}", missing, line)


def _ports(draft: ServiceDraft, key: str, node: Node) -> None:
    for each in node.items or (node,):
        text = each.text if each.is_scalar else _long_port(each)
        if missing := replaced(text):
            draft.puzzle(f"{key}: {text}", missing, each.line)
            continue
        try:
            rows = read_port(text)
        except ShortFormError as error:
            draft.puzzle(f"{key}: {text}", error.message, each.line)
            continue
        draft.put(f"{key}: {text}", each, "ports", rows)
        if more := sorted(
            each.entries.keys() - {"target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"}
        ):
            draft.puzzle(f"{key}: {', '.join(more)}", _("Estiva has no such option of a port."), each.line)


def _long_port(node: Node) -> str:
    """The long form as the short one."""
    texts = {name: each.text for name, each in node.entries.items()}
    address = texts.get("host_ip", "")
    front = f"[{address}]:" if ":" in address else f"{address}:" if address else ""
    published = f"{texts.get('published', '')}:" if front or texts.get("published") else ""
    return f"{front}{published}{texts.get('target', '')}/{texts.get('protocol') or 'tcp'}"


def _volumes(draft: ServiceDraft, key: str, node: Node) -> None:
    for each in node.items or (node,):
        text = (
            each.text if each.is_scalar else ", ".join(f"{name}: {value.text}" for name, value in each.entries.items())
        )
        try:
            setting, row = read_volume(each.text) if each.is_scalar else _long_volume(each)
        except ShortFormError as error:
            draft.puzzle(f"{key}: {text}", error.message, each.line)
            continue
        before = len(draft.not_understood)
        draft.put(f"{key}: {text}", each, setting, [row])
        if setting != "volumes":
            continue
        on_server = draft.volumes(row["name"])
        if len(draft.not_understood) == before and on_server != row["name"]:
            why = _(
                "Compose calls this volume {name} on the server. To keep what is in it, write that name under Volumes."
            )
            draft.puzzle(f"{key}: {text}", format_lazy(why, name=on_server), each.line)


def _long_volume(node: Node) -> Mounted:
    texts = {name: each.text for name, each in node.entries.items() if each.is_scalar}
    kind, source, target = texts.get("type", "volume"), texts.get("source", ""), texts.get("target", "")
    if kind == "tmpfs":
        more = node.entries.get("tmpfs", node).entries
        return "tmpfs", {"path": target, **{name: more[name].text for name in ("size", "mode") if name in more}}
    if kind not in {"bind", "volume"}:
        raise ShortFormError(format_lazy(_("Estiva has no mounts of the type {kind}."), kind=kind))
    options = ["ro"] if node.entries.get("read_only", node).is_true else []
    known = {"type", "source", "target", "read_only"}
    if kind == "bind" and "bind" in node.entries:
        known.add("bind")
        options += [each.text for name, each in node.entries["bind"].entries.items() if name == "propagation"]
    return mounted(kind, source, target, [*options, *(name for name in node.entries if name not in known)])


def _arguments(draft: ServiceDraft, key: str, node: Node) -> None:
    if node.kind == "list" and all(each.is_scalar or each.kind == "null" for each in node.items):
        words = [each.text for each in node.items]
    elif node.is_scalar:
        try:
            words = shlex.split(node.text)
        except ValueError:
            draft.puzzle(written(key, node), _("A quote is opened here and never closed."), node.line)
            return
    else:
        draft.puzzle(key, _NOT_THIS, node.line)
        return
    if words:
        draft.set(written(key, node), node, key, words)
    else:
        draft.puzzle(key, _("Estiva can't take away what the image starts; write something else."), node.line)


def _restart(draft: ServiceDraft, key: str, node: Node) -> None:
    policy, colon, retries = node.text.partition(":")
    draft.set(written(key, node), node, "restart", policy)
    if colon:
        draft.set(written(key, node), node, "restart_retries", retries)


def _stop_grace(draft: ServiceDraft, key: str, node: Node) -> None:
    found = _DURATION.fullmatch(node.text) if node.is_scalar and len(node.text) < 30 else None
    if found is None:
        draft.puzzle(written(key, node), _("Write a time such as 30s or 1m30s."), node.line)
        return
    hours, minutes, seconds = (int(each or 0) for each in found.groups())
    draft.set(written(key, node), node, "stop_timeout", 3600 * hours + 60 * minutes + seconds)


def _deploy(draft: ServiceDraft, key: str, node: Node) -> None:
    """Of the limits what a container has; the rest is Swarm's."""
    resources = node.entries.get("resources")
    limits = resources.entries.get("limits") if resources else None
    for name, each in (limits.entries if limits else {}).items():
        if name in _LIMITS and each.is_scalar:
            draft.set(f"{key}: {name}: {each.text}", each, _LIMITS[name], each.text)
        else:
            draft.puzzle(f"{key}: resources: limits: {name}", _("Estiva has no such limit."), each.line)
    others = [(name, node.keys[name][0]) for name in node.entries if name != "resources"]
    others += (
        [(f"resources: {name}", resources.keys[name][0]) for name in resources.entries if name != "limits"]
        if resources
        else []
    )
    for name, line in others:
        draft.puzzle(f"{key}: {name}", _("This is for a swarm; Estiva deploys to servers one by one."), line)
    if node.kind != "map":
        draft.puzzle(key, _NOT_THIS, node.line)


_TAKERS: Final[dict[str, Callable[[ServiceDraft, str, Node], None]]] = {
    **OPTION_TAKERS,
    "build": _build,
    "command": _arguments,
    "deploy": _deploy,
    "entrypoint": _arguments,
    "environment": _environment,
    "image": _image,
    "ports": _ports,
    "restart": _restart,
    "stop_grace_period": _stop_grace,
    "volumes": _volumes,
}
