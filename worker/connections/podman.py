"""What podman's service lacks of Docker's API, found out by asking it: the versions differ, and so do their builds."""

from collections.abc import Mapping
from typing import Any, Final

from requests import Response

from worker.connections.engine_http import EngineClient

_NOBODY: Final = "estiva-nobody-has-this-name"
ENGINE: Final = "Podman Engine"


def is_podman(version: Mapping[str, Any]) -> bool:
    """By the components that `/version` names."""
    return any(each.get("Name") == ENGINE for each in version.get("Components") or ())


def lacks(api: EngineClient) -> frozenset[str]:
    """ "update" and "distribution", where podman doesn't know the call at all. Asked with names that nothing bears."""
    base = f"http://docker:80/v{api.api_version}"
    update = api.post(f"{base}/containers/{_NOBODY}/update", json={})
    distribution = api.get(f"{base}/distribution/{_NOBODY}.invalid/none/json")
    found = set()
    if _unknown(update):
        found.add("update")
    if _unknown(distribution):
        found.add("distribution")
    return frozenset(found)


def _unknown(answer: Response) -> bool:
    """The call itself isn't there, rather than what it was asked about."""
    said = answer.text.strip()
    return answer.status_code == 405 or (answer.status_code == 404 and (said == "Not Found" or "not supported" in said))
