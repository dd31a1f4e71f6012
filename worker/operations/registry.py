"""REGISTRY: try a registry's login through a server's engine, look one image up there, and see whether the worker reaches it.

The result: `{"state"}`, and of a failure `"what", "why", "remedy"`.
"""

import time
from typing import Any, Final

from deployments import registry_sightings
from deployments.models import Registry
from deployments.states import OperationStatus, RegistryState
from worker.alarms import sound_alarm
from worker.brief import CannotBrief, HostConnection, host_connection, secrets_of, with_registries
from worker.connections.docker import DockerHost
from worker.connections.keychain import Keychain, Login
from worker.connections.signals import Signals
from worker.engine.errors import HostError, HostKeyChanged, HostLost
from worker.logs import open_secrets
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.registries import opening
from worker.registries.client import RegistryClient, RegistryRefused
from worker.servers import pool

WORKER_SECONDS: Final = 10.0
_REFUSALS: Final = (
    "unauthorized",
    "gave no token",
    "incorrect username or password",
    "denied",
    "authentication required",
    "forbidden",
)


def look(looking: Looking) -> Outcome:
    """Try it; what came out stands on its page."""
    row, host = looking.operation.registry, looking.operation.host
    if row is None or host is None:
        raise RuntimeError(f"Operation {looking.operation.pk} names no registry or no server.")
    looking.plan_steps(_titles(row, host.name))
    login = opening.login_of(row)
    try:
        connection = host_connection(host)
    except CannotBrief as error:
        return _failed(looking, row, RegistryState.NEW, error.message, "", error.remedy)
    if row.test_image:
        connection = with_registries(connection, [row.test_image])
    known = (*secrets_of(connection), *Keychain((login,)).secrets)
    with open_secrets.using(Masker([each.reveal() for each in known])):
        try:
            _through_the_server(looking, row, login, connection)
            _from_the_worker(looking, row, login)
        except HostError as error:
            return _failed(looking, row, _state_of(error), error.message, error.why, error.remedy)
        except HostLost as error:
            if isinstance(error, HostKeyChanged):
                sound_alarm(host.pk, (host.address, host.port), error)
            return _failed(looking, row, RegistryState.NEW, error.message, error.why, error.remedy)
    _write(looking, row, RegistryState.READY, "", "")
    return Outcome(OperationStatus.SUCCEEDED, {"state": str(RegistryState.READY)})


def _titles(row: Registry, server: str) -> list[tuple[str, str]]:
    login = [("login", f"Sign in from {server}")] if row.has_login else []
    image = [("image", f"Look up {row.test_image}")] if row.test_image else []
    return [*login, *image, ("worker", "From the worker, for choosing tags")]


def _through_the_server(looking: Looking, row: Registry, login: Login, connection: HostConnection) -> None:
    if not row.has_login and not row.test_image:
        return
    signals: Signals = looking.signals
    session = pool().session(connection.address, connection.credential, connection.host_key, signals)
    try:
        server = DockerHost(session, connection.docker_socket, signals, keychain=connection.keychain)
        if row.has_login:
            with looking.step("login") as step:
                server.sign_in(login)
                step.finish(f"{row.host} accepts {row.username}.")
        if row.test_image:
            with looking.step("image") as step:
                found = server.remote_image(row.test_image)
                built_for = ", ".join(map(str, found.platforms[:6])) or "unknown platforms"
                step.finish(f"{found.digest[:19]}…, for {built_for}.")
    finally:
        session.close()


def _from_the_worker(looking: Looking, row: Registry, login: Login) -> None:
    """Only the choice of tags needs it, so its failure is a remark."""
    repository = row.test_image.removeprefix(f"{row.host}/").partition("@")[0].rpartition(":")[0] or "library/none"
    client = RegistryClient(row.host, repository, login.auth, row.ca, time.monotonic() + WORKER_SECONDS)
    with looking.step("worker") as step:
        try:
            client.get(f"{repository}/tags/list?n=1" if row.test_image else "")
            step.finish("The worker reaches it too.")
        except RegistryRefused as error:
            said = f"{error.message} {error.why}"
            step.finish(f"{said} Deploying needs the servers alone.", status="warn", remedy=error.remedy)
        finally:
            client.close()


def _state_of(error: HostError) -> RegistryState:
    said = error.message.lower()
    return RegistryState.REFUSED if any(word in said for word in _REFUSALS) else RegistryState.UNREACHABLE


def _failed(looking: Looking, row: Registry, state: RegistryState, what: str, why: str, remedy: str) -> Outcome:
    what, why = open_secrets.mask(what), open_secrets.mask(why)
    _write(looking, row, state, why or what, remedy)  # the engine's own words stand at the step
    told: dict[str, Any] = {"what": what, "why": why, "remedy": remedy, "state": str(state)}
    return Outcome(OperationStatus.FAILED, told)


def _write(looking: Looking, row: Registry, state: RegistryState, text: str, remedy: str) -> None:
    through = looking.operation.host.name if looking.operation.host else ""
    revision = int(looking.operation.request.get("revision", 0))
    registry_sightings.seen(row.pk, revision, state, text, remedy, through=through)
