"""What every page needs: where one may go, and how it should look."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from deployments.models import Role


class Tab(NamedTuple):
    """One entry of the main navigation."""

    label: "str | Promise"
    url: str
    is_current: bool


_EVERYONE = frozenset(Role.values)
_TABS: tuple[tuple["str | Promise", str, frozenset[str], str], ...] = (
    (_("Overview"), "overview", _EVERYONE, "/"),
    (_("Applications"), "applications", _EVERYONE, "/applications/"),
    (_("Servers"), "hosts", _EVERYONE, "/servers/"),
    (_("History"), "deployments", _EVERYONE, "/deployments/"),
    (_("Audit"), "audit", frozenset({Role.ADMIN, Role.AUDITOR}), "/audit/"),
    (_("People"), "people", frozenset({Role.ADMIN, Role.AUDITOR}), "/people/"),
)


def navigation(request: HttpRequest) -> Mapping[str, Any]:
    """`tabs`, `theme` (system, light, dark), `version` and `is_demo` for every template."""
    user = getattr(request, "user", None)
    common = {"version": settings.VERSION, "is_demo": settings.ESTIVA_DEMO}
    if user is None or not user.is_authenticated:
        return {**common, "tabs": (), "theme": "system"}
    tabs = [
        Tab(label, reverse(route), _is_current(request.path, prefix))
        for label, route, roles, prefix in _TABS
        if user.role in roles
    ]
    return {**common, "tabs": tabs, "theme": user.theme}


def _is_current(path: str, prefix: str) -> bool:
    if prefix == "/":
        return path == "/"
    if path.startswith(("/plans/", "/environments/")):  # both are reached from the applications
        return prefix == "/applications/"
    if path.startswith("/registries/"):  # servers are what signs in there
        return prefix == "/servers/"
    return path.startswith(prefix)
