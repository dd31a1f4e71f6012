"""Shared sets of variables: what wins over what, open Plans that become stale, secrets that are destroyed for everybody."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from deployments import audit, releases, requests
from deployments.errors import FieldErrors, PlanChanged, Refused
from deployments.inventory import applications
from deployments.inventory import shared_variables as shared
from deployments.models import AuditEntry, Placement, Release, SecretVersion, SharedVariable, VariableSet
from deployments.queries.shared_variables import from_sets, secret_names
from deployments.sealing import open_sealed, seal
from tests.deployments.test_races import many
from tests.deployments.test_settings_injection import CORPUS
from tests.deployments.world import World, make_world, only_target, place, planned, succeed
from worker.brief import target_brief

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world()


def make_set(world: World, name: str, /, **values: str) -> VariableSet:
    """A set in production; names that begin with SECRET are secrets."""
    row = shared.create_set(actor=world.actor, environment=world.production, name=name)
    for each, value in values.items():
        put(world, row, each, value)
    return row


def put(world: World, row: VariableSet, name: str, value: str) -> SharedVariable:
    is_secret = name.startswith("SECRET")
    return shared.set_shared_variable(actor=world.actor, variable_set=row, name=name, value=value, is_secret=is_secret)


def use(world: World, *sets: VariableSet, placement: Placement | None = None) -> None:
    placement = placement or world.placement
    shared.use_sets(actor=world.actor, placement=placement, set_ids=[each.pk for each in sets])


def own(world: World, name: str, value: str, *, secret: bool = False) -> None:
    applications.set_variable(actor=world.actor, placement=world.placement, name=name, value=value, is_secret=secret)


def now(placement: Placement) -> dict[str, str]:
    """What a container would get, secrets opened."""
    found = {}
    for each in releases.content_now(placement).variables:
        sealed = SecretVersion.objects.get(pk=each["secret"]).sealed if "secret" in each else None
        found[each["name"]] = open_sealed(sealed) if sealed else each["value"]
    return found


def other_placement(world: World, name: str = "billing") -> Placement:
    application = applications.create_application(actor=world.actor, name=name)
    return place(world.actor, application, world.production, world.hosts)


def version_of(placement: Placement) -> int:
    return Placement.objects.get(pk=placement.pk).version


def test_a_later_set_wins_over_an_earlier_and_its_own_over_all(world: World) -> None:
    mail = make_set(world, "mail", HOST="mail", PORT="25", FROM="mail")
    base = make_set(world, "base", HOST="base", PORT="1", SECRET_KEY="of the set")
    own(world, "HOST", "own")
    second = other_placement(world)

    use(world, base, mail)
    use(world, mail, base, placement=second)

    assert now(world.placement) == {"SECRET_KEY": "of the set", "PORT": "25", "FROM": "mail", "HOST": "own"}
    assert now(second) == {"HOST": "base", "PORT": "1", "FROM": "mail", "SECRET_KEY": "of the set"}
    rows = [
        (each.variable.name, each.overridden_by, each.by_own)
        for each in from_sets(world.placement, list(world.placement.variables.all())).rows
    ]
    assert rows == [
        ("HOST", "mail", True),
        ("PORT", "mail", False),
        ("SECRET_KEY", "", False),
        ("HOST", "", True),
        ("PORT", "", False),
        ("FROM", "", False),
    ]
    assert secret_names(world.placement) == ["SECRET_KEY"]


@pytest.mark.parametrize("value", ["${OTHER}", "$OTHER", "$$OTHER", "${OTHER:-x}", "%OTHER%", *CORPUS])
def test_values_are_never_interpolated(world: World, value: str) -> None:
    if "\x00" in value:
        with pytest.raises(Refused):
            make_set(world, "base", VALUE=value)
        return
    row = make_set(world, "base", OTHER="replaced", VALUE=value, SECRET_VALUE=value)
    use(world, row)
    own(world, "OWN", value)
    deployment = requests.request_deployment(
        actor=world.actor, plan=(plan := planned(world)), fingerprint=plan.fingerprint
    )

    given = dict(target_brief(only_target(deployment).pk, 1).spec.container.environment)

    assert given["VALUE"] == given["OWN"] == value
    assert given["SECRET_VALUE"].reveal() == value  # type: ignore[union-attr]
    assert given["OTHER"] == "replaced"


def change(world: World, row: VariableSet) -> None:
    put(world, row, "HOST", "other")


def bring(world: World, row: VariableSet) -> None:
    shared.import_shared_variables(actor=world.actor, variable_set=row, text="NEW=1\n")


def remove(world: World, row: VariableSet) -> None:
    shared.delete_shared_variable(actor=world.actor, variable_set=row, name="HOST")


def turn(world: World, row: VariableSet) -> None:
    put(world, row, "SECRET_KEY", "next")


def unlink(world: World, row: VariableSet) -> None:
    assert row.uses.exists()
    use(world)


@pytest.mark.parametrize("act", [change, bring, remove, turn, unlink])
def test_a_change_makes_every_user_s_open_plan_stale(world: World, act: Callable[[World, VariableSet], None]) -> None:
    row = make_set(world, "base", HOST="db", SECRET_KEY="one")
    use(world, row)
    stranger = other_placement(world)
    versions, plan = (version_of(world.placement), version_of(stranger)), planned(world)

    act(world, row)

    assert version_of(world.placement) > versions[0]
    assert version_of(stranger) == versions[1]
    with pytest.raises(PlanChanged):
        requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)


def test_the_same_value_again_changes_nothing(world: World) -> None:
    row = make_set(world, "base", HOST="db")
    use(world, row)
    before = version_of(world.placement), AuditEntry.objects.count()
    put(world, row, "HOST", "db")
    use(world, row)

    assert (version_of(world.placement), AuditEntry.objects.count()) == before


def test_deleting_a_secret_destroys_it_for_all_that_ever_used_it(world: World) -> None:
    row = make_set(world, "base", SECRET_KEY="one", SECRET_OTHER="stays")
    second = other_placement(world)
    use(world, row)
    use(world, row, placement=second)
    first_release, second_release = succeed(world), succeed(world, placement=second)
    use(world)  # no user any more, but its Release was one

    shared.delete_shared_variable(actor=world.actor, variable_set=row, name="SECRET_KEY")

    lost = dict(Release.objects.values_list("pk", "lost_secrets"))
    assert lost == {first_release.pk: ["SECRET_KEY"], second_release.pk: ["SECRET_KEY"]}
    alive = SecretVersion.objects.filter(sealed__isnull=False)
    assert list(alive.values_list("name", flat=True)) == ["SECRET_OTHER"]
    first_release.refresh_from_db()
    assert releases.content_of(first_release).lost_secrets == ["SECRET_KEY"]
    entry = AuditEntry.objects.get(action="shared_variable.delete")
    assert entry.after["releases_that_lost_it"] == [
        "storefront · production release 1",
        "billing · production release 1",
    ]
    assert put(world, row, "SECRET_KEY", "two").secret_version.number == 2  # type: ignore[union-attr]


def test_going_back_takes_today_s_secrets_from_where_they_are_now(world: World) -> None:
    row = make_set(world, "base", SECRET_KEY="set 1")
    use(world, row)
    release = succeed(world)
    assert release.variables[0]["set"] == "base"

    put(world, row, "SECRET_KEY", "set 2")
    assert [each["number"] for each in releases.content_of(release).variables] == [2]
    own(world, "SECRET_KEY", "own 1", secret=True)

    today = releases.content_of(release).variables
    assert [(each["name"], each["number"], "set" in each) for each in today] == [("SECRET_KEY", 1, False)]
    assert releases.content_of(release, secrets_as_they_were=True).variables == release.variables
    changes = planned(world).changes
    assert [(each["before"], each["after"]) for each in changes] == [("version 1 of the set base", "version 1")]


def test_a_set_in_use_is_not_deleted(world: World) -> None:
    row = make_set(world, "base", SECRET_KEY="one", HOST="db")
    use(world, row)
    release = succeed(world)
    with pytest.raises(Refused, match="storefront"):
        shared.delete_set(actor=world.actor, variable_set=row)
    with pytest.raises(ProtectedError), transaction.atomic():
        row.delete()
    use(world)

    shared.delete_set(actor=world.actor, variable_set=row)

    assert not VariableSet.objects.exists()
    assert not SecretVersion.objects.filter(sealed__isnull=False).exists()
    release.refresh_from_db()
    assert release.lost_secrets == ["SECRET_KEY"]
    assert releases.content_of(release).lost_secrets == ["SECRET_KEY"]
    assert AuditEntry.objects.get(action="variable_set.delete").object_name == "base · production"
    with pytest.raises(Refused, match="isn't there"):
        put(world, row, "HOST", "x")


def test_only_sets_of_the_same_environment_are_used(world: World) -> None:
    row = shared.create_set(actor=world.actor, environment=world.staging, name="base")
    with pytest.raises(Refused, match="isn't there"):
        use(world, row)


@pytest.mark.parametrize("name", ["", "Two words", "a/b", "x" * 41, "-a", "a--b", *CORPUS])
def test_names_that_no_address_can_hold_are_refused(world: World, name: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        make_set(world, name)
    assert set(refused.value.errors) == {"name"}


def test_one_name_is_one_set(world: World) -> None:
    make_set(world, "base")
    with pytest.raises(FieldErrors, match="has a set"):
        make_set(world, "Base")
    assert shared.create_set(actor=world.actor, environment=world.staging, name="base").name == "base"


def test_a_secret_belongs_to_one_owner(world: World) -> None:
    row = make_set(world, "base")
    for owners in ({}, {"placement": world.placement, "variable_set": row}):
        with pytest.raises(IntegrityError), transaction.atomic():
            SecretVersion.objects.create(name="A", number=1, sealed=seal("x"), **owners)


def test_no_secret_is_in_the_audit_trail(world: World) -> None:
    row = make_set(world, "base", SECRET_KEY="topsecret", HOST="db")
    shared.import_shared_variables(
        actor=world.actor, variable_set=row, text="A=topsecret\nHOST=other", secret_names=["A"]
    )
    text = shared.export_shared_variables(actor=world.actor, variable_set=row)

    assert "topsecret" not in text
    assert "HOST=other" in text
    told = "".join(f"{each.before}{each.after}" for each in AuditEntry.objects.all())
    assert "topsecret" not in told
    assert "other" in told
    assert audit.verify().ok


def test_an_archived_application_chooses_no_sets(world: World) -> None:
    row = make_set(world, "base")
    applications.archive_application(actor=world.actor, application=world.application)
    with pytest.raises(Refused, match="archived"):
        use(world, row)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_wait_for_each_other() -> None:
    """Changing, choosing and deploying at once: nobody stands in another's way for ever, and nothing is half done."""
    world = make_world()
    rows = [make_set(world, name, SECRET_KEY=name, HOST=name) for name in ("base", "mail")]
    places = [world.placement, other_placement(world)]

    def act(number: int) -> None:
        turn, placement = number // 4 % 2, places[number % 3 % 2]
        row = rows[turn]
        acts: list[Callable[[], object]] = [
            lambda: use(world, *(rows if turn else rows[::-1]), placement=placement),
            lambda: put(world, row, "SECRET_KEY", str(number)),
            lambda: shared.delete_shared_variable(actor=world.actor, variable_set=row, name="HOST"),
            lambda: requests.request_plan(actor=world.actor, placement=placement),
        ]
        with suppress(Refused):  # the second who deletes finds nothing
            acts[number % 4]()

    with many(12) as run:
        run(act)

    for placement in places:
        assert [each["name"] for each in releases.content_now(placement).variables] == ["SECRET_KEY"]
    kept = SecretVersion.objects.values_list("variable_set", "number")
    assert len(set(kept)) == len(kept) == 2 + 3
    assert not SharedVariable.objects.filter(name="HOST", variable_set=rows[0]).exists()
    assert audit.verify().ok


def test_a_set_that_is_called_otherwise_is_the_same(world: World) -> None:
    row = make_set(world, "base", SECRET_KEY="one", HOST="db")
    make_set(world, "taken")
    use(world, row)
    release = succeed(world)
    for name in ("taken", "Two words"):
        with pytest.raises(FieldErrors):
            shared.rename_set(actor=world.actor, variable_set=row, name=name)

    assert shared.rename_set(actor=world.actor, variable_set=row, name=" Post ").name == "post"

    assert planned(world).changes == []
    assert succeed(world) == release, "nothing is to be deployed for a name"
    entry = AuditEntry.objects.get(action="variable_set.rename")
    assert (entry.before, entry.after) == ({"name": "base"}, {"name": "post"})
