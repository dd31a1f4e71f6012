"""Which images a build begins from, looked up before it begins: they decide whether an earlier build is the same."""

from worker.engine.build_failure import plainly
from worker.engine.build_making import Making
from worker.engine.build_spec import BuildSpec
from worker.engine.container_host import EngineFacts
from worker.engine.dockerfile import base_images, can_be_asked
from worker.engine.errors import HostError
from worker.engine.events import Line
from worker.engine.run import Steps


def resolve_bases(making: Making, facts: EngineFacts) -> Steps:
    """Which images it is built on, as their registries have them now; where one doesn't answer, the builder's own."""
    spec, host = making.spec, making.host
    bases, remote = [], True
    for reference in base_images(spec.dockerfile_text, _arguments(spec, facts), spec.target):
        identity, problem = "", ""
        if not can_be_asked(reference):  # BuildKit will say what is wrong with it
            bases.append((reference, identity))
            remote = False
            continue
        try:
            identity = host.remote_image(reference, spec.registry_auth.get(_registry_of(reference))).digest
        except HostError as error:
            remote, problem = False, plainly(error.message, spec)
            making.problems.append(problem)
            local = host.local_image(reference)
            identity = local.id if local is not None else ""
        bases.append((reference, identity))
        if identity and not problem:
            yield Line(f"Base image {reference} is {identity[:19]}…")
        else:
            instead = f"the builder has {identity[:19]}…" if identity else "the builder has none of that name"
            yield Line(f"Base image {reference} could not be looked up; {instead}. {problem}", level="warn")
    making.bases, making.pulled = tuple(bases), remote and bool(bases)


def _arguments(spec: BuildSpec, facts: EngineFacts) -> dict[str, str]:
    """What may stand in FROM: the arguments, and those that BuildKit sets by itself."""
    own = f"{facts.os_type}/{facts.architecture}"
    wanted = (spec.platform or own).split("/")
    known = {"BUILDPLATFORM": own, "BUILDOS": facts.os_type, "BUILDARCH": facts.architecture}
    known |= {"TARGETPLATFORM": "/".join(wanted), "TARGETOS": wanted[0], "TARGETARCH": wanted[1]}
    return known | {"TARGETVARIANT": wanted[2] if len(wanted) > 2 else ""} | dict(spec.args)


def _registry_of(reference: str) -> str:
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
