"""What podman's service lacks of Docker's API, found out by asking it: the versions differ, and so do their builds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from requests import Response

from worker.connections import inspected
from worker.connections.engine_http import EngineClient
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.container_host import EngineFacts

_NOBODY: Final = "estiva-nobody-has-this-name"
ENGINE: Final = "Podman Engine"
RESTART_SERVICE: Final = "podman-restart.service"
_OWN_API: Final = "4.0.0"


def is_podman(version: Mapping[str, Any]) -> bool:
    """By the components that `/version` names."""
    return any(each.get("Name") == ENGINE for each in version.get("Components") or ())


def facts(api: EngineClient, session: SshSession, version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineFacts:
    """As Docker's, and what podman says of itself in its own words."""
    answer = api.get(f"http://docker:80/v{_OWN_API}/libpod/info")
    own: Mapping[str, Any] = (answer.json().get("host") or {}) if answer.ok else {}
    rootless = bool((own.get("security") or {}).get("rootless"))
    lacks = _lacks(api, info, own)
    if _restarts_nothing(session, rootless=rootless):
        lacks.add("boot")
    return replace(inspected.facts(version, info), product="Podman", rootless=rootless, lacks=frozenset(lacks))


def _lacks(api: EngineClient, info: Mapping[str, Any], own: Mapping[str, Any]) -> set[str]:
    """As `EngineFacts.lacks` documents them. Calls are asked with names that nothing bears."""
    base = f"http://docker:80/v{api.api_version}"
    found = set()
    if _unknown(api.post(f"{base}/containers/{_NOBODY}/update", json={})):
        found.add("update")
    if _unknown(api.get(f"{base}/distribution/{_NOBODY}.invalid/none/json")):
        found.add("distribution")
    if info.get("CgroupDriver") != "systemd":  # what runs a health check again and again is a timer of systemd's
        found.add("timers")
    if own.get("networkBackend") == "cni":  # names are answered by a plugin that few have; netavark comes with its own
        found.add("names")
    return found


def _restarts_nothing(session: SshSession, *, rootless: bool) -> bool:
    """The service that starts containers after a reboot is switched off. What can't be asked counts as on."""
    whose = ["--user"] if rootless else []
    try:
        said = session.run(["systemctl", *whose, "is-enabled", RESTART_SERVICE])
    except (ChannelRefused, TimeoutError):
        return False
    return said.stdout.decode("utf-8", "replace").strip() in ("disabled", "masked")


def _unknown(answer: Response) -> bool:
    """The call itself isn't there, rather than what it was asked about."""
    said = answer.text.strip()
    return answer.status_code == 405 or (answer.status_code == 404 and (said == "Not Found" or "not supported" in said))
