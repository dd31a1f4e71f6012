"""Registries: whose images they are for, and the credentials that servers present there."""

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deployments import audit, queue
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.image_reference import ImageReferenceError, parse
from deployments.inventory import registry_fields
from deployments.models import Host, Operation, Placement, Registry
from deployments.operations import request_operation
from deployments.sealing import seal
from deployments.states import RegistryState

TEST_SECONDS: Final = 90.0
TAGS_SECONDS: Final = 45.0


def save_registry(
    *,
    actor: Actor,
    registry: Registry | None,
    kind: str,
    host: str,
    namespace: str = "",
    username: str = "",
    password: str = "",
    ca: str = "",
    test_image: str = "",
    test_host: Host | None = None,
) -> tuple[Registry, Operation | None]:
    """Add a registry, or change one, and test it through `test_host` (the Operation; None where no server is named).

    Another host is another server: the password is cleared. An empty `password` keeps the one there is. Raises FieldErrors.
    """
    wanted = registry_fields.check(
        kind=kind, host=host, namespace=namespace, username=username, password=password, ca=ca, test_image=test_image
    )
    try:
        with transaction.atomic():
            row = Registry.objects.select_for_update(no_key=True).get(pk=registry.pk) if registry else Registry()
            before = _shown(row) if registry else {}
            _change(row, wanted, test_host)
            row.save()
            _announce(row)
            after = {**_shown(row), **({"password": "replaced"} if wanted.password else {})}
            audit.record(
                actor,
                "registry.update" if registry else "registry.create",
                _named(row),
                before=before,
                after=after,
            )
            operation = _test(actor, row) if test_host is not None else None
    except IntegrityError as error:
        raise FieldErrors({"namespace": [_("This host and namespace are registered already.")]}) from error
    return row, operation


def remove_registry(*, actor: Actor, registry: Registry) -> None:
    """Forget a registry and destroy its password. What runs keeps running; later pulls go without."""
    with transaction.atomic():
        row = Registry.objects.select_for_update(no_key=True).get(pk=registry.pk)
        audit.record(actor, "registry.remove", _named(row), before=_shown(row))
        queue.changed_on_commit("registry", row.pk)
        row.delete()


def test_registry(*, actor: Actor, registry: Registry) -> Operation:
    """Test it again through the server it was last tested through."""
    if registry.test_host is None or registry.test_host.retired_at is not None:
        raise Refused(_("No server is chosen to test it through."), remedy=_("Choose one under Change."))
    return _test(actor, registry)


def look_at_tags(*, actor: Actor, placement: Placement, image: str) -> Operation:
    """Ask the registry which tags an image has; the Operation's result has them. Raises FieldErrors."""
    try:
        reference = parse(image.strip())
    except ImageReferenceError as error:
        raise FieldErrors({"image": [str(error)]}) from error
    return request_operation(
        actor=actor,
        kind=Operation.Kind.TAGS,
        placement=placement,
        request={"image": reference.name},
        deadline_seconds=TAGS_SECONDS,
    )


def _change(row: Registry, wanted: registry_fields.Fields, test_host: Host | None) -> None:
    if row.pk is not None and row.host != wanted.host:
        row.password = None  # never shown to a server that nobody meant
    needs = wanted.username or wanted.kind in registry_fields.WITH_LOGIN
    if wanted.password:
        row.password = seal(wanted.password)
    elif needs and row.password is None:
        raise FieldErrors({"password": [_("Paste the password or token; for another host it has to be pasted again.")]})
    elif not needs:
        row.password = None
    row.kind, row.host, row.namespace = wanted.kind, wanted.host, wanted.namespace
    row.username, row.ca, row.test_image, row.test_host = wanted.username, wanted.ca, wanted.test_image, test_host
    row.revision += 1
    row.state, row.remedy = RegistryState.NEW, ""
    row.state_text = _("Being tested.") if test_host else _("Not tested: no server was chosen for it.")


def _test(actor: Actor, row: Registry) -> Operation:
    return request_operation(
        actor=actor,
        kind=Operation.Kind.REGISTRY,
        host=row.test_host,
        registry=row,
        request={"revision": row.revision},
        deadline_seconds=TEST_SECONDS,
    )


def _announce(row: Registry) -> None:
    queue.changed_on_commit("registry", row.pk)


def _shown(row: Registry) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "host": row.host,
        "namespace": row.namespace,
        "username": row.username,
        "own CA": "yes" if row.ca else "",
        "tested through": row.test_host.name if row.test_host else "",
        "test image": row.test_image,
    }


def _named(row: Registry) -> tuple[str, int, str]:
    return "registry", row.pk, str(row)
