"""What a click would change: pure functions from settings and what was observed to a Plan's columns.

A Plan's `changes` are `{"kind": "image|source|commit|build|compose|file|setting|variable|secret", "name", "before", "after"}`,
all text for people, never a secret's value; an `image` of a Compose application bears its service's name. Its `hosts` are one row a server:
`{"host": id, "name", "ready": bool, "findings": [{"check", "result": good|warn|bad|unknown, "message", "remedy"}],
"engine", "platform", "disk_free": bytes or None, "strategy": "start-first|stop-first", "reasons": [text],
"gap": bool, "first": bool, "away": ""|skip|wait}`; `gap` announces time without service, `first` that nothing runs there yet,
`away` what becomes of one that did not answer. Of a Compose application also `"services": [{"service", "kind":
added|removed|recreated|unchanged, "reasons": [text], "before", "after"}]`, where `before` and `after` are images; its
`strategy` is "".
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from deployments import build_settings, compose_settings, container_settings, sources
from deployments.releases import Content, told_apart

_REDACTED: Final = "[redacted]"  # as the worker writes for a secret

Change = dict[str, str]
STOP_FIRST = "stop-first"


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a Plan's row takes over once its Operation has looked."""

    digest: str
    tag: str
    changes: list[Change]
    hosts: list[dict[str, Any]]
    fingerprint: str


def assemble(
    *,
    placement_id: int,
    intended: Content,
    running: Content | None,
    digest: str,
    tag: str,
    looks: Sequence[Mapping[str, Any]],
    rollout: Mapping[str, Any] | None = None,
) -> Assembled:
    """The Plan, from what is intended, what runs now, and how each server was found (rows as above, without `ready` and `gap`)."""
    lost = [_lost_secret(name) for name in intended.lost_secrets]
    known = bool(digest) or sources.is_resolved(intended.source)
    away = str((rollout or {}).get("away", "fail"))
    hosts = [_host_row(look, lost, known=known, away=away) for look in looks]
    planned = replace(intended, digest=digest, tag=tag)
    return Assembled(
        digest=digest,
        tag=tag,
        changes=differences(running, planned),
        hosts=hosts,
        fingerprint=fingerprint(placement_id, intended, digest, [row["host"] for row in hosts], rollout),
    )


def fingerprint(
    placement_id: int,
    content: Content,
    digest: str,
    host_ids: Iterable[int],
    rollout: Mapping[str, Any] | None = None,
) -> str:
    """SHA-256 over everything that a click on this Plan would bring about, secrets by the id of their version."""
    parts = {
        "placement": placement_id,
        "image": content.image,
        "digest": digest,
        "source": content.source,
        "settings": content.settings,
        "variables": told_apart(content.variables),
        "hosts": sorted(host_ids),
        **({"rollout": dict(rollout)} if rollout else {}),
    }
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def differences(before: Content | None, after: Content) -> list[Change]:
    """What differs, in words; against nothing, only the image is named (all else is new with it)."""
    if before is None:
        return [_first(after)]
    changes = _source_changes(before.source, after.source)
    if not after.source and (before.image, before.digest) != (after.image, after.digest):
        changes.append(_change("image", "image", _image_text(before), _image_text(after)))
    changes.extend(container_settings.differences(before.settings, after.settings))
    changes.extend(_variable_changes(before.variables, after.variables))
    return changes


def _host_row(look: Mapping[str, Any], lost: list[dict[str, str]], *, known: bool, away: str) -> dict[str, Any]:
    findings = [*look.get("findings", []), *lost]
    ready = known and not any(finding["result"] == "bad" for finding in findings)
    first = bool(look.get("first", False))
    strategy, services = look.get("strategy", ""), list(look.get("services", []))
    return {
        "host": look["host"],
        "name": look["name"],
        "ready": ready,
        "findings": findings,
        "engine": look.get("engine", ""),
        "platform": look.get("platform", ""),
        "disk_free": look.get("disk_free"),
        "strategy": strategy,
        "reasons": list(look.get("reasons", [])),
        "gap": (strategy == STOP_FIRST or any(each["kind"] == "recreated" for each in services)) and not first,
        "first": first,
        "away": away if known and away != "fail" and _is_away(findings) else "",
        **({"services": services} if services else {}),
    }


def _is_away(findings: Iterable[Mapping[str, Any]]) -> bool:
    """Nothing is wrong but that it did not answer."""
    return {each["check"] for each in findings if each["result"] == "bad"} == {"reachable"}


