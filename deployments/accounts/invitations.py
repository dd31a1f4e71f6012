"""Invitations by link. Whoever is invited exists already, inactive, with role and grants; accepting gives them a password."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from deployments import audit, queue
from deployments.accounts import links
from deployments.accounts.passwords import check_password, checked_email, checked_name
from deployments.accounts.people import replace_grants, shown_access
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import AccessLink, Role, User

Pair = tuple[int, int]


def invite(
    *, actor: Actor, email: str, role: str, deploys_everything: bool = False, grants: Collection[Pair] = ()
) -> tuple[AccessLink, str]:
    """Invite a person; returns the link's row and its token, shown once. `grants`: (application id, environment id) pairs.

    Inviting an address again that never accepted replaces role and grants and ends the earlier link.
    """
    with transaction.atomic():
        unaccepted = User.objects.filter(email=email.strip().lower(), is_active=False, last_login=None, name="")
        invited = unaccepted.select_for_update(no_key=True).first()  # `accept` waits, then finds its link ended
        email = checked_email(email, may_be=invited)
        user = invited or User.objects.create_user(email, None, name="", is_active=False)
        user.role = Role(role)
        user.deploys_everything = user.role == Role.DEPLOYER and deploys_everything
        user.save(update_fields=("role", "deploys_everything"))
        replace_grants(user, grants)
        links.revoke(Q(user=user))
        link, token = links.issue(
            AccessLink.Purpose.INVITATION,
            user=user,
            created_by_name=actor.name,
            email=email,
            role=user.role,
            deploys_everything=user.deploys_everything,
        )
        audit.record(actor, "person.invite", ("user", user.pk, email), after=shown_access(user))
    return link, token


def accept(*, token: str, name: str, password: str, address: str = "") -> User:
    """The invited person gives a name and a password, and may sign in from now on. Refused when the link is used or over."""
    name = checked_name(name)
    with transaction.atomic():
        link = links.find(token)
        if link is None or link.purpose != AccessLink.Purpose.INVITATION or link.user is None:
            raise Refused(_("This invitation is used or over."), remedy=_("Ask an admin for another."))
        user = User.objects.select_for_update(no_key=True).get(pk=link.user.pk)
        if user.is_active:
            # Who is here already doesn't get another name and password from an old link.
            raise Refused(_("This invitation was accepted already."), remedy=_("Sign in, or ask an admin."))
        check_password(password, email=user.email, name=name)
        if not links.consume(link):
            raise Refused(_("This invitation was used just now."))
        user.name, user.is_active = name, True
        user.set_password(password)
        user.save(update_fields=("name", "is_active", "password"))
        queue.changed_on_commit("user", user.pk)
        audit.record(Actor.of(user, address), "person.accept", user, after=shown_access(user))
    return user


def revoke_invitation(*, actor: Actor, link: AccessLink) -> None:
    """End an invitation that wasn't accepted."""
    with transaction.atomic():
        if not links.revoke(Q(pk=link.pk, purpose=AccessLink.Purpose.INVITATION)):
            raise Refused(_("This invitation is used or over."))
        audit.record(actor, "person.revoke_invitation", ("access_link", link.pk, link.email))
