"""CONTAINER: start, stop, restart or remove one container of ours, by hand. The result: `{"said"}`.

It was chosen on a page that may be minutes old. So it is looked up again, by its id, its labels and its name, and what was
renamed or made anew meanwhile is left alone; the act itself addresses the name, which bears the fence.
"""

from collections.abc import Mapping
from typing import Any, Final

from deployments import room, room_acts, sightings
from deployments.actors import ESTIVA
from deployments.errors import Refused
from deployments.models import Host
from deployments.room_acts import Act
from deployments.states import OperationStatus
from worker.brief import installation_name
from worker.engine.container_host import Container
from worker.engine.errors import HostError
from worker.engine.inventory import Owned
from worker.operations.doubt import look_at_doubts
from worker.operations.drift import look_for_drift, ours
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.room import door
from worker.room.server_room import ServerRoom

STOP_SECONDS: Final = 10
_TITLES: Final = {Act.START: "Start", Act.STOP: "Stop", Act.RESTART: "Restart", Act.REMOVE: "Remove"}


def act(looking: Looking) -> Outcome:
    """Do it once, look what became of it, and write down how the server differs from the record now."""
    host, request = host_of(looking), looking.operation.request
    wanted = Act(request["act"])
    looking.plan_steps([("find", request["name"]), ("act", _TITLES[wanted])])
    with door.enter(host, looking.signals) as (server, _masker):
        with looking.step("find") as step:
            found = _found(server, request)
            gone_already = found is None and wanted == Act.REMOVE and looking.operation.attempts > 1
            if found is None and not gone_already:
                raise _changed(host, request, "It is not there any more.")
            _check_idle(host, request)
            step.finish("Still the one that was chosen.")
        with looking.step("act") as step:
            if found is not None:
                _do(server, wanted, found, host)
            said = _seen(server, wanted, request)
            step.finish(said)
        if sightings.containers_seen(host.pk, sightings.where(host), ours(server, installation_name())):
            look_for_drift(host, server)
            look_at_doubts(host, server)
    room.look_around(actor=ESTIVA, host=host)
    return Outcome(OperationStatus.SUCCEEDED, {"said": said})


def _found(server: ServerRoom, request: Mapping[str, Any]) -> Container | None:
    """The container that was chosen, unchanged; None when it is gone. HostError when it isn't what it was."""
    by_id = server.container(request["id"])
    if by_id is None:
        return None
    labels = by_id.labels
    placement = str(request["placement"]) if request["placement"] is not None else labels.get("estiva.placement", "")
    is_ours = labels.get("estiva.installation") == installation_name()
    if not is_ours or labels.get("estiva.placement", "") != placement:
        raise HostError(f"{request['name']} is not Estiva's.", remedy="Nothing was done.")
    by_name = server.container(request["name"])
    if by_id.name != request["name"] or by_name is None or by_name.id != by_id.id:
        raise HostError(
            f"{request['name']} is called {by_id.name} now. Nothing was done.",
            why="A deployment took it over meanwhile, or somebody renamed it.",
            remedy="Look at the server again, then choose anew.",
        )
    return by_id


def _changed(host: Host, request: Mapping[str, Any], said: str) -> HostError:
    return HostError(
        f"{request['name']} on {host.name}: {said} Nothing was done.",
        why="A deployment replaced it meanwhile, or somebody removed it.",
        remedy="Look at the server again, then choose anew.",
    )


def _check_idle(host: Host, request: Mapping[str, Any]) -> None:
    try:
        room_acts.check_idle(host.pk, request["placement"])
    except Refused as refused:
        raise HostError(f"{refused.message} Nothing was done.", remedy=str(refused.remedy)) from refused


def _do(server: ServerRoom, wanted: Act, found: Container, host: Host) -> None:
    patience = Owned(found).stop_timeout(STOP_SECONDS)
    match wanted:
        case Act.START:
            server.start(found.name)
        case Act.STOP:
            server.stop(found.name, timeout=patience)
        case Act.RESTART:
            server.restart(found.name, timeout=patience)
        case Act.REMOVE:
            if found.running:
                raise HostError(
                    f"{found.name} runs on {host.name}. Nothing was removed.",
                    why="Somebody started it meanwhile.",
                    remedy="Stop it first.",
                )
            server.remove(found.name)


def _seen(server: ServerRoom, wanted: Act, request: Mapping[str, Any]) -> str:
    """What became of it, as seen afterwards. HostError when that isn't what was wanted."""
    now, name = server.container(request["id"]), request["name"]
    if wanted == Act.REMOVE:
        if now is not None:
            raise HostError(f"{name} is still there.", remedy="Look at the server again.")
        return f"{name} is gone; its volumes stay."
    if now is None:
        raise HostError(f"{name} is gone.", why="Somebody removed it at that moment.")
    if wanted == Act.STOP:
        if now.running:
            raise HostError(f"{name} runs again.", why="Somebody, or something on the server, started it.")
        return f"{name} is stopped, exit code {now.exit_code}."
    if not now.up:
        raise HostError(
            f"{name} was started and ended at once, exit code {now.exit_code}.",
            why=now.error,
            remedy="Its log says why.",
        )
    return f"{name} runs."
