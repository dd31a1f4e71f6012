"""A builder's refusal as the words that a person reads: where in the Dockerfile, why probably, what to do. Pure."""

from worker.engine.build_diagnosis import diagnose
from worker.engine.build_log import brief, dockerfile_line, internal, readable
from worker.engine.build_making import Making
from worker.engine.build_spec import BuildSpec
from worker.engine.errors import HostError
from worker.engine.failure import StepFailed, listed


def diagnosed(making: Making, error: HostError) -> StepFailed:
    """Why BuildKit gave up, in words that help."""
    spec, failed = making.spec, making.log.failed
    said = plainly(error.message, spec)
    heard = [said, failed.error if failed else ""]
    if failed is not None and internal(
        failed.name
    ):  # what BuildKit does by itself is named by no command of the user's
        heard += [failed.name, *making.problems]
    found = diagnose("\n".join(heard), making.log.last_words, platform=making.platform, memory=spec.memory)
    what = f"The build failed on {spec.server}: {said}"
    if failed is not None:
        line = dockerfile_line(failed.name, spec.dockerfile_text)
        where = f" (line {line} of {spec.dockerfile})" if line else ""
        what = f"The build failed on {spec.server} at {readable(failed.name)}{where}: {brief(failed.error)}"
    elif making.log.going_on:
        what = f"{what} It was at {listed(making.log.going_on)}."
    if error.why and found.generic and found.exit_code is None:
        return StepFailed(what, why=error.why, remedy=error.remedy)
    return StepFailed(what, why=found.why, remedy=found.remedy, exit_code=found.exit_code)


def plainly(message: str, spec: BuildSpec) -> str:
    """An error of the builder without what goes without saying."""
    said = message.removeprefix(f"Server {spec.host_name}: ")
    for noise in (
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "failed to create LLB definition: ",
    ):
        said = said.removeprefix(noise)
    return said
