"""CHECK: log in anew, reach the engine, see what it is and what of ours runs there. Asked by people and by the reconciler.

The result of a good one: `{"engine", "platform", "disk_free", "clock_skew", "containers"}`; of a bad one `{"what", "why", "remedy"}`,
and `"sockets"`, where others than the one that was asked for answer: [{"path", "kind"}].
Each check logs in anew: only so a changed host key, a withdrawn login or a group membership given meanwhile is seen.
"""

import time
from datetime import datetime
from typing import Any, Final

from deployments import engines, host_samples, sightings
from deployments.inventory import hosts as inventory
from deployments.models import Host
from deployments.states import HostState, OperationStatus
from worker import local_engine
from worker.alarms import sound_alarm
from worker.brief import CannotBrief, HostConnection, host_connection, installation_name, secrets_of
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool, SshSession
from worker.connections.socket_search import sockets_elsewhere
from worker.engine.container_host import ContainerHost, EngineFacts
from worker.engine.errors import HostKeyChanged, HostLost, SocketRefused
from worker.engine.podman import podman_findings
from worker.engine.preflight import disk_finding, engine_finding
from worker.logs import open_secrets
from worker.operations.doubt import look_at_doubts
from worker.operations.drift import look_for_drift, ours
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.room.sampling import sampled
from worker.servers import pool as shared_pool

SKEW_SECONDS: Final = 5.0
STEPS: Final = (
    ("login", "Login"),
    ("socket", "Docker socket"),
    ("engine", "Docker Engine"),
    ("disk", "Disk"),
    ("clock", "Clock"),
    ("containers", "What runs there"),
)


def check(looking: Looking) -> Outcome:
    """See whether everything a deploy needs is there, and write down what was seen."""
    host = host_of(looking)
    looking.plan_steps(STEPS)
    try:
        connection = host_connection(host)
    except CannotBrief as error:
        if host.via is not None and host.is_trusted and host.state != HostState.KEY_CHANGED:
            sightings.host_seen(host.pk, sightings.where(host), HostState.UNREACHABLE, error.message)
        raise
    with open_secrets.using(Masker(secret.reveal() for secret in secrets_of(connection))):
        try:
            return _checked(looking, host, connection)
        except HostKeyChanged as error:
            sound_alarm(host.pk, connection.address.where, error)
            if error.host_name not in ("", host.name):
                sightings.host_seen(host.pk, connection.address.where, HostState.UNREACHABLE, error.message)
            raise
        except HostLost as error:
            said = f"{error.message} {error.why}".strip()
            sightings.host_seen(host.pk, connection.address.where, HostState.UNREACHABLE, said)
            host_samples.record(host.pk, None)
            raise


def _checked(looking: Looking, host: Host, connection: HostConnection) -> Outcome:
    pool = Pool(ways=shared_pool())  # those on the way are checked on their own
    try:
        with looking.step("login") as step:
            session = pool.session(connection.address, connection.credential, connection.host_key, looking.signals)
            step.finish(_reached(connection))
        try:
            return _look(looking, host, session, connection)
        except SocketRefused as error:
            if connection.address.beside is not None:
                raise
            return _elsewhere(looking, host, session, connection, error)
    finally:
        pool.close()


def _reached(connection: HostConnection) -> str:
    way = connection.address
    return f"{'Reached' if way.beside else 'Logged in to'} {way.in_words}."


def _elsewhere(
    looking: Looking, host: Host, session: SshSession, connection: HostConnection, error: SocketRefused
) -> Outcome:
    """Not at this path: the result's `sockets` are others that the user may open, for the admin to choose."""
    host_samples.record(host.pk, None)
    found = sockets_elsewhere(session, connection.docker_socket)
    if not found:
        raise error
    names = ", ".join(f"{each.path} ({each.kind})" for each in found)
    said = f"{error.message} {error.why} There is another one: {names}."
    looking.fail_open(said)
    sightings.host_seen(host.pk, connection.address.where, HostState.UNREACHABLE, said)
    sockets = [{"path": each.path, "kind": each.kind} for each in found]
    remedy = f"Use {found[0].path}: choose it on the page of {host.name}. Else: {error.remedy}"
    told = {"what": error.message, "why": f"{error.why} There is another one: {names}.", "remedy": remedy}
    return Outcome(OperationStatus.FAILED, {**told, "sockets": sockets})


