"""How allauth signs people in here: nobody signs up, and every sign-in, failure and sign-out is in the audit trail."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.http import HttpRequest

from dashboard.middleware import client_address
from deployments import actors, audit, queue, terminals
from deployments.models import User

log = logging.getLogger(__name__)

OPENED_TERMINALS = "terminals"
"""In a session: the terminals that were opened in that browser, and end when it signs out."""


class AccountAdapter(DefaultAccountAdapter):
    """allauth's hooks."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People come by invitation."""
        return False

    def add_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """No "you have signed in" banners: the page that follows says it."""

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Start the session and record it."""
        super().login(request, user)
        if not isinstance(user, User):
            raise TypeError(f"{type(user).__name__} is not one of our people")
        actor = actors.Actor.of(user, address=client_address(request))
        with transaction.atomic():
            audit.record(actor, "session.begin", user)

    def logout(self, request: HttpRequest) -> None:
        """End the session, its streams, and record it."""
        user = request.user
        end_terminals(request)
        super().logout(request)
        if not isinstance(user, User):
            return
        with transaction.atomic():
            audit.record(actors.Actor.of(user, address=client_address(request)), "session.end", user)
            queue.changed_on_commit("user", user.pk)

    def get_client_ip(self, request: HttpRequest) -> str:
        """As allauth finds it past the trusted proxies; where it can't be told, all such clients share one allowance."""
        try:
            return str(super().get_client_ip(request))
        except (ImproperlyConfigured, PermissionDenied) as error:
            log.warning("the client's address can't be told; check ESTIVA_TRUSTED_PROXIES", extra={"error": str(error)})
            return ""

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record a wrong password or an unknown address (as it was typed, never the password)."""
        self._refused(request, credentials, "wrong address or password")

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """The rate limit per account and per address; meeting it is recorded too."""
        try:
            super().pre_authenticate(request, **credentials)
        except Exception:
            self._refused(request, credentials, "too many attempts")
            raise

    def _refused(self, request: HttpRequest, credentials: dict[str, Any], reason: str) -> None:
        typed = str(credentials.get("email", ""))[:120]
        actor = actors.unknown(typed, address=client_address(request))
        with transaction.atomic():
            audit.denied(actor, "session.begin", ("user", "", typed), reason)


def end_terminals(request: HttpRequest) -> None:
    """Whoever is signed in in this browser leaves it: what they opened there ends."""
    opened = request.session.get(OPENED_TERMINALS, [])
    if opened and isinstance(request.user, User):
        actor = actors.Actor.of(request.user, address=client_address(request))
        terminals.end_of_login(actor=actor, terminal_ids=opened)
