"""What podman's service lacks of Docker's API, found out by asking it: the versions differ, and so do their builds."""

from collections.abc import Mapping
from typing import Any, Final

from requests import Response

from worker.connections.engine_http import EngineClient

_NOBODY: Final = "estiva-nobody-has-this-name"
ENGINE: Final = "Podman Engine"
_OWN_API: Final = "4.0.0"


def is_podman(version: Mapping[str, Any]) -> bool:
    """By the components that `/version` names."""
    return any(each.get("Name") == ENGINE for each in version.get("Components") or ())


def lacks(api: EngineClient, info: Mapping[str, Any]) -> frozenset[str]:
    """As `EngineFacts.lacks` documents them. Calls are asked with names that nothing bears."""
    base = f"http://docker:80/v{api.api_version}"
    update = api.post(f"{base}/containers/{_NOBODY}/update", json={})
    distribution = api.get(f"{base}/distribution/{_NOBODY}.invalid/none/json")
    found = set()
    if _unknown(update):
        found.add("update")
    if _unknown(distribution):
        found.add("distribution")
    if info.get("CgroupDriver") != "systemd":  # what runs a health check again and again is a timer of systemd's
        found.add("timers")
    own = api.get(f"http://docker:80/v{_OWN_API}/libpod/info")
    backend = (own.json().get("host") or {}).get("networkBackend") if own.ok else ""
    if backend == "cni":  # names are answered by a plugin that few have; netavark comes with its own
        found.add("names")
    return frozenset(found)


def _unknown(answer: Response) -> bool:
    """The call itself isn't there, rather than what it was asked about."""
    said = answer.text.strip()
    return answer.status_code == 405 or (answer.status_code == 404 and (said == "Not Found" or "not supported" in said))
