"""The first admin: only whoever can read the console gets in. Nobody becomes admin by visiting first."""

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from deployments import audit
from deployments.accounts import links
from deployments.accounts.passwords import check_password, checked_email, checked_name
from deployments.actors import ESTIVA, Actor
from deployments.errors import Refused
from deployments.models import AccessLink, AuditHead, Role, User


def needs_setup() -> bool:
    """There is no admin who could let others in."""
    return not User.objects.filter(role=Role.ADMIN, is_active=True).exists()


def issue_setup_token() -> str | None:
    """A fresh token for `/account/link/<token>`, earlier ones revoked; None when there is an admin."""
    with transaction.atomic():
        if not needs_setup():
            return None
        links.revoke(Q(purpose=AccessLink.Purpose.SETUP))
        link, token = links.issue(AccessLink.Purpose.SETUP, role=Role.ADMIN)
        audit.record(ESTIVA, "setup.link", ("access_link", link.pk, "setup"))
    return token


def complete_setup(*, token: str, name: str, email: str, password: str, address: str = "") -> User:
    """The first admin, by the setup link; Refused when it's used, over, or there is an admin by now."""
    name, email = checked_name(name), checked_email(email)
    check_password(password, email=email, name=name)
    with transaction.atomic():
        # Two setups at once end one after the other: whoever comes second finds an admin.
        AuditHead.objects.select_for_update().filter(pk=1).first()
        link = links.find(token)
        if link is None or link.purpose != AccessLink.Purpose.SETUP or not needs_setup() or not links.consume(link):
            raise Refused(_("This setup link is used or over."), remedy=_("Run manage.py setup_link for another."))
        user = User.objects.create_user(email, password, name=name, role=Role.ADMIN)
        audit.record(Actor.of(user, address), "setup.complete", user, after={"email": email, "role": Role.ADMIN})
    return user