def _lost_secret(name: str) -> dict[str, str]:
    return {
        "check": "variables",
        "result": "bad",
        "message": f"The secret {name} of that Release was deleted, its value is gone.",
        "remedy": f"Set {name} again among the variables, then plan again.",
    }


def _variable_changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Change]:
    old = {variable["name"]: variable for variable in before}
    new = {variable["name"]: variable for variable in after}
    changes = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, becomes = old.get(name), new.get(name)
        if was == becomes or (was and becomes and told_apart([was]) == told_apart([becomes])):
            continue
        kind = "secret" if "secret" in (was or {}) or "secret" in (becomes or {}) else "variable"
        changes.append(_change(kind, name, *_variable_texts(was, becomes)))
    return changes


def _variable_texts(was: dict[str, Any] | None, becomes: dict[str, Any] | None) -> tuple[str, str]:
    if was and becomes and "secret" in was and "secret" in becomes:
        return _version_text(was), _version_text(becomes)
    secret = "secret" in (was or {}) or "secret" in (becomes or {})
    return _variable_text(was, secret=secret), _variable_text(becomes, secret=secret)


def _variable_text(variable: dict[str, Any] | None, *, secret: bool) -> str:
    """Where one side is a secret the other isn't shown either: a value is made secret because it was one all along."""
    if variable is None:
        return ""
    if "secret" in variable:
        return f"secret, {_version_text(variable)}"
    return "a plain value" if secret else str(variable.get("value", ""))


def _version_text(variable: dict[str, Any]) -> str:
    """Each set counts the versions of its secrets by itself."""
    number = f"version {variable['number']}"
    return f"{number} of the set {variable['set']}" if "set" in variable else number


def _first(after: Content) -> Change:
    if after.source:
        return _change("commit", "commit", "", _commit_text(after.source) or sources.label(after.source))
    return _change("image", "image", "", _image_text(after))


def _source_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Where it comes from, which commit, how it is built; a commit that isn't known yet is no change."""
    changes = []
    if (before.get("kind"), before.get("url")) != (after.get("kind"), after.get("url")):
        changes.append(_change("source", "source", _source_text(before), _source_text(after)))
    commit = after.get("commit")
    if commit and commit != before.get("commit"):
        changes.append(_change("commit", "commit", _commit_text(before), _commit_text(after)))
    if before and after:
        changes.extend(build_settings.differences(before.get("build", {}), after.get("build", {})))
        changes.extend(compose_settings.differences(before.get("compose", {}), after.get("compose", {})))
    changes.extend(_compose_changes(before, after))
    return changes


def _compose_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Which of the files differ, and the image of each service; nothing as long as nothing was found out."""
    if "files" not in after:
        return []
    old, new = dict(before.get("files", ())), dict(after["files"])
    changes = [
        _change("file", name, _file_text(old.get(name)), _file_text(new.get(name)))
        for name in dict.fromkeys((*new, *old))
        if old.get(name) != new.get(name)
    ]
    was, becomes = before.get("images", {}), after.get("images", {})
    return changes + [
        _change("image", name, was.get(name, ""), becomes.get(name, ""))
        for name in sorted({*was, *becomes})
        if was.get(name) != becomes.get(name)
    ]


def _file_text(text: str | None) -> str:
    return "" if text is None else f"{len(text.splitlines())} lines"


def new_powers(planned: Mapping[str, Any], running: Mapping[str, Any] | None) -> list[list[str]]:
    """What of a source's power over the server what runs doesn't have: `[service, key, reason]`.

    A reason in which a secret was masked is never known: with another secret it reads the same.
    """
    known = [list(each) for each in (running or {}).get("powers", [])]
    every = [list(each) for each in planned.get("powers", [])]
    return [each for each in every if each not in known or any(_REDACTED in str(text) for text in each)]


def _source_text(source: Mapping[str, Any]) -> str:
    if not source:
        return "an image from a registry"
    if source.get("image_id"):
        return f"the image {source['image_id'][:19]}, on the server"
    return str(source.get("url") or "a Compose file")


def _commit_text(source: Mapping[str, Any]) -> str:
    """`4f3a1c2 Fix the total`."""
    return f"{str(source.get('commit', ''))[:7]} {source.get('subject', '')}".strip()


def _image_text(content: Content) -> str:
    return f"{content.image} ({content.digest})" if content.digest else content.image


def _change(kind: str, name: str, before: str, after: str) -> Change:
    return {"kind": kind, "name": name, "before": before, "after": after}
