"""A build Target of a Compose application: the images of its services, one after the other, each only once."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from worker.engine.build import make_image
from worker.engine.build_cleanup import clean_up
from worker.engine.build_host import BuildHost
from worker.engine.build_log import BuildLog
from worker.engine.build_making import Making
from worker.engine.build_spec import BuildSpec
from worker.engine.compose.builds import ServiceBuild
from worker.engine.errors import Cancelled, HostError
from worker.engine.events import Built, Ended, Event, Line, StepKey, Verdict
from worker.engine.failure import StepFailed, listed
from worker.engine.run import step


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image. `context` is a tar, read only when something has to be built; `size` is its files' bytes."""

    build: ServiceBuild
    spec: BuildSpec
    context: Iterator[bytes]
    size: int = 0


@dataclass(slots=True)
class _Building:
    host: BuildHost
    step: StepKey = "build"
    made: list[Making] = field(default_factory=list)


def build_services(wanted: Sequence[Wanted], host: BuildHost) -> Iterator[Event]:
    """Build them, or find them built. One `Built` for each of `wanted`, in their order, once all are there; then `Ended`.

    What a context raises comes out as it is, the step left open; so do `HostLost` and `LeaseLost`.
    """
    building = _Building(host)
    server = wanted[0].spec.server if wanted else "the builder"
    try:
        yield from step(building, "build", _all(building, wanted))
        yield from (each.built for each in building.made if each.built is not None)
        yield from step(building, "cleanup", _tidy(building))
        named = listed([each.build.named for each in wanted])
        are = "image is" if len(wanted) == 1 else "images are"
        yield Ended(Verdict.SUCCEEDED, what=f"The {are} on {server}: {named}.")
    except Cancelled:
        host.shield()
        what = f"Cancelled: the build on {server} was ended, and nothing it started runs any more."
        yield Ended(Verdict.CANCELLED_UNTOUCHED, what=what)
    except StepFailed as failure:
        host.shield()
        yield Ended(
            Verdict.FAILED_UNTOUCHED,
            what=failure.what,
            why=failure.why,
            remedy=failure.remedy,
            failed_step=failure.step,
            exit_code=failure.exit_code,
        )


def _all(building: _Building, wanted: Sequence[Wanted]) -> Generator[Event, None, str]:
    for number, each in enumerate(wanted, 1):
        where = each.build.folder or "the repository's top"
        count = f" ({number} of {len(wanted)})" if len(wanted) > 1 else ""
        yield Line(f"The image of {each.build.named}{count}, from {where}, {each.build.dockerfile}.")
        # as many are kept for reuse as of an application with one image
        spec = replace(each.spec, keep_builds=each.spec.keep_builds * len(wanted))
        making = Making(spec, building.host, BuildLog(each.size))
        try:
            said = yield from make_image(making, each.context)
        except StepFailed as failure:
            failure.what = f"{each.build.named}: {failure.what}"
            raise
        except HostError as error:
            raise StepFailed.of(error, f"The image of {each.build.named} could not be built") from error
        building.made.append(making)
        yield Line(f"{each.build.named}: {said}.", level="good")
    reused = sum(each.built.reused for each in building.made if isinstance(each.built, Built))
    return f"{len(wanted) - reused} built, {reused} used again"


def _tidy(building: _Building) -> Generator[Event, None, str]:
    if not building.made:
        return "nothing to tidy"
    return (yield from clean_up(building.made[-1]))
