"""Servers: registering, trusting, changing and retiring them."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from deployments import fingerprints, requests, sightings
from deployments.errors import FieldErrors, Refused
from deployments.inventory import applications, hosts
from deployments.models import AuditEntry, Host, Operation
from deployments.sealing import open_sealed
from deployments.states import HostState
from tests.deployments.world import KEY, KEY_TYPE, OTHER_KEY, World, deployed, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world()


def register(world: World, **changes: Any) -> Host:
    given: dict[str, Any] = {"name": "db-1", "address": "db-1.example.com", **changes}
    return hosts.register_host(actor=world.actor, **given)[0]


def where(host: Host) -> tuple[str, int]:
    """Where it is, as far as this row knows."""
    return host.address, host.port


def offer(host: Host, key: str = KEY) -> Host:
    sightings.host_offered_key(host.pk, (host.address, host.port), KEY_TYPE, key)
    host.refresh_from_db()
    return host


def plain_key(host: Host) -> str:
    assert host.private_key is not None
    return open_sealed(host.private_key)


def test_registering_makes_a_key_pair_and_begins_to_meet_it(world: World) -> None:
    host, operation = hosts.register_host(actor=world.actor, name="DB-1 ", address=" db-1.example.com ")

    assert (host.name, host.address, host.port, host.user, host.state) == (
        "db-1",
        "db-1.example.com",
        22,
        "root",
        HostState.NEW,
    )
    assert (operation.kind, operation.request) == (Operation.Kind.MEET, {"address": "db-1.example.com", "port": 22})
    assert host.public_key.startswith("ssh-ed25519 ")
    assert host.public_key.endswith(" estiva-db-1")
    private = load_ssh_private_key(plain_key(host).encode(), None)
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    assert repr(host.private_key) == "[sealed]"
    entry = AuditEntry.objects.get(action="host.register", object_id=str(host.pk))
    assert entry.after["public_key"] == host.public_key
    assert "private" not in str(entry.after).lower()


def pem(key: Any, passphrase: bytes = b"", form: PrivateFormat = PrivateFormat.OpenSSH) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    text: bytes = key.private_bytes(Encoding.PEM, form, encryption)
    return text.decode()


@pytest.mark.parametrize(
    ("make", "begins"),
    [
        (lambda: pem(ed25519.Ed25519PrivateKey.generate()), "ssh-ed25519 "),
        (lambda: pem(rsa.generate_private_key(65537, 2048)), "ssh-rsa "),
        (lambda: pem(rsa.generate_private_key(65537, 2048), form=PrivateFormat.TraditionalOpenSSL), "ssh-rsa "),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "ecdsa-sha2-nistp256 "),
        (lambda: pem(ec.generate_private_key(ec.SECP521R1()), form=PrivateFormat.PKCS8), "ecdsa-sha2-nistp521 "),
    ],
)
def test_a_pasted_key_is_read_and_kept_in_one_format(world: World, make: Callable[[], str], begins: str) -> None:
    host = register(world, private_key=make().replace("\n", "\r\n") + "\n\n")

    assert host.public_key.startswith(begins)
    assert plain_key(host).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert host.passphrase is None


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_a_locked_key_needs_its_passphrase_once(world: World, form: PrivateFormat) -> None:
    locked = pem(ed25519.Ed25519PrivateKey.generate(), b"open sesame", form)

    for passphrase, said in (("", "locked"), ("wrong", "doesn't open")):
        with pytest.raises(Refused, match=said) as refused:
            register(world, private_key=locked, passphrase=passphrase)
        assert refused.value.field == "passphrase"
    host = register(world, private_key=locked, passphrase="open sesame")
    assert load_ssh_private_key(plain_key(host).encode(), None), "what is sealed needs no passphrase any more"


def test_a_passphrase_for_a_key_that_has_none_does_no_harm(world: World) -> None:
    assert register(world, private_key=pem(ed25519.Ed25519PrivateKey.generate()), passphrase="x").private_key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI", "no private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "can't be read"),
        (pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),  # noqa: S505 - refused is what it should be
        (pem(dsa.generate_private_key(2048), form=PrivateFormat.PKCS8), "Only RSA"),
        (pem(ec.generate_private_key(ec.SECP256K1()), form=PrivateFormat.PKCS8), "ECDSA"),
    ],
    ids=["putty", "public", "cut", "short rsa", "dsa", "odd curve"],
)
def test_what_is_no_usable_key_is_refused_at_its_field(world: World, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        register(world, private_key=text)

    assert refused.value.field == "private_key"
    assert not Host.objects.filter(name="db-1").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "web-1"),
        ("name", "Web 1"),
        ("name", "-a"),
        ("name", "new"),
        ("name", ""),
        ("address", ""),
        ("address", "a b"),
        ("address", "http://db-1"),
        ("address", "300.1.1.1"),
        ("address", "-oProxyCommand=x"),
        ("port", "0"),
        ("port", 65536),
        ("port", "ssh"),
        ("user", "-l root"),
        ("user", "a;b"),
        ("docker_socket", "docker.sock"),
        ("docker_socket", "/var/run\n/x"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(world: World, field: str, value: Any) -> None:
    with pytest.raises(FieldErrors) as refused:
        register(world, **{field: value})

    assert list(refused.value.errors) == [field]


@pytest.mark.parametrize("address", ["203.0.113.24", "2001:db8::1", "[2001:db8::1]", "db_1.internal", "localhost"])
def test_names_and_addresses_are_taken(world: World, address: str) -> None:
    assert register(world, address=address).address == address.strip("[]")


def test_the_offered_key_is_pinned_and_the_server_checked(world: World) -> None:
    host = offer(register(world))
    assert host.state == HostState.UNTRUSTED

    operation = hosts.trust_host(actor=world.actor, host=host, key=KEY)

    host.refresh_from_db()
    assert (host.host_key_type, host.host_key, host.offered_key) == (KEY_TYPE, KEY, "")
    assert (host.is_trusted, host.trusted_by_name) == (True, "Ana Prado")
    assert operation.kind == Operation.Kind.CHECK
    entry = AuditEntry.objects.filter(action="host.trust").latest("number")
    assert entry.after == {"key": f"{KEY_TYPE} {fingerprints.fingerprint(KEY)}", "compared": False}


def test_the_fingerprint_names_the_key_as_well(world: World) -> None:
    host = offer(register(world))

    hosts.trust_host(
        actor=world.actor, host=host, key=fingerprints.fingerprint(KEY), pasted=f"{KEY_TYPE} {KEY} root@db-1"
    )

    host.refresh_from_db()
    assert host.is_trusted


def test_a_key_that_was_not_shown_is_not_pinned(world: World) -> None:
    host = offer(register(world))
    offer(host, OTHER_KEY)

    with pytest.raises(Refused, match="another key now"):
        hosts.trust_host(actor=world.actor, host=host, key=KEY)
    host.refresh_from_db()
    assert not host.is_trusted


@pytest.mark.parametrize("key", ["", "SHA256:"])
def test_nothing_offered_means_nothing_trusted(world: World, key: str) -> None:
    with pytest.raises(Refused):
        hosts.trust_host(actor=world.actor, host=register(world), key=key)


def test_a_pasted_line_of_another_key_refuses(world: World) -> None:
    host = offer(register(world))

    with pytest.raises(Refused) as refused:
        hosts.trust_host(actor=world.actor, host=host, key=KEY, pasted=f"{KEY_TYPE} {OTHER_KEY}")

    assert refused.value.field == "pasted"
    host.refresh_from_db()
    assert not host.is_trusted


def test_a_changed_key_is_trusted_again_only_by_its_own_act(world: World) -> None:
    host = world.hosts[0]
    assert sightings.host_key_changed(host.pk, where(host), KEY_TYPE, OTHER_KEY) == HostState.KEY_CHANGED

    with pytest.raises(Refused):
        hosts.trust_host(actor=world.actor, host=host, key=OTHER_KEY)
    hosts.retrust_host(actor=world.actor, host=host, key=OTHER_KEY)

    host.refresh_from_db()
    assert (host.host_key, host.state) == (OTHER_KEY, HostState.NEW)
    entry = AuditEntry.objects.get(action="host.retrust")
    assert entry.before["key"] != entry.after["key"]


def test_refusing_the_key_keeps_the_alarm(world: World) -> None:
    host = world.hosts[0]
    sightings.host_key_changed(host.pk, where(host), KEY_TYPE, OTHER_KEY)

    hosts.refuse_host_key(actor=world.actor, host=host)

    host.refresh_from_db()
    assert (host.state, host.host_key, host.offered_key) == (HostState.KEY_CHANGED, KEY, "")


def test_the_trusted_key_come_back_ends_the_alarm_only_by_the_admin_s_word(world: World) -> None:
    host = world.hosts[0]
    sightings.host_key_changed(host.pk, where(host), KEY_TYPE, OTHER_KEY)
    hosts.refuse_host_key(actor=world.actor, host=host)

    offer(host)
    assert (host.state, host.offered_key) == (HostState.KEY_CHANGED, KEY)
    hosts.retrust_host(actor=world.actor, host=host, key=KEY)
    host.refresh_from_db()
    assert (host.state, host.host_key) == (HostState.NEW, KEY)


def test_what_was_seen_at_an_old_address_is_not_written_to_the_new_one(world: World) -> None:
    host = world.hosts[0]
    before = where(host)
    hosts.update_host(actor=world.actor, host=host, address="other.example.com")
    Host.objects.filter(pk=host.pk).update(host_key_type=KEY_TYPE, host_key=KEY, state=HostState.NEW)

    assert sightings.host_key_changed(host.pk, before, KEY_TYPE, OTHER_KEY) == HostState.NEW
    assert sightings.host_seen(host.pk, before, HostState.READY, "", {"disk_free": 7}) == HostState.NEW
    assert not sightings.containers_seen(host.pk, before, [{"name": "storefront-production-r1.f1"}])

    host.refresh_from_db()
    assert (host.state, host.disk_free, host.containers, host.checked_at) == (HostState.NEW, None, [], None)
    assert sightings.host_seen(host.pk, where(host), HostState.READY, "") == HostState.READY
    assert sightings.containers_seen(host.pk, where(host), [{"name": "storefront-production-r1.f1"}])
    assert sightings.containers_seen(host.pk, where(host), [{"name": "storefront-production-r1.f1"}]), "nothing new"


def test_what_was_seen_too_late_raises_no_alarm(world: World) -> None:
    host = world.hosts[0]
    assert sightings.host_key_changed(host.pk, where(host), KEY_TYPE, KEY) == HostState.READY, "trusted again meanwhile"
    hosts.update_host(actor=world.actor, host=host, address="other.example.com")

    assert sightings.host_key_changed(host.pk, where(host), KEY_TYPE, OTHER_KEY) == HostState.NEW, (
        "it is another server now"
    )


def test_refusing_the_first_key_leaves_the_server_unmet(world: World) -> None:
    host = offer(register(world))

    hosts.refuse_host_key(actor=world.actor, host=host)

    host.refresh_from_db()
    assert (host.state, host.offered_key, host.is_trusted) == (HostState.NEW, "", False)
    with pytest.raises(Refused):
        hosts.refuse_host_key(actor=world.actor, host=host)


@pytest.mark.parametrize("change", [{"address": "other.example.com"}, {"port": 2222}])
def test_another_address_clears_trust_and_credential(world: World, change: dict[str, Any]) -> None:
    host = world.hosts[0]
    before = host.public_key

    updated, operation = hosts.update_host(actor=world.actor, host=host, **change)

    updated.refresh_from_db()
    assert not updated.is_trusted
    assert updated.public_key != before
    assert plain_key(updated) != plain_key(host)
    assert (updated.state, updated.trusted_by_name, updated.engine_version) == (HostState.NEW, "", "")
    assert operation is not None
    assert operation.kind == Operation.Kind.MEET
    assert AuditEntry.objects.get(action="host.update").after["trust"] == "cleared"


def test_another_user_or_name_keeps_trust(world: World) -> None:
    host, operation = hosts.update_host(actor=world.actor, host=world.hosts[0], user="deploy", name="web-one")

    assert host.is_trusted
    assert (host.name, host.public_key) == ("web-one", world.hosts[0].public_key)
    assert operation is not None
    assert operation.kind == Operation.Kind.CHECK


def test_saving_without_a_change_leaves_no_trace(world: World) -> None:
    entries = AuditEntry.objects.count()

    assert hosts.update_host(actor=world.actor, host=world.hosts[0], port="22")[1] is None
    assert AuditEntry.objects.count() == entries


def test_a_new_credential_is_on_record_by_its_public_half(world: World) -> None:
    host = hosts.replace_credential(actor=world.actor, host=world.hosts[0])

    entry = AuditEntry.objects.get(action="host.replace_credential")
    assert (entry.before["public_key"], entry.after["public_key"]) == (world.hosts[0].public_key, host.public_key)


def test_a_server_in_use_is_not_retired(world: World) -> None:
    with pytest.raises(Refused, match="storefront · production"):
        hosts.retire_host(actor=world.actor, host=world.hosts[0])

    assert [seat.placement for seat in hosts.dependents(world.hosts[0])] == [world.placement]


def test_a_server_with_an_open_deployment_is_not_retired(world: World) -> None:
    deployment = deployed(world)
    take_out(world)

    with pytest.raises(Refused, match="still open"):
        hosts.retire_host(actor=world.actor, host=world.hosts[0])
    requests.cancel_deployment(actor=world.actor, deployment=deployment)
    assert hosts.retire_host(actor=world.actor, host=world.hosts[0]).state == HostState.RETIRED


def test_retiring_destroys_the_credential_and_ends_everything(world: World) -> None:
    take_out(world)

    host = hosts.retire_host(actor=world.actor, host=world.hosts[0])

    host.refresh_from_db()
    assert (host.private_key, host.is_trusted, host.retired_at is None) == (None, False, False)
    for act in (hosts.retire_host, hosts.replace_credential, hosts.update_host):
        with pytest.raises(Refused, match="retired"):
            act(actor=world.actor, host=host)


def test_checking_needs_trust(world: World) -> None:
    with pytest.raises(Refused, match="not trusted"):
        hosts.check(actor=world.actor, host=register(world))


def test_looking_at_a_server_is_on_record_with_who_asked(world: World) -> None:
    hosts.check(actor=world.actor, host=world.hosts[0])
    operation = hosts.meet(actor=world.actor, host=world.hosts[0])

    assert operation.request == {"address": "web-1.example.com", "port": 22}
    entries = AuditEntry.objects.filter(action__in=("host.check", "host.meet"))
    assert [entry.actor_name for entry in entries] == ["Ana Prado", "Ana Prado"]


def take_out(world: World) -> None:
    applications.save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.application,
        environment=world.production,
        image=world.placement.image,
        settings={},
        host_ids=[],
        url="",
        keep_releases=5,
    )
