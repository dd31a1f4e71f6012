"""TAGS: which tags an image has, asked of its registry by the worker itself.

The result: `{"tags": [{"tag", "digest", "created", "size", "platforms"}], "names": [those not looked at], "total", "complete"}`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deployments import image_reference, registry_address
from deployments.image_reference import DOCKER_HUB, ImageReference
from deployments.models import Registry
from deployments.states import OperationStatus
from worker.connections.keychain import Keychain, Login
from worker.logs import open_secrets
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.registries import opening, tags
from worker.registries.client import RegistryClient, RegistryRefused

SECONDS: Final = 20.0
_STORED_NAMES: Final = 1000


def look(looking: Looking) -> Outcome:
    """Look at the tags of the image that the request names."""
    reference = image_reference.parse(str(looking.operation.request.get("image", "")))
    looking.plan_steps([("tags", f"Tags of {reference.name}")])
    rows = list(Registry.objects.filter(host=reference.registry))
    with looking.step("tags") as step:
        if not rows and reference.registry != DOCKER_HUB:
            step.finish(f"{reference.registry} is not among the registries.", status="bad")
            return _unknown(reference.registry)
        row = registry_address.best(rows, reference.name)
        login = opening.login_of(row) if row is not None else None
        with open_secrets.using(Masker(_secrets(login))):
            try:
                found = _find(reference, login, _ca(rows, row))
            except RegistryRefused as error:
                step.finish(f"{error.message} {error.why}".strip(), status="bad", remedy=error.remedy)
                told = {"what": error.message, "why": error.why, "remedy": error.remedy}
                return Outcome(OperationStatus.FAILED, told)
        step.finish(f"{found.total} tags, {len(found.tags)} looked at.")
    result = {
        "tags": [each.as_json() for each in found.tags],
        "names": list(found.names[:_STORED_NAMES]),
        "total": found.total,
        "complete": found.is_complete,
    }
    return Outcome(OperationStatus.SUCCEEDED, result)


def one_tag(reference: ImageReference) -> tags.Tag:
    """What a tag stands for, asked by the worker where no server's engine can; RegistryRefused where that isn't known."""
    rows = list(Registry.objects.filter(host=reference.registry))
    if not rows and reference.registry != DOCKER_HUB:
        said = f"{reference.registry} is not among the registries, so the worker doesn't ask it."
        raise RegistryRefused(
            said, remedy="An admin adds it under Servers, Registries; or name the image by its digest."
        )
    row = registry_address.best(rows, reference.name)
    login = opening.login_of(row) if row is not None else None
    with open_secrets.using(Masker(_secrets(login))), _opened(reference, login, _ca(rows, row)) as client:
        return tags.read(client, reference.digest or reference.tag or "latest")


@contextmanager
def _opened(reference: ImageReference, login: Login | None, ca: str) -> Iterator[RegistryClient]:
    if login is not None and login.problem:
        raise RegistryRefused(login.problem, remedy=login.remedy)
    auth = login.auth if login is not None else None
    client = RegistryClient(reference.registry, reference.repository, auth, ca, time.monotonic() + SECONDS + 5)
    try:
        yield client
    finally:
        client.close()


def _find(reference: ImageReference, login: Login | None, ca: str) -> tags.Found:
    with _opened(reference, login, ca) as client:
        return tags.find(client, SECONDS)


def _ca(rows: list[Registry], row: Registry | None) -> str:
    """Its own, else that of the same host's other entry: a certificate belongs to the host."""
    if row is not None and row.ca:
        return row.ca
    return next((each.ca for each in rows if each.ca), "")


def _secrets(login: Login | None) -> list[str]:
    if login is None:
        return []
    return [each.reveal() for each in Keychain((login,)).secrets]


def _unknown(host: str) -> Outcome:
    """The worker asks no host that only a deployer named: it may reach what they must not."""
    return Outcome(
        OperationStatus.FAILED,
        {
            "what": f"Estiva asks only registries that an admin has added, and {host} is none of them.",
            "why": "The worker may reach addresses that are nobody else's business.",
            "remedy": f"An admin adds {host} under Servers, Registries (a public one without a user); or type the tag.",
        },
    )
