"""A command in a new container of one service of a Compose application, beside what serves.

Compose itself makes and starts the container, in a project of the run's own with this one service: so files and secrets
that it puts into containers are there, and networks and volumes are those of the application, which it only joins. Ports,
names and dependencies are left out, and the labels are those of a one-off run: no deploy takes it for its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from worker.engine.compose.bring_up import stop_seconds
from worker.engine.compose.compose_host import ComposeHost, ComposeRefused, UpOrder
from worker.engine.compose.model import Model
from worker.engine.compose.preflight import compose_finding, unapproved
from worker.engine.compose.pull import fetch
from worker.engine.compose.resolving import resolve
from worker.engine.compose.run import ComposeRun
from worker.engine.compose.spec import ComposeSpec
from worker.engine.errors import Cancelled
from worker.engine.events import Line
from worker.engine.failure import StepFailed
from worker.engine.run import Run, Steps

START_SECONDS: Final = 60
_LEFT_OUT: Final = frozenset(
    {
        "ports", "expose", "container_name", "depends_on", "scale", "restart", "links", "external_links", "profiles",
        "build", "develop", "pull_policy", "attach", "tty", "stdin_open", "mac_address", "post_start", "pre_stop",
    }
)  # fmt: skip
_SHARED: Final = ("network_mode", "pid", "ipc")


class ByCompose:
    """Makes and starts the container of a run with Compose."""

    starts = True

    def __init__(self, spec: ComposeSpec, service: str, host: ComposeHost) -> None:
        self._spec, self._service, self._host = spec, service, host
        self._model: Model | None = None

    def clear(self, run: Run) -> None:
        """End what an earlier holder's Compose may still be starting."""
        self._host.compose_end_start(self._spec.run_project, run.identity.fence)

    def prepare(self, run: Run) -> Steps:
        """The service as it is resolved on this server, and its image there. `StepFailed` where that can't be."""
        finding = compose_finding(self._host, run.server)
        if finding.result == "bad":
            raise StepFailed(finding.message, remedy=finding.remedy)
        resolved = resolve(self._host, self._spec, self._spec.wanted)
        for refused in unapproved(self._spec, resolved.model, run.server):
            raise StepFailed(refused.message, remedy=refused.remedy)
        if self._service not in resolved.pinned.services:
            raise StepFailed(f"The Release has no service {self._service}.", remedy="Choose another one.")
        services = {self._service: resolved.pinned.services[self._service]}
        self._model = Model({**resolved.pinned.tree, "services": services})
        yield from fetch(ComposeRun(self._spec, self._host, step="pull"), self._model)

    def start(self, run: Run, name: str, words: Sequence[str], labels: Mapping[str, str]) -> Steps:
        """Make and start it under this name."""
        if self._model is None:
            raise RuntimeError("Nothing was prepared.")
        model = run_model(self._model, self._service, name, words, labels)
        deadline = START_SECONDS + stop_seconds(model)
        order = UpOrder(self._spec.run_project, run.identity.fence, model.text(), 0, deadline)
        try:
            for line in self._host.compose_start(order):
                if line.stream == "stderr" and "warn" in line.text.lower():
                    yield Line(f"Compose on {run.server} remarks: {line.text.strip()}", level="warn")
        except ComposeRefused as error:
            there = run.host.container(name)
            if there is None or there.status == "created":
                raise StepFailed(
                    f"{name} could not be started on {run.server}: {error.message}",
                    why=error.why
                    or "Its networks and volumes are those of the application: they are there once it is deployed.",
                    remedy=error.remedy or f"Deploy this Release to {run.server} first.",
                ) from error
        except Cancelled:
            run.mutated = run.host.container(name) is not None
            raise


def run_model(model: Model, service: str, name: str, words: Sequence[str], labels: Mapping[str, str]) -> Model:
    """One service that runs these words once. `StepFailed` where it shares what only a running service has."""
    body = {key: value for key, value in model.services[service].items() if key not in _LEFT_OUT}
    _check_alone(service, body)
    deploy = {key: value for key, value in (body.pop("deploy", None) or {}).items() if key == "resources"}
    networks = body.get("networks")
    if isinstance(networks, dict):
        body["networks"] = dict.fromkeys(networks)  # no names and no addresses in them
    body |= {
        "container_name": name,
        "command": list(words),
        "labels": dict(labels),
        "restart": "no",
        "healthcheck": {"disable": True},
        **({"deploy": deploy} if deploy else {}),
    }
    tree = {key: value for key, value in model.tree.items() if key in ("configs", "secrets")}
    for kind, used in (("networks", list(networks or ())), ("volumes", _volumes(body))):
        found = {each: _as_it_is(model, kind, each) for each in used}
        tree |= {kind: found} if found else {}
    return Model({**tree, "services": {service: body}})


def _check_alone(service: str, body: Mapping[str, Any]) -> None:
    shared = [key for key in _SHARED if str(body.get(key) or "").startswith("service:")]
    shared += ["volumes_from"] if body.get("volumes_from") else []
    if shared:
        raise StepFailed(
            f"{service} shares {', '.join(shared)} with another service: no command can be run of it alone.",
            why="That belongs to the other service's container.",
            remedy="Choose that service.",
        )


def _volumes(body: Mapping[str, Any]) -> list[str]:
    """The named ones."""
    mounts = body.get("volumes") or []
    return list(
        dict.fromkeys(str(each["source"]) for each in mounts if each.get("type") == "volume" and each.get("source"))
    )


def _as_it_is(model: Model, kind: str, name: str) -> dict[str, Any]:
    """The application's own, by the name that it has on the server; nothing is made."""
    body = (model.tree.get(kind) or {}).get(name) or {}
    return {"external": True, "name": body.get("name") or name}
