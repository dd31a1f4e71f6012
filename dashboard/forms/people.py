"""Inviting people, and what they may do."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import Role, User
from deployments.queries.people import grantable

_ROLES = [
    (Role.DEPLOYER, _("Deployer")),
    (Role.AUDITOR, _("Auditor")),
    (Role.ADMIN, _("Admin")),
]


class AccessForm(forms.Form):
    """Role and grants. `matrix` is what the page draws; grants are `application id:environment id`."""

    role = forms.ChoiceField(label=_("Role"), choices=_ROLES, initial=Role.DEPLOYER, widget=forms.RadioSelect)
    deploys_everything = forms.BooleanField(
        label=_("May deploy everything"),
        required=False,
        help_text=_("Every application in every environment, those made later too."),
    )
    grants = forms.MultipleChoiceField(label=_("Granted"), required=False)

    def __init__(self, *args: Any, user: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.matrix = grantable(user)
        pairs = [(pair.value, pair.value) for _application, row in self.matrix for pair in row]
        self.fields["grants"].choices = pairs  # type: ignore[attr-defined]

    @property
    def environments(self) -> list[str]:
        """The matrix's heading."""
        return [pair.environment.name for pair in self.matrix[0][1]] if self.matrix else []

    @property
    def granted(self) -> set[str]:
        """The boxes that are ticked."""
        return set(self["grants"].value() or ())

    def access(self) -> dict[str, Any]:
        """As the domain takes it."""
        data = self.cleaned_data
        grants = [tuple(int(part) for part in value.split(":")) for value in data["grants"]]
        counts = data["role"] == Role.DEPLOYER and not data["deploys_everything"]
        return {
            "role": data["role"],
            "deploys_everything": data["deploys_everything"],
            "grants": grants if counts else [],
        }


class InviteForm(AccessForm):
    """Also whom."""

    email = forms.EmailField(
        label=_("Email address"),
        help_text=_("They sign in with it. Estiva sends no mail: you get a link to pass on."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "autofocus": True}),
    )

    field_order = ("email", "role", "deploys_everything", "grants")
