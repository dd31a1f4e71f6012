"""People: the first admin, invitations, access, and how it ends."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now

from deployments.accounts import invitations, links, people, setup
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.models import AccessLink, AuditEntry, Role, User
from tests.deployments.conftest import Sent
from tests.deployments.world import World, make_world, person

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

PASSWORD = "correct horse battery"


@pytest.fixture
def world() -> World:
    return make_world()


def set_up(token: str, email: str = "ana@example.com") -> User:
    return setup.complete_setup(token=token, name="Ana Prado", email=email, password=PASSWORD, address="203.0.113.7")


def token_of_setup() -> str:
    token = setup.issue_setup_token()
    assert token is not None
    return token


def outdate() -> None:
    AccessLink.objects.update(expires_at=Now() - timedelta(seconds=1))


def test_the_setup_link_makes_the_first_admin_once() -> None:
    token = token_of_setup()

    ana = set_up(token)

    assert (ana.role, ana.is_admin, ana.check_password(PASSWORD)) == (Role.ADMIN, True, True)
    with pytest.raises(Refused, match="used or over"):
        set_up(token, "mallory@example.com")
    assert setup.issue_setup_token() is None
    assert AuditEntry.objects.get(action="setup.complete").address == "203.0.113.7"


def test_a_newer_setup_link_ends_the_older() -> None:
    old, new = token_of_setup(), token_of_setup()

    with pytest.raises(Refused):
        set_up(old)
    assert set_up(new).is_admin


def test_no_setup_while_there_is_an_admin() -> None:
    token = token_of_setup()
    person("Bruno Lima", Role.ADMIN)

    with pytest.raises(Refused):
        set_up(token)


@pytest.mark.parametrize("token", ["", "nonsense", "a" * 43])
def test_guesses_open_nothing(token: str) -> None:
    token_of_setup()

    assert links.find(token) is None
    with pytest.raises(Refused):
        set_up(token)


def test_an_old_link_opens_nothing() -> None:
    token = token_of_setup()
    outdate()

    assert links.find(token) is None
    with pytest.raises(Refused):
        set_up(token)


def test_only_a_hash_is_kept() -> None:
    token = token_of_setup()

    link = AccessLink.objects.get()
    assert token not in str(vars(link))
    assert len(token) >= 43


def test_a_weak_password_leaves_the_link_usable() -> None:
    token = token_of_setup()

    with pytest.raises(FieldErrors) as refused:
        setup.complete_setup(token=token, name="Ana Prado", email="ana@example.com", password="password")
    assert list(refused.value.errors) == ["password"]
    assert set_up(token).is_admin


def test_the_command_prints_the_link_until_there_is_an_admin(world: World) -> None:
    with pytest.raises(CommandError):
        call_command("setup_link")
    User.objects.update(is_active=False)
    said = StringIO()
    call_command("setup_link", stdout=said)
    path, _, token = said.getvalue().strip().rpartition("/")
    assert path.endswith("/account/link")
    assert links.find(token)


def invite(world: World, email: str = "dora@example.com", role: str = Role.DEPLOYER) -> str:
    pairs = [(world.application.pk, world.production.pk)]
    _link, token = invitations.invite(actor=world.actor, email=email, role=role, grants=pairs)
    return token


def test_an_invitation_is_accepted_with_a_name_and_a_password(world: World) -> None:
    token = invite(world)
    dora = User.objects.get(email="dora@example.com")
    assert (dora.is_active, dora.has_usable_password()) == (False, False)

    accepted = invitations.accept(token=token, name=" Dora  Reis ", password=PASSWORD)

    assert (accepted, accepted.name, accepted.is_active, accepted.role) == (dora, "Dora Reis", True, Role.DEPLOYER)
    assert [str(grant.application) for grant in accepted.grants.all()] == ["storefront"]
    with pytest.raises(Refused):
        invitations.accept(token=token, name="Mallory", password=PASSWORD)
    assert AuditEntry.objects.get(action="person.invite").after["grants"] == ["storefront · production"]


def test_inviting_again_ends_the_earlier_link_and_replaces_the_access(world: World) -> None:
    old = invite(world)
    new = invite(world, role=Role.AUDITOR)

    with pytest.raises(Refused):
        invitations.accept(token=old, name="Dora", password=PASSWORD)
    assert invitations.accept(token=new, name="Dora", password=PASSWORD).role == Role.AUDITOR
    assert User.objects.filter(email="dora@example.com").count() == 1


def test_who_is_here_is_not_invited(world: World) -> None:
    with pytest.raises(FieldErrors) as refused:
        invite(world, "BRUNO@example.com")
    assert list(refused.value.errors) == ["email"]


def test_a_deactivated_person_is_not_reinvited_around_it(world: World) -> None:
    people.deactivate(actor=world.actor, user=world.bruno)

    with pytest.raises(FieldErrors):
        invite(world, world.bruno.email)


def test_a_revoked_invitation_opens_nothing(world: World) -> None:
    token = invite(world)
    link = AccessLink.objects.get(purpose=AccessLink.Purpose.INVITATION)

    invitations.revoke_invitation(actor=world.actor, link=link)

    with pytest.raises(Refused):
        invitations.accept(token=token, name="Dora", password=PASSWORD)
    with pytest.raises(Refused):
        invitations.revoke_invitation(actor=world.actor, link=link)


def test_a_setup_or_sign_in_link_is_no_invitation(world: World) -> None:
    token = people.issue_sign_in_token(actor=world.actor, user=world.bruno)

    with pytest.raises(Refused):
        invitations.accept(token=token, name="Mallory", password=PASSWORD)


def test_a_sign_in_link_signs_in_once(world: World) -> None:
    token = people.issue_sign_in_token(actor=world.actor, user=world.bruno)

    assert people.sign_in_by(token=token, address="203.0.113.9") == world.bruno
    with pytest.raises(Refused):
        people.sign_in_by(token=token)
    assert AuditEntry.objects.get(action="session.link").actor_name == "Bruno Lima"


def test_deactivating_ends_sessions_streams_and_links(
    world: World, sent: Sent, django_capture_on_commit_callbacks: object
) -> None:
    token = people.issue_sign_in_token(actor=world.actor, user=world.bruno)
    session = world.bruno.get_session_auth_hash()

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        people.deactivate(actor=world.actor, user=world.bruno)

    world.bruno.refresh_from_db()
    assert not world.bruno.is_active
    assert world.bruno.get_session_auth_hash() != session
    assert sent.changed("user") == [world.bruno.pk]
    with pytest.raises(Refused):
        people.sign_in_by(token=token)


def test_a_deactivated_person_comes_back_with_what_they_had(world: World) -> None:
    world.bruno.set_password(PASSWORD)
    world.bruno.save()
    people.deactivate(actor=world.actor, user=world.bruno)

    assert people.reactivate(actor=world.actor, user=world.bruno).is_active
    assert AuditEntry.objects.get(action="person.reactivate").after["role"] == "deployer"


def test_who_never_accepted_is_not_reactivated(world: World) -> None:
    invite(world)

    with pytest.raises(Refused, match="Invite them again"):
        people.reactivate(actor=world.actor, user=User.objects.get(email="dora@example.com"))


def test_the_last_admin_stays(world: World) -> None:
    with pytest.raises(Refused, match="only admin"):
        people.deactivate(actor=world.actor, user=world.ana)
    with pytest.raises(Refused, match="only admin"):
        people.change_access(actor=world.actor, user=world.ana, role=Role.AUDITOR)
    person("Eva Reis", Role.ADMIN)
    assert people.change_access(actor=world.actor, user=world.ana, role=Role.AUDITOR).role == Role.AUDITOR


def test_access_is_replaced_as_a_whole(world: World) -> None:
    staging, production = ((world.application.pk, each.pk) for each in (world.staging, world.production))
    change = people.change_access
    change(actor=world.actor, user=world.bruno, role=Role.DEPLOYER, grants=[staging, production])
    change(actor=world.actor, user=world.bruno, role=Role.DEPLOYER, grants=[production])

    assert people.shown_access(world.bruno)["grants"] == ["storefront · production"]
    user = change(actor=world.actor, user=world.bruno, role=Role.AUDITOR, deploys_everything=True, grants=[staging])
    assert (user.deploys_everything, user.grants.count()) == (False, 0), "an auditor acts on nothing"
    entries = AuditEntry.objects.filter(action="person.access").order_by("number")
    assert [entry.after["role"] for entry in entries] == ["deployer", "deployer", "auditor"]


def test_the_same_access_again_leaves_no_trace(world: World) -> None:
    people.change_access(actor=world.actor, user=world.bruno, role=Role.DEPLOYER)

    assert not AuditEntry.objects.filter(action="person.access").exists()


def test_a_grant_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(Refused) as refused:
        people.change_access(actor=world.actor, user=world.bruno, role=Role.DEPLOYER, grants=[(1, 987_654)])
    assert refused.value.field == "grants"


def test_only_a_known_role_is_given(world: World) -> None:
    with pytest.raises(ValueError, match="owner"):
        people.change_access(actor=world.actor, user=world.bruno, role="owner")


def test_renaming_leaves_history_alone(world: World) -> None:
    people.rename(actor=world.actor, user=world.ana, name="Ana Souza")
    people.set_theme(user=world.ana, theme="dark")

    world.ana.refresh_from_db()
    assert (world.ana.name, world.ana.theme) == ("Ana Souza", "dark")
    assert AuditEntry.objects.filter(actor_name="Ana Prado").exists()
    with pytest.raises(Refused):
        people.set_theme(user=world.ana, theme="pink")


@pytest.mark.django_db(transaction=True)
def test_two_admins_cannot_remove_each_other_at_once() -> None:
    ana, eva = person("Ana Prado", Role.ADMIN), person("Eva Reis", Role.ADMIN)
    barrier = threading.Barrier(2)

    def remove(who: User, by: User) -> bool:
        barrier.wait()
        try:
            people.deactivate(actor=Actor.of(by), user=who)
        except Refused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(remove, (ana, eva), (eva, ana)))

    assert sorted(done) == [False, True]
    assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_setup_link_makes_one_admin_however_often_it_is_sent() -> None:
    token = token_of_setup()
    barrier = threading.Barrier(4)

    def send(number: int) -> bool:
        barrier.wait()
        try:
            set_up(token, f"admin{number}@example.com")
        except Refused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(send, range(4)))

    assert done.count(True) == 1
    assert User.objects.count() == 1


def test_deactivating_somebody_only_invited_ends_the_invitation(world: World) -> None:
    token = invite(world)

    people.deactivate(actor=world.actor, user=User.objects.get(email="dora@example.com"))

    with pytest.raises(Refused, match="used or over"):
        invitations.accept(token=token, name="Dora Dias", password=PASSWORD)
    assert AuditEntry.objects.get(action="person.deactivate").object_name == "dora@example.com"


def test_an_invitation_changes_nobody_who_is_here_already(world: World) -> None:
    token = invite(world)
    User.objects.filter(email="dora@example.com").update(is_active=True, name="Dora Dias")

    with pytest.raises(Refused, match="accepted already"):
        invitations.accept(token=token, name="Mallory", password=PASSWORD)

    assert User.objects.get(email="dora@example.com").name == "Dora Dias"
