"""Environments: staging, production, …"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import Host


class _OrderForm(forms.Form):
    """Place in the order, and whether to ask twice."""

    position = forms.IntegerField(
        label=_("Place in the order"), min_value=0, max_value=1000, help_text=_("Smaller numbers stand further left.")
    )
    is_production = forms.BooleanField(
        label=_("This is production"),
        required=False,
        help_text=_("A deploy here names the thing once more before it goes."),
    )
    allows_terminal = forms.BooleanField(
        label=_("Admins may open terminals into its containers"),
        required=False,
        help_text=_(
            "Each is recorded: who, when, what was run, and what it wrote. Switched off, open ones end within a minute."
        ),
    )


class ChangeEnvironmentForm(_OrderForm):
    """Also who builds for it."""

    builder = forms.ChoiceField(
        label=_("Builder"),
        required=False,
        help_text=_("Where images are built from Git repositories. The other servers get them from there."),
    )

    def __init__(self, *args: Any, servers: Iterable[Host], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        first = ("", _("the first server of each application"))
        choices = [first, *((str(each.pk), each.name) for each in servers)]
        self.fields["builder"].choices = choices  # type: ignore[attr-defined]

    def changes(self) -> dict[str, Any]:
        """What `update_environment` takes."""
        data = self.cleaned_data
        builder = int(data["builder"]) if data["builder"] else None
        kept = {key: data[key] for key in ("position", "is_production", "allows_terminal")}
        return {**kept, "builder_id": builder}


class EnvironmentForm(_OrderForm):
    """Also the name, for a new one."""

    name = forms.CharField(
        label=_("Name"),
        max_length=32,
        help_text=_("Small letters, digits and dashes, such as staging. It can't be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
