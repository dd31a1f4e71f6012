"""What podman's service lacks of Docker's API, found out by asking it: the versions differ, and so do their builds."""

from collections.abc import Mapping
from typing import Any, Final

from requests import Response

from worker.connections.engine_http import EngineClient
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused

_NOBODY: Final = "estiva-nobody-has-this-name"
ENGINE: Final = "Podman Engine"
RESTART_SERVICE: Final = "podman-restart.service"
_OWN_API: Final = "4.0.0"


def is_podman(version: Mapping[str, Any]) -> bool:
    """By the components that `/version` names."""
    return any(each.get("Name") == ENGINE for each in version.get("Components") or ())


def lacks(api: EngineClient, info: Mapping[str, Any], session: SshSession, *, rootless: bool) -> frozenset[str]:
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
    if _restarts_nothing(session, rootless=rootless):
        found.add("boot")
    return frozenset(found)


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