def _look(looking: Looking, host: Host, session: SshSession, connection: HostConnection) -> Outcome:
    socket, where = connection.docker_socket, connection.address.where
    with looking.step("socket") as step:
        server: ContainerHost = DockerHost(session, socket, looking.signals)
        facts, skew = _facts(server)
        step.finish(f"{socket} answers.")
    learned: dict[str, Any] = {
        "engine_version": facts.engine_version if facts.product == "Docker" else facts.name,
        "api_version": facts.api_version,
        "os_type": facts.os_type,
        "architecture": facts.architecture,
        "clock_skew": skew,
    }
    with looking.step("engine") as step:
        finding = engine_finding(facts, host.name)
        step.finish(finding.message, status=finding.result, remedy=finding.remedy)
        for lack in podman_findings(facts, host.name):
            step.finish(f"{step.message} {lack.message}", status="warn", remedy=step.remedy or lack.remedy)
    if finding.result == "bad":
        sightings.host_seen(host.pk, where, HostState.UNSUPPORTED, finding.message, learned)
        return Outcome(OperationStatus.FAILED, {"what": finding.message, "why": "", "remedy": finding.remedy})
    if connection.address.beside is not None:
        engine = local_engine.current()
        if engine is not None:
            learned |= {"builds_only": not engine.whole or engines.can_only_build(host.engine_id)}
    learned |= _disk(looking, host, server, facts)
    _clock(looking, skew)
    with looking.step("containers") as step:
        running = ours(server, installation_name())
        step.finish(f"{len(running)} of Estiva's containers, {facts.containers_running} running in all.")
    sightings.host_seen(host.pk, where, HostState.READY, "", learned)
    host_samples.record(host.pk, sampled(session, learned))
    if sightings.containers_seen(host.pk, where, running):
        look_for_drift(host, server)
        look_at_doubts(host, server)
    inventory.meet_behind(host)
    result = {
        "engine": facts.name,
        "platform": f"{facts.os_type}/{facts.architecture}",
        "disk_free": learned.get("disk_free"),
        "clock_skew": skew,
        "containers": len(running),
    }
    return Outcome(OperationStatus.SUCCEEDED, result)


def _facts(server: ContainerHost) -> tuple[EngineFacts, float | None]:
    """What the engine is, and by how many seconds its clock is ahead of ours."""
    before = time.time()
    facts = server.facts()
    middle = (before + time.time()) / 2
    try:
        return facts, round(datetime.fromisoformat(_micro(facts.server_time)).timestamp() - middle, 3)
    except ValueError:
        return facts, None


def _micro(text: str) -> str:
    """RFC 3339 with nanoseconds, as Docker writes it, cut to what Python reads."""
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{head}{dot}{digits[:6]}{rest[len(digits) :]}" if dot else text


def _disk(looking: Looking, host: Host, server: ContainerHost, facts: EngineFacts) -> dict[str, int]:
    with looking.step("disk") as step:
        space = server.disk_free(facts.root_folder)
        finding = disk_finding(space, already_here=True, folder=facts.root_folder, server=host.name)
        status = "warn" if finding.result == "unknown" else finding.result
        step.finish(finding.message, status=status, remedy=finding.remedy)
    return {"disk_free": space[0], "disk_total": space[1]} if space else {}


def _clock(looking: Looking, skew: float | None) -> None:
    with looking.step("clock") as step:
        if skew is None:
            step.finish("The server's time is not known.", status="warn")
        elif abs(skew) < SKEW_SECONDS:
            step.finish(f"In step with the worker's, {abs(skew):.1f} s apart.")
        else:
            step.finish(
                f"The server's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the worker's.",
                status="warn",
                remedy="Run a time service there: timedatectl set-ntp true.",
            )
