"""Is the new container what it should be? The proof, or a diagnosis why there is none."""

from collections.abc import Generator

from worker.engine.container_body import asked_port
from worker.engine.container_host import Container, LocalImage
from worker.engine.diagnosis import exited, keeps_exiting, listening_elsewhere, never_healthy
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.health import Proof, Watched, watch
from worker.engine.probing import open_ports, question
from worker.engine.rootless import addresses_reach
from worker.engine.run import Run
from worker.engine.spec import HealthSpec


def prove(run: Run) -> Generator[Event, None, Proof]:
    """Judge the candidate; `StepFailed` with a diagnosis when it isn't proven."""
    spec = run.spec.container
    port = _port(run)
    if spec.health.kind in ("http", "tcp") and port is None:
        raise StepFailed(
            "The health check asks a port, but no port is known.",
            why="The settings name none, publish none, and the image declares none.",
            remedy="Set the port of the health check in the settings.",
        )
    yield Line(_announced(spec.health, port))
    watched = asked_of(run)
    proof = yield from watch(run.host, watched)
    run.heard = watched.heard
    if not proof.proven:
        raise _diagnosed(run, proof, port)
    run.proven_restarts = proof.container.restart_count if proof.container else 0
    yield Line(f"{run.candidate} is healthy after {proof.waited:.1f} s.", level="good")
    return proof


def asked_of(run: Run) -> Watched:
    """The candidate, and what its Release's own health check asks of it."""
    spec = run.spec.container
    return Watched(
        run.candidate,
        spec.health,
        _port(run),
        spec.network,
        run.recent,
        run.heard,
        step=run.step,
        reaches=addresses_reach(run.facts, spec.options.network_mode == "host"),
    )


def tcp_ports(image: LocalImage | None) -> list[int]:
    """The TCP ports that an image declares."""
    declared = image.exposed_ports if image is not None else ()
    return sorted(int(each.partition("/")[0]) for each in declared if each.endswith("/tcp"))


def _port(run: Run) -> int | None:
    """The container port that the health check asks: the one set, else the first published, else the image's first."""
    return asked_port(run.spec.container) or next(iter(tcp_ports(run.image)), None)


def _announced(health: HealthSpec, port: int | None) -> str:
    times = "" if health.kind == "running" else f", {max(1, health.passes)} times in a row"
    return f"Health check: {question(health, port)}{times}."


def _diagnosed(run: Run, proof: Proof, port: int | None) -> StepFailed:
    """Why the candidate isn't proven."""
    health = run.spec.container.health
    if proof.container is None:
        return StepFailed(
            f"The new container {run.candidate} vanished from {run.server} while it was judged.",
            why="Somebody removed it.",
            remedy="Deploy again.",
        )
    if not proof.alive:
        return exited(proof.container, proof.waited, run.recent, run.server, run.image)
    if not proof.timed_out:
        return StepFailed(
            f"The new container on {run.server} is unhealthy: {proof.answer}.",
            why="The image's own health check gave up.",
            remedy="Look at its lines in the log and at the check's output above.",
        )
    if proof.container.restart_count:
        return keeps_exiting(proof.container, health.deadline, run.server)
    hints = _hints(run, proof.container, port) if "refused" in proof.answer else []
    return never_healthy(question(health, port), proof.answer, health.deadline, run.server, port, hints)


def _hints(run: Run, container: Container, port: int | None) -> list[str]:
    """It refused connections: does it listen elsewhere?"""
    if not addresses_reach(run.facts, container.network_mode == "host"):
        return []
    others = [each for each in tcp_ports(run.image) if each != port]
    answering = open_ports(run.host, container, run.spec.container.network, others)
    return listening_elsewhere(port, answering, run.recent, run.image)
