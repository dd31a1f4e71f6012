"""Registries: what their fields take, whose images they are for, and what becomes of a password."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection

from deployments import operations, registry_sightings
from deployments.errors import FieldErrors, Refused
from deployments.inventory import registries
from deployments.models import AuditEntry, Operation, Registry
from deployments.registry_address import best, check_host, check_namespace, ecr_region
from deployments.sealing import open_sealed
from deployments.states import RegistryState
from tests.deployments.world import World, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

TOKEN = "a-token-nobody-may-read"
KEY_FILE = json.dumps({"type": "service_account", "private_key": "-----BEGIN-----\nabc\n"}, indent=2)


@pytest.fixture
def world() -> World:
    return make_world()


def save(world: World, registry: Registry | None = None, **fields: Any) -> tuple[Registry, Operation | None]:
    """A private registry, unless `fields` say otherwise."""
    values = {"kind": "plain", "host": "registry.example.com", "username": "ci", "password": TOKEN, **fields}
    return registries.save_registry(actor=world.actor, registry=registry, **values)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("registry.example.com", "registry.example.com"),
        (" https://Registry.Example.com/ ", "registry.example.com"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("10.0.0.5:5000", "10.0.0.5:5000"),
        ("[fd00::5]:5000", "[fd00::5]:5000"),
        ("localhost", "localhost"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
    ],
)
def test_hosts_are_kept_as_images_have_them(typed: str, kept: str) -> None:
    assert check_host(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "registry",
        "http://registry.example.com",
        "registry.example.com/team",
        "a b.example.com",
        "me:secret@registry.example.com",
        "registry.example.com\nHost: x",
        "$(id).example.com",
        "-oProxyCommand=x.example.com",
        "registry.example.com:5000:1",
    ],
)
def test_what_is_no_host_is_refused(typed: str) -> None:
    with pytest.raises(ValueError):
        check_host(typed)


@pytest.mark.parametrize("typed", ["Team", "a b", "../x", "team:1", "team@sha256:1", "$(id)", "te//am"])
def test_what_is_no_namespace_is_refused(typed: str) -> None:
    with pytest.raises(ValueError):
        check_namespace(typed)


def test_the_longest_namespace_wins() -> None:
    rows = [
        Registry(host="registry.example.com", namespace=namespace) for namespace in ("", "team", "team/backend")
    ] + [Registry(host="docker.io", namespace="library")]
    for reference, wanted in {
        "registry.example.com/shop": "",
        "registry.example.com/team/shop:1": "team",
        "registry.example.com/team/backend/api@sha256:" + "a" * 64: "team/backend",
        "registry.example.com/teamwork/api": "",
        "nginx:1.27": "library",
    }.items():
        found = best(rows, reference)
        assert found is not None
        assert found.namespace == wanted
    assert best(rows, "other.example.com/team/shop") is None
    assert best(rows, "team/shop") is None
    assert best(rows, "sha256:" + "a" * 64) is None


def test_ecr_says_its_region() -> None:
    assert ecr_region("123456789012.dkr.ecr.eu-west-1.amazonaws.com") == "eu-west-1"
    with pytest.raises(ValueError):
        ecr_region("ecr.example.com")


def test_a_password_is_sealed_and_in_no_trail(world: World) -> None:
    row, operation = save(world, test_host=world.hosts[0], test_image="team/app:1", namespace="team")
    assert operation is not None
    assert (operation.kind, operation.host, operation.request) == ("registry", world.hosts[0], {"revision": 1})
    assert (row.test_image, row.state) == ("registry.example.com/team/app:1", RegistryState.NEW)
    assert row.password is not None
    assert open_sealed(row.password) == TOKEN
    entry = AuditEntry.objects.get(action="registry.create")
    assert entry.after["password"] == "replaced"
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM deployments_registry")
        assert TOKEN not in str(cursor.fetchall()) + str(vars(entry)) + str(vars(row)) + str(vars(operation))


def test_another_host_clears_the_password(world: World) -> None:
    row, _ = save(world)
    kept, operation = save(world, row, password="", username="other")
    assert (kept.password == row.password, kept.revision, operation) == (True, 2, None)
    with pytest.raises(FieldErrors) as refused:
        save(world, row, password="", host="elsewhere.example.com")
    assert "password" in refused.value.errors
    row.refresh_from_db()
    assert row.host == "registry.example.com"
    anonymous, _ = save(world, row, password="", username="", host="elsewhere.example.com")
    assert anonymous.password is None


def authority() -> str:
    """A CA's certificate."""
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Our own CA")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(1)).sign(key, None)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_the_other_fields(world: World) -> None:
    row, _ = save(world, kind="google", host="eu-docker.example.dev", password=KEY_FILE, username="ignored")
    assert (row.username, row.password is not None) == ("_json_key", True)
    assert row.password is not None
    assert open_sealed(row.password).count("\n") == 0
    hub, _ = save(world, kind="hub", host="whatever", ca=authority())
    assert (hub.host, hub.ca.startswith("-----BEGIN CERTIFICATE")) == ("docker.io", True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "gitea"}, "kind"),
        ({"host": "nope"}, "host"),
        ({"kind": "ecr"}, "host"),
        ({"namespace": "Team"}, "namespace"),
        ({"username": "me:you"}, "username"),
        ({"username": ""}, "username"),
        ({"password": "two\nlines"}, "password"),
        ({"kind": "google", "password": "no json"}, "password"),
        ({"kind": "google", "password": '{"type": "user"}'}, "password"),
        ({"ca": "no certificate"}, "ca"),
        ({"ca": "-----BEGIN PRIVATE KEY-----"}, "ca"),
        ({"test_image": "other.example.com/a b"}, "test_image"),
        ({"namespace": "team", "test_image": "registry.example.com/shop"}, "test_image"),
    ],
)
def test_what_can_not_be_is_said_at_its_field(world: World, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        save(world, **fields)
    assert list(refused.value.errors) == [field]
    assert not Registry.objects.exists()


def test_one_place_is_registered_once(world: World) -> None:
    save(world)
    save(world, namespace="team")
    with pytest.raises(FieldErrors) as refused:
        save(world)
    assert list(refused.value.errors) == ["namespace"]


def test_a_test_of_what_stood_there_before_does_not_count(world: World) -> None:
    row, _ = save(world, test_host=world.hosts[0])
    assert registry_sightings.seen(row.pk, row.revision, RegistryState.READY, "", through="web-1")
    save(world, row, username="other", password="", test_host=world.hosts[0])
    assert not registry_sightings.seen(row.pk, row.revision, RegistryState.READY, "")
    row.refresh_from_db()
    assert row.state == RegistryState.NEW
    operation = registries.test_registry(actor=world.actor, registry=row)
    assert operation.request == {"revision": 2}
    registries.remove_registry(actor=world.actor, registry=row)
    assert not Registry.objects.exists()


def test_a_test_that_nobody_ended_is_not_going_on(world: World) -> None:
    row, operation = save(world, test_host=world.hosts[0])
    assert operation is not None
    Operation.objects.filter(pk=operation.pk).update(deadline_at=operation.requested_at)
    operation.refresh_from_db()
    assert operations.fail_late(operation)
    row.refresh_from_db()
    assert (row.state, row.state_text) == (RegistryState.NEW, "Nobody took this up in time.")
    row, again = save(world, row, test_host=world.hosts[0])
    assert again is not None
    # SQLite counts milliseconds, and all of this takes less than one: it was asked for before it was seen
    asked_at = again.requested_at - timedelta(seconds=1)
    Operation.objects.filter(pk=again.pk).update(requested_at=asked_at, deadline_at=asked_at)
    assert registry_sightings.seen(row.pk, row.revision, RegistryState.NEW, "The server is away.")
    again.refresh_from_db()
    assert operations.fail_late(again)
    row.refresh_from_db()
    assert row.state_text == "The server is away.", "what was seen is not talked over"


def test_without_a_server_it_can_not_be_tested(world: World) -> None:
    row, _ = save(world)
    with pytest.raises(Refused):
        registries.test_registry(actor=world.actor, registry=row)


def test_tags_are_asked_for_by_name(world: World) -> None:
    operation = registries.look_at_tags(actor=world.actor, placement=world.placement, image=" nginx:1 ")
    assert operation.request == {"image": "docker.io/library/nginx"}
    with pytest.raises(FieldErrors):
        registries.look_at_tags(actor=world.actor, placement=world.placement, image="http://x/y")
