"""What Compose makes of documents, as far as the in-memory server needs it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from worker.engine.compose.compose_host import ComposeRefused


def resolved(project: str, trees: Sequence[Mapping[str, Any]], profiles: Sequence[str]) -> dict[str, Any]:
    """The documents merged, short forms made long, names given; a model as `config` shows it."""
    merged: dict[str, Any] = {}
    for tree in trees:
        merged = _merged(merged, tree)
    services = {
        name: _service(body)
        for name, body in (merged.get("services") or {}).items()
        if not body.get("profiles") or set(body["profiles"]) & set(profiles)
    }
    volumes = {
        name: {"name": f"{project}_{name}", **(body or {})} for name, body in (merged.get("volumes") or {}).items()
    }
    for name, body in services.items():
        if not body.get("image") and not body.get("build"):
            raise ComposeRefused(f'service "{name}" has neither an image nor a build context specified')
        for needed in body.get("depends_on") or {}:
            if needed not in services:
                raise ComposeRefused(
                    f'service "{name}" depends on undefined service "{needed}": invalid compose project'
                )
    return {
        "name": project,
        "services": services,
        "networks": {"default": {"name": f"{project}_default"}},
        "volumes": volumes,
        **({"configs": merged["configs"]} if merged.get("configs") else {}),
    }


def settled_hash(body: Mapping[str, Any]) -> str:
    """Two definitions with the same hash need no new container."""
    counted = {key: value for key, value in body.items() if key not in ("depends_on", "scale", "pull_policy")}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()


def body_of(project: str, name: str, body: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """The container as the engine is told."""
    ports: dict[str, list[dict[str, str]]] = {}
    for each in body.get("ports") or []:
        ports.setdefault(f"{each['target']}/tcp", []).append({"HostPort": str(each.get("published", ""))})
    labels = {
        **(body.get("labels") or {}),
        "com.docker.compose.project": project,
        "com.docker.compose.service": name,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": digest,
    }
    return {
        "Image": body["image"],
        "Env": [f"{key}={value}" for key, value in (body.get("environment") or {}).items()],
        "Labels": labels,
        "Healthcheck": {"Test": (body["healthcheck"]).get("test")} if body.get("healthcheck") else None,
        "HostConfig": {
            "NetworkMode": f"{project}_default",
            "PortBindings": ports,
            "Mounts": [
                {"Type": each["type"], "Source": f"{project}_{each['source']}", "Target": each["target"]}
                for each in body.get("volumes") or []
            ],
            "RestartPolicy": {"Name": body.get("restart") or "no"},
        },
    }


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out


def _service(body: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(body)
    if isinstance(made.get("environment"), list):
        made["environment"] = dict(each.split("=", 1) for each in made["environment"])
    if isinstance(made.get("depends_on"), list):
        made["depends_on"] = {name: {"condition": "service_started", "required": True} for name in made["depends_on"]}
    made["ports"] = [_port(each) for each in made.get("ports") or []]
    made["volumes"] = [_mount(each) for each in made.get("volumes") or []]
    return made


def _port(written: Any) -> dict[str, Any]:
    if isinstance(written, dict):
        return written
    published, _, target = str(written).rpartition(":")
    return {"mode": "ingress", "target": int(target), "published": published, "protocol": "tcp"}


def _mount(written: Any) -> dict[str, Any]:
    if isinstance(written, dict):
        return written
    source, _, target = str(written).partition(":")
    kind = "bind" if source.startswith(("/", ".")) else "volume"
    return {"type": kind, "source": source, "target": target}
