"""What people may do, and how it ends: roles, grants, deactivation. There's always an admin left."""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from deployments import audit, queue
from deployments.accounts import links, tokens
from deployments.accounts.passwords import check_password, checked_name
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import AccessLink, Application, Environment, Grant, Role, User

THEMES = frozenset({"system", "light", "dark"})


def change_access(
    *,
    actor: Actor,
    user: User,
    role: str,
    deploys_everything: bool = False,
    grants: Collection[tuple[int, int]] = (),
) -> User:
    """Set a person's role and grants, (application id, environment id) pairs; open pages and streams follow at once."""
    with transaction.atomic():
        user, is_last_admin = _locked_among_admins(user)
        before = shown_access(user)
        if is_last_admin and role != Role.ADMIN:
            _refuse_last_admin(user)
        user.role = Role(role)
        user.deploys_everything = user.role == Role.DEPLOYER and deploys_everything
        user.save(update_fields=("role", "deploys_everything"))
        replace_grants(user, grants if user.role == Role.DEPLOYER else ())
        after = shown_access(user)
        if before != after:
            queue.changed_on_commit("user", user.pk)
            audit.record(actor, "person.access", user, before=before, after=after)
    return user


def deactivate(*, actor: Actor, user: User) -> User:
    """Shut a person out: sessions, streams, links and tokens end at once. Refused for the last admin."""
    with transaction.atomic():
        user, is_last_admin = _locked_among_admins(user)
        if not user.is_active:
            # Somebody only invited: their links would let them in all the same.
            if links.revoke(Q(user=user)):
                audit.record(actor, "person.deactivate", user)
            return user
        if is_last_admin:
            _refuse_last_admin(user)
        user.is_active = False
        user.save(update_fields=("is_active",))
        end_sessions(user)
        links.revoke(Q(user=user))
        revoked = tokens.revoke_all(actor=actor, user=user)
        audit.record(actor, "person.deactivate", user, after={"revoked_tokens": revoked} if revoked else None)
    return user


def reactivate(*, actor: Actor, user: User) -> User:
    """Let a person in again, with the password and the access they had."""
    with transaction.atomic():
        user = _locked(user)
        if user.is_active:
            return user
        if not user.has_usable_password():
            raise Refused(_("This person never accepted the invitation."), remedy=_("Invite them again."))
        user.is_active = True
        user.save(update_fields=("is_active",))
        queue.changed_on_commit("user", user.pk)
        audit.record(actor, "person.reactivate", user, after=shown_access(user))
    return user


def rename(*, actor: Actor, user: User, name: str) -> User:
    """Change a person's name; history keeps the one they had."""
    name = checked_name(name)
    with transaction.atomic():
        user = _locked(user)
        before = {"name": user.name}
        if user.name != name:
            user.name = name
            user.save(update_fields=("name",))
            audit.record(actor, "person.rename", user, before=before, after={"name": name})
    return user


def change_password(*, actor: Actor, user: User, password: str) -> User:
    """Give a person another password: every session and stream of theirs ends. FieldErrors when it's too weak."""
    check_password(password, email=user.email, name=user.name)
    with transaction.atomic():
        user = _locked(user)
        user.set_password(password)
        user.save(update_fields=("password",))
        end_sessions(user)
        audit.record(actor, "person.password", user)
    return user


def set_theme(*, user: User, theme: str) -> None:
    """Light, dark, or as the system says; nobody else sees it, so it isn't audited."""
    if theme not in THEMES:
        raise Refused(_("There is no such theme."), "theme")
    User.objects.filter(pk=user.pk).update(theme=theme)


def end_sessions(user: User) -> None:
    """Every session and stream of theirs ends: the session's hash is bound to the epoch. Needs a transaction."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=("session_epoch",))
    queue.changed_on_commit("user", user.pk)


def issue_sign_in_token(*, actor: Actor, user: User) -> str:
    """A token that signs this person in once within 30 minutes (the demo's, and for who lost the password)."""
    with transaction.atomic():
        user = _locked(user)
        if not user.is_active:
            raise Refused(_("%(name)s can't sign in.") % {"name": user})
        links.revoke(Q(user=user, purpose=AccessLink.Purpose.SIGN_IN))
        _link, token = links.issue(AccessLink.Purpose.SIGN_IN, user=user, created_by_name=actor.name)
        audit.record(actor, "person.sign_in_link", user)
    return token


def sign_in_by(*, token: str, address: str = "") -> User:
    """The person whose sign-in link this is, used up with this; Refused when it's used or over."""
    with transaction.atomic():
        link = links.find(token)
        if (
            link is None
            or link.purpose != AccessLink.Purpose.SIGN_IN
            or link.user is None
            or not link.user.is_active
            or not links.consume(link)
        ):
            raise Refused(_("This sign-in link is used or over."))
        audit.record(Actor.of(link.user, address), "session.link", link.user)
    return link.user


def replace_grants(user: User, pairs: Collection[tuple[int, int]]) -> None:
    """Exactly these grants, and no others. Refused for a pair that doesn't exist."""
    wanted = set(pairs)
    applications = set(Application.objects.filter(pk__in={pair[0] for pair in wanted}).values_list("pk", flat=True))
    environments = set(Environment.objects.filter(pk__in={pair[1] for pair in wanted}).values_list("pk", flat=True))
    if any(application not in applications or environment not in environments for application, environment in wanted):
        raise Refused(_("One of these applications or environments doesn't exist."), "grants")
    held = {(grant.application_id, grant.environment_id): grant for grant in user.grants.all()}
    Grant.objects.filter(pk__in=[grant.pk for pair, grant in held.items() if pair not in wanted]).delete()
    Grant.objects.bulk_create(
        Grant(user=user, application_id=application, environment_id=environment)
        for application, environment in sorted(wanted - set(held))
    )


def shown_access(user: User) -> dict[str, Any]:
    """Role and grants in words, for the audit trail."""
    grants = user.grants.select_related("application", "environment").order_by("application_id", "environment_id")
    return {
        "role": str(user.role),
        "deploys_everything": user.deploys_everything,
        "grants": [f"{grant.application} · {grant.environment}" for grant in grants],
    }


def _locked(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _locked_among_admins(user: User) -> tuple[User, bool]:
    """The person, and whether they are the only admin; all admins are locked, in order, so that two can't remove each other."""
    either = Q(pk=user.pk) | Q(role=Role.ADMIN, is_active=True)
    rows = {row.pk: row for row in User.objects.select_for_update(no_key=True).filter(either).order_by("pk")}
    admins = [row.pk for row in rows.values() if row.is_admin]
    return rows[user.pk], admins == [user.pk]


def _refuse_last_admin(user: User) -> None:
    raise Refused(_("%(name)s is the only admin.") % {"name": user}, remedy=_("Make somebody else an admin first."))
