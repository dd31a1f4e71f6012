"""From a Composition to a pinned model, with the server's own Compose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.engine.compose.compose_host import ComposeHost, ComposeRefused
from worker.engine.compose.model import Model, pinned, read_model
from worker.engine.compose.prepare import prepare
from worker.engine.compose.spec import ComposeSpec, Composition
from worker.engine.errors import HostError
from worker.engine.failure import StepFailed, listed


@dataclass(frozen=True, slots=True, repr=False)
class Resolved:
    """`model` as Compose resolved it (with builds, for `privileged`), `pinned` as it is brought up."""

    model: Model
    pinned: Model
    unset: tuple[str, ...]
    build_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def resolve(host: ComposeHost, spec: ComposeSpec, composition: Composition) -> Resolved:
    """`StepFailed`, in words for people, when Compose or Estiva can't take it."""
    prepared = prepare(composition)
    if prepared.problems:
        raise StepFailed(
            prepared.problems[0],
            why=" ".join(prepared.problems[1:]) or "The application can't be resolved without it.",
            remedy="Correct the Compose file, or add what is missing, then deploy again.",
        )
    try:
        said = host.compose_config(spec.project, prepared.documents, composition.profiles)
        model = read_model(said, prepared)
    except ComposeRefused as error:
        raise StepFailed(
            f"Compose refuses the file: {error.message}",
            why=_unset(prepared.unset) or "It is not what the Compose specification allows.",
            remedy="Correct the Compose file, then deploy again.",
        ) from error
    except ValueError as error:
        raise HostError("Compose's answer was not understood: it is no model in JSON.") from error
    if not model.services:
        raise StepFailed(
            "The Compose file has no service to bring up.",
            why="It names none, or all of them belong to profiles that are not chosen.",
            remedy="Choose a profile in the settings, or add a service.",
        )
    return Resolved(
        model, pinned(model, dict(composition.images), spec.identity), prepared.unset, prepared.build_secrets
    )


def _unset(names: tuple[str, ...]) -> str:
    return f"Not set: {listed(names)}." if names else ""
