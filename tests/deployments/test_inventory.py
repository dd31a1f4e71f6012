"""Applications, Environments, Placements and their variables."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments import dotenv
from deployments.errors import FieldErrors, Refused
from deployments.inventory import applications, hosts
from deployments.models import AuditEntry, Placement, PlacementHost, SecretVersion, Variable
from deployments.sealing import open_sealed
from tests.deployments.world import World, deployed, make_world, place, ready_host, succeed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world()


def save(world: World, **changes: Any) -> Placement:
    given: dict[str, Any] = {
        "placement": world.placement,
        "application": world.application,
        "environment": world.production,
        "image": world.placement.image,
        "settings": world.placement.settings,
        "host_ids": [host.pk for host in world.hosts],
        "url": "",
        "keep_releases": 5,
        **changes,
    }
    return applications.save_placement(actor=world.actor, **given)


def set_variable(world: World, name: str, value: str, *, secret: bool = False) -> Variable:
    return applications.set_variable(
        actor=world.actor, placement=world.placement, name=name, value=value, is_secret=secret
    )


@pytest.mark.parametrize("name", ["", "Shop!", "a--b", "-a", "a-", "a_b", "ä", "new", "a" * 41, "a.b"])
def test_names_that_no_container_can_bear_are_refused(world: World, name: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        applications.create_application(actor=world.actor, name=name)

    assert list(refused.value.errors) == ["name"]


def test_a_name_is_taken_once(world: World) -> None:
    with pytest.raises(FieldErrors, match="taken"):
        applications.create_application(actor=world.actor, name=" Storefront ")
    with pytest.raises(FieldErrors, match="taken"):
        applications.create_environment(actor=world.actor, name="production")


def test_environments_come_one_after_another(world: World) -> None:
    preview = applications.create_environment(actor=world.actor, name="preview")

    assert (world.staging.position, world.production.position, preview.position) == (1, 2, 3)
    applications.update_environment(actor=world.actor, environment=preview, position=0, is_production=True)
    preview.refresh_from_db()
    assert (preview.position, preview.is_production) == (0, True)
    assert AuditEntry.objects.get(action="environment.update").before == {
        "is_production": False,
        "position": 3,
        "allows_terminal": False,
    }


def test_saving_writes_what_changed_and_raises_the_version(world: World) -> None:
    version = Placement.objects.get(pk=world.placement.pk).version

    placement = save(world, image="nginx:1.27", settings={"memory": "512m"}, url="https://shop.example.com")

    assert placement.version == version + 1
    entry = AuditEntry.objects.get(action="placement.update")
    assert entry.before == {"image": "registry.example.com/storefront:2.4.1", "url": "", "Memory limit": ""}
    assert entry.after == {"image": "nginx:1.27", "url": "https://shop.example.com", "Memory limit": "512m"}


def test_saving_the_same_changes_nothing(world: World) -> None:
    version = save(world).version

    assert save(world).version == version
    assert not AuditEntry.objects.filter(action="placement.update").exists()


def test_an_edit_of_an_older_version_is_refused(world: World) -> None:
    version = save(world).version
    save(world, image="nginx:1.27", version=version)

    with pytest.raises(Refused, match="Somebody else"):
        save(world, image="nginx:1.28", version=version)
    assert Placement.objects.get(pk=world.placement.pk).image == "nginx:1.27"


def test_every_field_is_refused_at_its_place(world: World) -> None:
    with pytest.raises(FieldErrors) as refused:
        save(world, image="Nginx!", settings={"memory": "x"}, url="shop", keep_releases=0)

    assert set(refused.value.errors) == {"image", "settings.memory", "url", "keep_releases"}


def test_a_number_of_thousands_of_digits_is_refused_as_any_other(world: World) -> None:
    with pytest.raises(FieldErrors) as refused:
        save(world, keep_releases="9" * 5000)
    assert set(refused.value.errors) == {"keep_releases"}


def test_a_script_is_no_address(world: World) -> None:
    with pytest.raises(FieldErrors):
        save(world, url="javascript:alert(1)")


def test_servers_come_and_go_and_their_fence_stays(world: World) -> None:
    succeed(world)
    other = ready_host(world.actor, "web-2")

    save(world, host_ids=[other.pk])
    seats = {seat.host.name: seat for seat in PlacementHost.objects.select_related("host")}
    assert (seats["web-1"].is_active, seats["web-1"].fence, seats["web-2"].is_active) == (False, 1, True)
    save(world)
    assert PlacementHost.objects.get(host=world.hosts[0]).fence == 1
    assert PlacementHost.objects.get(host=world.hosts[0]).is_active


def test_a_server_that_is_gone_is_not_chosen(world: World) -> None:
    other = ready_host(world.actor, "web-2")
    hosts.retire_host(actor=world.actor, host=other)

    with pytest.raises(FieldErrors, match="retired"):
        save(world, host_ids=[other.pk])
    with pytest.raises(FieldErrors, match="doesn't exist"):
        save(world, host_ids=[987_654])


def test_an_application_is_placed_once_in_an_environment(world: World) -> None:
    with pytest.raises(FieldErrors) as refused:
        place(world.actor, world.application, world.production, world.hosts)

    assert list(refused.value.errors) == ["environment"]


def test_two_placements_never_share_their_containers_name(world: World) -> None:
    """`shop` in `eu-production` and `shop-eu` in `production` would both be `shop-eu-production`."""
    eu = applications.create_environment(actor=world.actor, name="eu-production")
    shop = applications.create_application(actor=world.actor, name="shop")
    shop_eu = applications.create_application(actor=world.actor, name="shop-eu")
    place(world.actor, shop, eu, world.hosts)

    with pytest.raises(FieldErrors, match="shop-eu-production"):
        place(world.actor, shop_eu, world.production, world.hosts)


def test_an_application_in_use_is_not_archived(world: World) -> None:
    deployed(world)

    with pytest.raises(Refused, match="still open"):
        applications.archive_application(actor=world.actor, application=world.application)


def test_archiving_says_where_it_still_runs(world: World) -> None:
    succeed(world)

    applications.archive_application(actor=world.actor, application=world.application)

    assert AuditEntry.objects.get(action="application.archive").after == {"still_runs_on": ["web-1"]}
    with pytest.raises(Refused, match="archived"):
        deployed(world)


def test_a_secret_is_sealed_and_never_on_record(world: World) -> None:
    variable = set_variable(world, "STRIPE_KEY", "sk_live_51", secret=True)

    assert (variable.value, variable.is_secret) == ("", True)
    assert variable.secret_version is not None
    assert variable.secret_version.sealed is not None
    assert b"sk_live_51" not in variable.secret_version.sealed.cipher
    assert open_sealed(variable.secret_version.sealed) == "sk_live_51"
    entry = AuditEntry.objects.get(action="variable.set")
    assert entry.after == {"name": "STRIPE_KEY", "secret": True, "value": "changed"}
    assert entry.before == {}


def test_the_record_says_what_a_plain_value_was_and_never_one_that_became_a_secret(world: World) -> None:
    set_variable(world, "LEVEL", "info", secret=False)
    set_variable(world, "LEVEL", "debug", secret=False)
    set_variable(world, "LEVEL", "debug", secret=True)
    applications.delete_variable(actor=world.actor, placement=world.placement, name="LEVEL")
    before = [
        (entry.action, entry.before.get("value"))
        for entry in AuditEntry.objects.filter(action__startswith="variable.").order_by("number")
    ]
    assert before == [
        ("variable.set", None),
        ("variable.set", "info"),
        ("variable.set", "a plain value"),
        ("variable.delete", "a secret value"),
    ]


def test_each_value_of_a_secret_is_a_version(world: World) -> None:
    set_variable(world, "STRIPE_KEY", "one", secret=True)
    second = set_variable(world, "STRIPE_KEY", "two", secret=True)

    assert second.secret_version is not None
    assert second.secret_version.number == 2
    assert SecretVersion.objects.filter(sealed__isnull=False).count() == 2, "a Release may need the first"


def test_a_secret_stays_a_secret_but_a_plain_one_may_become_one(world: World) -> None:
    set_variable(world, "A", "plain")
    set_variable(world, "A", "hidden", secret=True)

    with pytest.raises(Refused) as refused:
        set_variable(world, "A", "shown")
    assert refused.value.field == "is_secret"


def test_deleting_a_secret_destroys_every_value(world: World) -> None:
    set_variable(world, "STRIPE_KEY", "one", secret=True)
    release = succeed(world)
    set_variable(world, "STRIPE_KEY", "two", secret=True)

    applications.delete_variable(actor=world.actor, placement=world.placement, name="STRIPE_KEY")

    assert not SecretVersion.objects.filter(sealed__isnull=False).exists()
    release.refresh_from_db()
    assert release.lost_secrets == ["STRIPE_KEY"]
    assert AuditEntry.objects.get(action="variable.delete").after["releases_that_lost_it"] == [1]
    again = set_variable(world, "STRIPE_KEY", "three", secret=True)
    assert again.secret_version is not None
    assert again.secret_version.number == 3, "a number means one value for ever"


def test_deleting_what_is_not_there_is_said(world: World) -> None:
    with pytest.raises(Refused):
        applications.delete_variable(actor=world.actor, placement=world.placement, name="NOPE")


def test_the_same_value_again_changes_nothing(world: World) -> None:
    set_variable(world, "A", "1")
    version = Placement.objects.get(pk=world.placement.pk).version
    set_variable(world, "A", "1")

    assert Placement.objects.get(pk=world.placement.pk).version == version


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("", "x", "name"),
        ("A=B", "x", "name"),
        ("A B", "x", "name"),
        ("N" * 201, "x", "name"),
        ("A", "a\x00b", "value"),
        ("A", "\ud800", "value"),
        ("A", "x" * (128 * 1024), "value"),
    ],
)
def test_what_no_environment_can_hold_is_refused(world: World, name: str, value: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        set_variable(world, name, value)

    assert refused.value.field == field


def test_importing_sets_all_and_keeps_what_is_not_named(world: World) -> None:
    set_variable(world, "KEPT", "1")
    set_variable(world, "SECRET", "old", secret=True)

    changed = applications.import_variables(
        actor=world.actor,
        placement=world.placement,
        text="A=1\nSECRET='new'\nTOKEN=t0ken\nKEPT=1\n",
        secret_names=["TOKEN"],
    )

    assert changed == ["A", "SECRET", "TOKEN"]
    stored = {each.name: (each.is_secret, each.value) for each in world.placement.variables.all()}
    assert stored == {"KEPT": (False, "1"), "SECRET": (True, ""), "A": (False, "1"), "TOKEN": (True, "")}
    entry = AuditEntry.objects.get(action="variable.import")
    assert entry.after == {"A": "1", "SECRET": "changed", "TOKEN": "changed"}
    assert entry.before == {"A": None, "SECRET": "a secret value", "TOKEN": None}


def test_one_bad_line_imports_nothing(world: World) -> None:
    with pytest.raises(Refused, match="Line 2") as refused:
        applications.import_variables(actor=world.actor, placement=world.placement, text="A=1\nB\n")

    assert refused.value.field == "text"
    assert not world.placement.variables.exists()


def test_exporting_names_secrets_and_never_shows_them(world: World) -> None:
    set_variable(world, "GREETING", "it's $5 # really")
    set_variable(world, "STRIPE_KEY", "sk_live_51", secret=True)

    text = applications.export_variables(actor=world.actor, placement=world.placement)

    assert "sk_live_51" not in text
    assert "# STRIPE_KEY is a secret" in text
    entry = AuditEntry.objects.get(action="variable.export")
    assert (entry.actor_name, entry.after) == (world.actor.name, {"names": ["GREETING", "STRIPE_KEY"]})
    assert dotenv.parse(text) == [("GREETING", "it's $5 # really")]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=200))
def test_every_value_is_stored_byte_for_byte(world: World, value: str) -> None:
    set_variable(world, "PLAIN", value)
    secret = set_variable(world, "SEALED", value, secret=True)

    assert Variable.objects.get(placement=world.placement, name="PLAIN").value == value
    assert secret.secret_version is not None
    stored = SecretVersion.objects.get(pk=secret.secret_version.pk)
    assert stored.sealed is not None
    assert open_sealed(stored.sealed) == value
